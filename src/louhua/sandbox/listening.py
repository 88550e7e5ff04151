"""The sandbox's ear: tells which prompts a phone heard, from the RTP it received.

Prompts travel as 160-byte A-law frames, unchanged on loopback, so a prompt is recognised by its bytes, wherever in
it the first frame is that came. Lost frames are tolerated; what is no prompt (silence, a voice) is passed over.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from louhua.ivr.prompts import PROMPTS

FRAME: Final = 160
FRAME_S: Final = 0.02
_SILENCE: Final = 0xD5
_MAY_MISS: Final = 5
"""Frames of its beginning that may be lost of a clip that was heard completely."""


class Heard(msgspec.Struct, frozen=True):
    """A prompt that was heard; ``complete`` from beginning to end. Times in seconds from the first frame."""

    clip: str
    from_s: float
    to_s: float
    complete: bool


class _Match(NamedTuple):
    """A clip that the latest frame may belong to: its first frame that was heard, and its latest."""

    clip: str
    first: int
    latest: int


class Library:
    """The known prompts, found by their frames."""

    def __init__(self, clips: Mapping[str, bytes]) -> None:
        self.frames: dict[str, list[bytes]] = {
            name: [_padded(audio[at : at + FRAME]) for at in range(0, len(audio), FRAME)]
            for name, audio in clips.items()
            if audio
        }
        self._places: dict[bytes, list[tuple[str, int]]] = {}
        self._leads: dict[str, int] = {}
        for name, frames in self.frames.items():
            for place, frame in enumerate(frames):
                if not is_silence(frame):
                    self._leads.setdefault(name, place)
                    self._places.setdefault(frame, []).append((name, place))

    @classmethod
    def load(cls, directory: Path = PROMPTS) -> "Library":
        """Every ``.al`` file below a directory, by its path without the ending."""
        return cls({
            path.relative_to(directory).with_suffix("").as_posix(): path.read_bytes()
            for path in sorted(directory.rglob("*.al"))
        })  # fmt: skip

    def places(self, frame: bytes) -> list[tuple[str, int]]:
        """The clips that have this frame, and where; none for silence."""
        return self._places.get(frame, [])

    def frame(self, clip: str, place: int) -> bytes | None:
        """The frame at a place of a clip, ``None`` after its end."""
        frames = self.frames[clip]
        return frames[place] if place < len(frames) else None

    def is_begun(self, clip: str, first: int) -> bool:
        """Whether who heard a clip from its frame ``first`` on heard its beginning; silence is not missed."""
        return first <= self._leads[clip] + _MAY_MISS

    def is_ended(self, clip: str, latest: int) -> bool:
        """Whether nothing of a clip comes after its frame ``latest``."""
        return latest >= len(self.frames[clip]) - 1


class Ear:
    """Listens frame by frame; ``heard`` grows as prompts end."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._at = 0
        self._from = 0
        self._matches: list[_Match] = []
        self.heard: list[Heard] = []

    @property
    def hearing(self) -> str | None:
        """The prompt being heard now, once it can be no other."""
        clips = {match.clip for match in self._matches}
        return next(iter(clips)) if len(clips) == 1 else None

    def feed(self, frame: bytes, lost: int = 0, *, paused: int = 0) -> None:
        """Hear the next frame: ``lost`` frames before it never came, or nothing was sent for ``paused`` frames."""
        following = [
            match._replace(latest=place)
            for match in self._matches
            if self._library.frame(match.clip, place := match.latest + 1 + lost) == frame
        ]
        if following:
            self._at += lost + paused
            self._matches = following
        else:
            self._close(lost)
            self._at += lost + paused
            self._begin(frame)
        self._at += 1
        self._end_if_complete()

    def close(self) -> list[Heard]:
        """The call is over; everything that was heard."""
        self._close(lost=0)
        return self.heard

    def _begin(self, frame: bytes) -> None:
        """A prompt may begin here, or be heard from here on."""
        self._matches = [_Match(clip, place, place) for clip, place in self._library.places(frame)]
        self._from = self._at

    def _end_if_complete(self) -> None:
        """When only one prompt is possible and it is at its end, say so at once."""
        if len(self._matches) == 1 and self._is_ended(self._matches[0]):
            self._close(lost=0)

    def _close(self, lost: int) -> None:
        """Another frame came than any that could follow, after ``lost`` frames that may have been the end."""
        if not self._matches:
            return
        match = min(self._matches, key=lambda one: (one.first, not self._is_ended(one, lost)))
        complete = self._library.is_begun(match.clip, match.first) and self._is_ended(match, lost)
        self.heard.append(
            Heard(match.clip, round(self._from * FRAME_S, 2), round(self._at * FRAME_S, 2), complete)
        )
        self._matches = []

    def _is_ended(self, match: _Match, lost: int = 0) -> bool:
        return self._library.is_ended(match.clip, match.latest + lost)


def listen(library: Library, frames: Iterable[bytes]) -> list[Heard]:
    """What was heard in a whole recording."""
    ear = Ear(library)
    for frame in frames:
        ear.feed(frame)
    return ear.close()


def is_silence(frame: bytes) -> bool:
    """Whether a frame is A-law silence: the smallest sample of either sign (G.711, even bits inverted)."""
    return frame.count(_SILENCE) + frame.count(_SILENCE ^ 0x80) == len(frame)


def is_clip(clip: str, name: str) -> bool:
    """Whether a clip has this name, which may leave out the language."""
    return clip == name or clip.endswith(f"/{name}")


def words(directory: Path = PROMPTS) -> dict[str, str]:
    """What each clip says, from the prompts' script."""
    script = tomllib.loads((directory / "script.toml").read_text("utf-8"))
    return {
        f"{language}/{clip}": text
        for language in script["voices"]
        for take in script["takes"]
        for clip, text in zip(take["clips"], take[language], strict=True)
    }


def _padded(frame: bytes) -> bytes:
    return frame + bytes([_SILENCE]) * (FRAME - len(frame))
