"""Audio of the sandbox's phones: A-law at 8 kHz (ITU-T G.711), tones, and WAV files anybody can play or make."""

import struct
import wave
from pathlib import Path
from typing import Any, Final

import numpy as np

from louhua.calls.media.g711 import ALAW_SAMPLES

RATE: Final = 8000
SILENCE: Final = b"\xd5"

_TONE_HZ: Final = 440
_LONGEST_TONE_S: Final = 600
_TONE_PEAK: Final = 8000
_SAMPLES: Final = np.array(ALAW_SAMPLES, "<i2")
_CODES: Final = np.argsort(_SAMPLES).astype(np.uint8)
_BORDERS: Final = (_SAMPLES[_CODES][1:].astype(np.int32) + _SAMPLES[_CODES][:-1]) // 2
"""Between each sample that A-law has and the next, from the lowest up."""


class AudioError(Exception):
    """A file cannot be said; the message says why and what can."""


def to_alaw(samples: np.ndarray[Any, np.dtype[np.int16]]) -> bytes:
    """16-bit samples as the A-law octets nearest to them."""
    return _CODES[np.searchsorted(_BORDERS, samples)].tobytes()


def tone(seconds: float) -> bytes:
    """A tone of 440 Hz; raises ``ValueError`` when it would have no length."""
    if not 0 < seconds < _LONGEST_TONE_S:
        raise ValueError(f"a tone lasts up to {_LONGEST_TONE_S} seconds, not {seconds:g}")
    turns = np.arange(int(seconds * RATE)) * (_TONE_HZ / RATE)
    return to_alaw((_TONE_PEAK * np.sin(2 * np.pi * turns)).astype(np.int16))


def save_wave(audio: bytes, path: Path) -> None:
    """Write A-law audio as a WAV file; raises ``OSError``."""
    with path.open("wb") as out, wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(_SAMPLES[np.frombuffer(audio, np.uint8)].tobytes())


def read_audio(path: Path) -> bytes:
    """A-law audio from an ``.al`` file, or from a WAV file with 16-bit samples at 8 kHz, one channel.

    Raises ``AudioError``.
    """
    try:
        if path.suffix == ".al":
            return path.read_bytes()
        with wave.open(str(path), "rb") as file:
            if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
                raise AudioError(f"{path}: give a WAV file with 16-bit samples at 8,000 Hz, one channel")
            return to_alaw(np.frombuffer(file.readframes(file.getnframes()), "<i2"))
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror}") from error
    except (wave.Error, EOFError, struct.error) as error:
        raise AudioError(f"{path}: not a WAV file that can be read: {error}") from error
