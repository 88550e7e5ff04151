"""The sandbox's ear recognises what was played, whatever was lost."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.sandbox.listening import FRAME, Ear, Heard, Library, is_silence, listen, words

SILENCE = b"\xd5" * FRAME


def clip(name: str, frames: int) -> bytes:
    chance = random.Random(name)
    return bytes(chance.randrange(256) for _ in range(frames * FRAME))


CLIPS = {name: clip(name, frames) for name, frames in (("a", 10), ("b", 25), ("c", 1), ("d", 40))}
LIBRARY = Library(CLIPS)


def frames_of(*names: str) -> list[bytes]:
    audio = b"".join(CLIPS.get(name, SILENCE) for name in names)
    return [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]


def test_one_prompt_after_the_other() -> None:
    assert listen(LIBRARY, frames_of("a", "b", "c")) == [
        Heard("a", 0.0, 0.2, complete=True),
        Heard("b", 0.2, 0.7, complete=True),
        Heard("c", 0.7, 0.72, complete=True),
    ]


def test_silence_between_is_nothing() -> None:
    heard = listen(LIBRARY, [*frames_of("a"), SILENCE, SILENCE, *frames_of("b")])
    assert [(item.clip, item.from_s) for item in heard] == [("a", 0.0), ("b", 0.24)]


def test_an_interrupted_prompt_is_not_complete() -> None:
    heard = listen(LIBRARY, [*frames_of("b")[:12], *frames_of("a")])
    assert [(item.clip, item.complete) for item in heard] == [("b", False), ("a", True)]


def test_the_prompt_is_known_while_it_plays() -> None:
    ear = Ear(LIBRARY)
    for frame in frames_of("d")[:3]:
        ear.feed(frame)
    assert ear.hearing == "d"
    assert ear.heard == []


def test_prompts_that_begin_alike_are_told_apart() -> None:
    library = Library({"short": CLIPS["a"], "long": CLIPS["a"] + CLIPS["b"]})
    assert [item.clip for item in listen(library, frames_of("a"))] == ["short"]
    assert [item.clip for item in listen(library, frames_of("a", "b"))] == ["long"]


@given(st.lists(st.sampled_from(sorted(CLIPS)), min_size=1, max_size=6))
def test_any_sequence_is_heard(names: list[str]) -> None:
    heard = listen(LIBRARY, frames_of(*names))
    assert [item.clip for item in heard] == names
    assert all(item.complete for item in heard)


@given(st.sampled_from(["b", "d"]), st.sets(st.integers(6, 20), max_size=4))
def test_lost_frames_are_tolerated(name: str, lost: set[int]) -> None:
    ear = Ear(LIBRARY)
    gap = 0
    for place, frame in enumerate(frames_of(name)):
        if place in lost:
            gap += 1
            continue
        ear.feed(frame, gap)
        gap = 0
    assert [(item.clip, item.complete) for item in ear.close()] == [(name, True)]


def test_noise_is_no_prompt() -> None:
    assert listen(LIBRARY, [clip("noise", 1) for _ in range(20)]) == []


def test_silence_is_known() -> None:
    assert is_silence(SILENCE)
    assert not is_silence(CLIPS["a"][:FRAME])


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_words_of_prompts_are_known(language: str) -> None:
    assert words()[f"{language}/menu-intro"]
    assert set(words()) >= {f"{language}/{name}" for name in ("goodbye", "announce", "menu-power-on")}
