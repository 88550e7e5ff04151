"""Audio comes back from files as it was, as far as A-law can say it."""

import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.calls.media.g711 import ALAW_SAMPLES
from louhua.sandbox.audio import AudioError, read_audio, save_wave, to_alaw, tone


@given(st.binary(max_size=400))
def test_every_octet_survives_a_file(tmp_path_factory: pytest.TempPathFactory, audio: bytes) -> None:
    path = tmp_path_factory.mktemp("audio") / "a.wav"
    save_wave(audio, path)
    assert read_audio(path) == audio


@given(st.integers(-32768, 32767))
def test_a_sample_becomes_the_nearest_octet(sample: int) -> None:
    (code,) = to_alaw(np.array([sample], np.int16))
    assert abs(ALAW_SAMPLES[code] - sample) == min(abs(known - sample) for known in ALAW_SAMPLES)


def test_a_tone_is_as_long_and_as_high_as_it_should_be() -> None:
    samples = np.array(ALAW_SAMPLES)[np.frombuffer(tone(1), np.uint8)]
    assert len(samples) == 8000
    assert np.argmax(np.abs(np.fft.rfft(samples))) == 440


@pytest.mark.parametrize("seconds", [0, -3, 1e9, float("nan")])
def test_a_tone_without_a_length_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="a tone lasts"):
        tone(seconds)


def test_raw_audio_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.al").write_bytes(b"\xd5\x55")
    assert read_audio(tmp_path / "a.al") == b"\xd5\x55"


def test_a_wave_of_another_kind_is_explained(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(bytes(400))
    with pytest.raises(AudioError, match="8,000 Hz"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b"", "not a WAV"), (b"RIFF....nothing", "not a WAV")]
)
def test_what_cannot_be_read_is_explained(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=why):
        read_audio(path)
