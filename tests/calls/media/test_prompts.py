"""Prompts: files as frames."""

from pathlib import Path

import pytest
import structlog

from louhua.calls.media.g711 import ALAW_SILENCE, ALAW_TO_ULAW, PCMA, PCMU
from louhua.calls.media.prompts import Prompts, Run


def octets(prompts: Prompts, clip: str, payload_type: int) -> bytes:
    run = prompts.run(clip)
    assert run is not None
    first = run.first + prompts.shift(payload_type)
    places = [first + run.step * frame for frame in range(run.frames)]
    return b"".join(bytes(prompts.frames[place]) for place in places)


def test_files_become_frames_in_both_laws(tmp_path: Path) -> None:
    (tmp_path / "zh-hans").mkdir()
    (tmp_path / "zh-hans/a.al").write_bytes(b"\x01" * 160 + b"\x02" * 10)
    (tmp_path / "b.al").write_bytes(b"\x03" * 320)
    (tmp_path / "notes.txt").write_text("not a prompt")
    prompts = Prompts.load(tmp_path)
    assert len(prompts) == 2
    expected = b"\x01" * 160 + b"\x02" * 10 + bytes([ALAW_SILENCE]) * 150
    assert octets(prompts, "zh-hans/a", PCMA) == expected
    assert octets(prompts, "zh-hans/a", PCMU) == expected.translate(ALAW_TO_ULAW)
    assert octets(prompts, "b", PCMA) == b"\x03" * 320


@pytest.mark.parametrize(("clip", "frames"), [("silence/20", 1), ("silence/2000", 100), ("silence/2001", 101)])
def test_silence_needs_no_file(clip: str, frames: int) -> None:
    prompts = Prompts({"a": b"\x01"})
    assert prompts.run(clip) == Run(0, frames, 0)
    assert octets(prompts, clip, PCMA) == bytes([ALAW_SILENCE]) * 160 * frames
    assert octets(prompts, clip, PCMU) == bytes([ALAW_TO_ULAW[ALAW_SILENCE]]) * 160 * frames


@pytest.mark.parametrize("clip", ["b", "silence/", "silence/-20", "silence/x", "silence/9999999", ""])
def test_what_cannot_be_played_is_logged_and_skipped(clip: str) -> None:
    prompts = Prompts({"a": b"\x01"})
    with structlog.testing.capture_logs() as logs:
        assert prompts.run(clip) is None
    assert [line["event"] for line in logs] == ["media.unknown_clip"]


@pytest.mark.parametrize("clip", ["silence/0", "empty"])
def test_a_clip_of_no_length_is_nothing_to_log(clip: str) -> None:
    with structlog.testing.capture_logs() as logs:
        assert Prompts({"empty": b""}).run(clip) is None
    assert logs == []
