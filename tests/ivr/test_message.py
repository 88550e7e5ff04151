"""A recorded message: how it begins, what ends it, and when it counts."""

import pytest
from tests.ivr.caller import HANG_UP, LISTEN, Caller, Move, Say, follow, said

from louhua.bus.events import Choice
from louhua.ivr.message import leave_message
from louhua.subscribers.profiles import Language

HEARD: list[Move] = [LISTEN, LISTEN]
"""The caller hears the prompt and the beep."""


def leave(*moves: Move, language: Language = Language.ZH_HANS, early: bool = False) -> Caller:
    caller = Caller(*moves, early=early)
    caller.done.append("answer")
    follow(leave_message(caller, language))
    return caller


def kept(caller: Caller) -> tuple[Choice, int]:
    return caller.result.choice, caller.result.recording.ms if caller.result.recording else 0


@pytest.mark.parametrize("language", Language)
def test_a_message_is_spoken_after_the_beep(language: Language) -> None:
    caller = leave(*HEARD, Say(4000, "#"), language=language)
    assert caller.heard == [f"{language}/message-leave", "beep", f"{language}/message-saved"]
    assert caller.uninterrupted == ["beep", f"{language}/message-saved"]
    assert kept(caller) == (Choice.MESSAGE, 4000)
    assert caller.done == ["answer", "connect", "record 60000 5000 #"]


def test_the_call_is_connected_before_anything_is_recorded() -> None:
    caller = leave(HANG_UP, early=True)
    assert caller.done == ["answer", "connect"]
    assert not caller.free_answer


def test_a_key_skips_the_prompt_but_not_the_beep() -> None:
    caller = leave("1", LISTEN, Say(2000, "#"))
    assert said(caller) == ["message-leave", "beep", "message-saved"]


@pytest.mark.parametrize(
    ("said_ms", "kept_ms"),
    [(0, 0), (999, 0), (1000, 0), (1001, 1001), (2000, 2000), (60_000, 60_000), (90_000, 60_000)],
)
@pytest.mark.parametrize("end", ["#", None, HANG_UP], ids=["#", "silence", "hung up"])
def test_a_message_counts_when_longer_than_a_second(said_ms: int, kept_ms: int, end: str | None) -> None:
    caller = leave(*HEARD, Say(said_ms, end), HANG_UP)
    assert kept(caller) == (Choice.MESSAGE if kept_ms else Choice.NONE, kept_ms)


@pytest.mark.parametrize("moves", [[], [LISTEN], HEARD], ids=["prompt", "beep", "recording"])
def test_who_hangs_up_before_speaking_has_left_nothing(moves: list[Move]) -> None:
    assert kept(leave(*moves, HANG_UP)) == (Choice.NONE, 0)


def test_who_said_nothing_may_begin_again() -> None:
    caller = leave(*HEARD, Say(300), *HEARD, Say(2500))
    once = ["message-leave", "beep"]
    assert said(caller) == [*once, "message-too-short", *once, "message-saved"]
    assert kept(caller) == (Choice.MESSAGE, 2500)


def test_after_three_tries_it_says_goodbye() -> None:
    caller = leave(*HEARD, Say(0), *HEARD, Say(500), *HEARD, Say(1000))
    assert caller.done.count("record 60000 5000 #") == 3
    assert said(caller)[-1] == "goodbye"
    assert kept(caller) == (Choice.NONE, 0)
