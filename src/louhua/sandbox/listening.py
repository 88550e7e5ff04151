"""The sandbox's ear: tells which prompts a phone heard, from the RTP it received.

Prompts travel as 160-byte A-law frames, unchanged on loopback, so a prompt is recognised by its bytes. Lost
frames are tolerated; what is not a prompt (silence, somebody's voice) is passed over.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from louhua.ivr.prompts import PROMPTS

FRAME: Final = 160
FRAME_S: Final = 0.02
_SILENCE: Final = 0xD5
_LATEST_START: Final = 5
"""A clip may be recognised although its first frames were lost."""


class Heard(msgspec.Struct, frozen=True):
    """A prompt that was heard. Times are in seconds of audio from the beginning of the call."""

    clip: str
    from_s: float
    to_s: float
    complete: bool


class Library:
    """The known prompts, found by their frames."""

    def __init__(self, clips: Mapping[str, bytes]) -> None:
        self.frames: dict[str, list[bytes]] = {
            name: [_padded(audio[at : at + FRAME]) for at in range(0, len(audio), FRAME)]
            for name, audio in clips.items()
            if audio
        }
        self._starts: dict[bytes, list[tuple[str, int]]] = {}
        for name, frames in self.frames.items():
            for place, frame in enumerate(frames[:_LATEST_START]):
                if not is_silence(frame):
                    self._starts.setdefault(frame, []).append((name, place))

    @classmethod
    def load(cls, directory: Path = PROMPTS) -> "Library":
        """Every ``.al`` file below a directory, by its path without the ending."""
        return cls({
            str(path.relative_to(directory).with_suffix("")): path.read_bytes()
            for path in sorted(directory.rglob("*.al"))
        })  # fmt: skip

    def starts(self, frame: bytes) -> list[tuple[str, int]]:
        """Clips that may begin with this frame, and the frame's place in each."""
        return self._starts.get(frame, [])


class Ear:
    """Listens frame by frame; ``heard`` grows as prompts end, ``hearing`` names the one being played."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._at = 0
        self._from = 0
        self._candidates: list[tuple[str, int]] = []
        self.heard: list[Heard] = []

    @property
    def hearing(self) -> str | None:
        """The prompt being heard now, if there is one."""
        return self._candidates[0][0] if self._candidates else None

    def feed(self, frame: bytes, lost: int = 0) -> None:
        """Hear the next frame; ``lost`` frames before it never came."""
        self._at += lost
        following = [
            (name, place + 1 + lost)
            for name, place in self._candidates
            if self._frame(name, place + 1 + lost) == frame
        ]
        if following:
            self._candidates = following
            self._end_if_complete()
        else:
            self._close()
            self._candidates = list(self._library.starts(frame))
            self._from = self._at - (self._candidates[0][1] if self._candidates else 0)
        self._at += 1

    def close(self) -> list[Heard]:
        """The call is over; everything that was heard."""
        self._close()
        return self.heard

    def _frame(self, name: str, place: int) -> bytes | None:
        frames = self._library.frames[name]
        return frames[place] if place < len(frames) else None

    def _end_if_complete(self) -> None:
        """When only one prompt is possible and it is at its end, say so at once."""
        name, place = self._candidates[0]
        if len(self._candidates) == 1 and place == len(self._library.frames[name]) - 1:
            self._add(name, place, after=1)
            self._candidates = []

    def _close(self) -> None:
        if self._candidates:
            ended = [item for item in self._candidates if item[1] == len(self._library.frames[item[0]]) - 1]
            name, place = (ended or self._candidates)[0]
            self._add(name, place, after=0)
            self._candidates = []

    def _add(self, name: str, place: int, after: int) -> None:
        start, end = max(0, self._from) * FRAME_S, (self._at + after) * FRAME_S
        complete = place == len(self._library.frames[name]) - 1
        self.heard.append(Heard(name, round(start, 2), round(end, 2), complete))


def listen(library: Library, frames: Iterable[bytes]) -> list[Heard]:
    """What was heard in a whole recording."""
    ear = Ear(library)
    for frame in frames:
        ear.feed(frame)
    return ear.close()


def is_silence(frame: bytes) -> bool:
    """Whether a frame is A-law silence (RFC 3551, section 4.5.14: inverted even bits)."""
    return frame.count(_SILENCE) + frame.count(_SILENCE ^ 0x80) == len(frame)


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
