"""Prompts as ready frames: every ``.al`` file under a directory, cut into 20 ms, in both laws of G.711.

A clip's name is its path under the directory without the ending (``zh-hans/menu-intro``); ``silence/2000``
is 2,000 ms of silence and needs no file. Files are read once, at the start, into one array of frames, so
that no disk is waited for while calls are spoken to and all calls send from the same memory.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import structlog

from louhua.calls.media.g711 import ALAW_SILENCE, ALAW_TO_ULAW, PCMU
from louhua.calls.media.rtp import FRAME, FRAME_MS

log = structlog.get_logger()

FrameArray = np.ndarray[Any, np.dtype[np.void]]

_SILENCE: Final = "silence/"
_LONGEST_SILENCE_MS: Final = 600_000


class Run(NamedTuple):
    """Frames that follow each other: the first one's place among all, how many, and the step to the next."""

    first: int
    frames: int
    step: int = 1


class Prompts:
    """All clips of a node. ``frames`` holds every frame in A-law, then every frame in µ-law."""

    def __init__(self, clips: dict[str, bytes]) -> None:
        self._runs: dict[str, Run] = {}
        octets = bytearray(bytes([ALAW_SILENCE]) * FRAME)
        for name, alaw in clips.items():
            padded = alaw + bytes([ALAW_SILENCE]) * (-len(alaw) % FRAME)
            self._runs[name] = Run(len(octets) // FRAME, len(padded) // FRAME)
            octets += padded
        self._ulaw_from = len(octets) // FRAME
        octets += octets.translate(ALAW_TO_ULAW)
        self.frames: FrameArray = np.frombuffer(bytes(octets), dtype=f"V{FRAME}")

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
        return len(self._runs)

    def run(self, clip: str) -> Run | None:
        """The clip's frames in A-law; ``None`` if there are none, with a line in the log if unknown."""
        run = self._runs.get(clip) or _silence(clip)
        if run is None:
            log.warning("media.unknown_clip", clip=clip)
        return run if run and run.frames else None

    def shift(self, payload_type: int) -> int:
        """How far from each frame in A-law the same one in the law of ``payload_type`` is."""
        return self._ulaw_from if payload_type == PCMU else 0


def _silence(clip: str) -> Run | None:
    """``silence/NNN``: the frame of silence at place 0, again and again, for at least that time."""
    length = clip.removeprefix(_SILENCE)
    if length == clip or not length.isdecimal() or int(length) > _LONGEST_SILENCE_MS:
        return None
    return Run(0, -(-int(length) // FRAME_MS), 0)
