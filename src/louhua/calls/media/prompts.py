"""Prompts as ready frames: every ``.al`` file under a directory, cut into 20 ms, for both laws of G.711.

A clip's name is its path under the directory without the ending (``zh-hans/menu-intro``);
``silence/2000`` is 2,000 ms of silence and needs no file. Files are read once, at the start, so that no
disk is waited for while calls are spoken to.
"""

from pathlib import Path
from typing import Final

import structlog

from louhua.calls.media.g711 import ALAW_SILENCE, to_law

log = structlog.get_logger()

FRAME: Final = 160
"""Samples, and octets, in a frame of 20 ms at 8 kHz."""
FRAME_MS: Final = 20

Frames = tuple[bytes, ...]

_SILENCE: Final = "silence/"
_LONGEST_SILENCE_MS: Final = 600_000


def cut(alaw: bytes) -> Frames:
    """A-law octets as frames, the last filled up with silence."""
    padded = alaw + bytes([ALAW_SILENCE]) * (-len(alaw) % FRAME)
    return tuple(padded[start : start + FRAME] for start in range(0, len(padded), FRAME))


class Prompts:
    """All clips of a node, by name and payload type."""

    def __init__(self, clips: dict[str, bytes]) -> None:
        self._alaw = clips
        self._frames: dict[tuple[str, int], Frames] = {}

    @classmethod
    def load(cls, directory: Path) -> "Prompts":
        """Read every ``.al`` file under ``directory``; an unreadable one raises ``OSError``."""
        return cls(
            {
                path.relative_to(directory).with_suffix("").as_posix(): path.read_bytes()
                for path in sorted(directory.rglob("*.al"))
            }
        )

    def __len__(self) -> int:
        return len(self._alaw)

    def frames(self, clip: str, payload_type: int) -> Frames:
        """The clip's frames in the law of ``payload_type``; none, and a line in the log, if unknown."""
        key = clip, payload_type
        frames = self._frames.get(key)
        if frames is None:
            frames = self._frames[key] = self._cut(clip, payload_type)
        return frames

    def _cut(self, clip: str, payload_type: int) -> Frames:
        alaw = self._alaw.get(clip)
        if alaw is None:
            alaw = _silence(clip)
        if alaw is None:
            log.warning("media.unknown_clip", clip=clip)
            return ()
        return tuple(to_law(payload_type, frame) for frame in cut(alaw))


def _silence(clip: str) -> bytes | None:
    """The octets of ``silence/NNN``, or ``None`` when the clip is not that."""
    length = clip.removeprefix(_SILENCE)
    if length == clip or not length.isdecimal() or int(length) > _LONGEST_SILENCE_MS:
        return None
    return bytes([ALAW_SILENCE]) * (int(length) * FRAME // FRAME_MS)
