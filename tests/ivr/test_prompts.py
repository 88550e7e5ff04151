"""The prompts as files: complete, as the script says, even in level, clean at their ends."""

import re
import tomllib
from collections.abc import Iterator
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from louhua.calls.media.g711 import ALAW_SAMPLES
from louhua.ivr.prompts import PROMPTS
from louhua.subscribers.profiles import Language

RATE = 8000
SCRIPT: dict[str, Any] = tomllib.loads((PROMPTS / "script.toml").read_text("utf-8"))
FILES = sorted(PROMPTS.rglob("*.al"))
LINEAR = np.array(ALAW_SAMPLES) / 32768

HANZI_S = 0.09, 0.6
"""Shortest and longest plausible syllable of Mandarin."""


def samples(path: Path) -> npt.NDArray[np.float64]:
    return LINEAR[np.frombuffer(path.read_bytes(), np.uint8)]


def decibels(power: float) -> float:
    return 10 * log10(power + 1e-12)


def frames_db(path: Path, ms: int = 20) -> list[float]:
    sound, frame = samples(path), RATE * ms // 1000
    return [decibels(float(np.mean(sound[start : start + frame] ** 2))) for start in range(0, len(sound), frame)]


def lines(language: str) -> Iterator[tuple[str, str, float]]:
    """Clip, text and the silence behind it in seconds, of the script."""
    for take in SCRIPT["takes"]:
        for clip, text in zip(take["clips"], take[language], strict=True):
            yield clip, text, take.get("pause_ms", 0) / 1000


@pytest.mark.parametrize("language", Language)
def test_files_are_those_of_the_script(language: Language) -> None:
    scripted = [clip for clip, _, _ in lines(language)]
    assert len(scripted) == len(set(scripted))
    assert {path.stem for path in (PROMPTS / language).iterdir()} == set(scripted)
    assert SCRIPT["voices"][language]


def test_there_is_nothing_else() -> None:
    others = {path.relative_to(PROMPTS).as_posix() for path in FILES if path.parent.name not in set(Language)}
    assert others == {"beep.al"}
    assert sum(path.stat().st_size for path in FILES) < 6_000_000


def test_the_menu_is_worded_as_required() -> None:
    said = {clip: text for clip, text, _ in lines("zh-hans")}
    clips = "menu-intro", "menu-message", "menu-call-back", "menu-other", "menu-power-on"
    menu = "".join(said[clip] for clip in clips).translate(str.maketrans("一二三四", "1234"))
    assert re.sub(r"\W", "", menu) == (
        "您所拨打的用户暂时无法接通如需漏话提醒服务请在嘀声后按键选择否则请直接挂机"
        "留言请按1留本机号请按2留其他号码请按3需要开机提醒请按4"
    )
    assert said["announce"] == "对方已开通漏话提醒业务，将会把您的电话号码发送到对方的手机上"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PROMPTS).with_suffix("").as_posix())
def test_speech_is_as_loud_as_all_the_rest_and_clean_at_its_ends(path: Path) -> None:
    loud = [level for level in frames_db(path) if level > max(frames_db(path)) - 30]
    level = decibels(sum(10 ** (frame / 10) for frame in loud) / len(loud))
    assert level == pytest.approx(-20, abs=2)
    assert 0.15 <= len(samples(path)) / RATE <= 12
    assert np.abs(samples(path)).max() < 0.95
    first, *_, last = frames_db(path, ms=4)
    assert first < -35
    assert last < -35


def test_characters_take_as_long_as_speech_takes() -> None:
    for clip, text, pause in lines("zh-hans"):
        characters = len(re.findall(r"[\u4e00-\u9fff]", text))
        spoken = len(samples(PROMPTS / f"zh-hans/{clip}.al")) / RATE - pause
        assert HANZI_S[0] <= spoken / characters <= HANZI_S[1], clip


def test_the_beep_is_a_quarter_of_a_second_of_one_tone() -> None:
    beep = samples(PROMPTS / "beep.al")
    spectrum = np.abs(np.fft.rfft(beep * np.hanning(len(beep)))) ** 2
    hertz = np.argmax(spectrum) * RATE / len(beep)
    assert len(beep) == RATE // 4
    assert hertz == pytest.approx(1000, abs=5)
    near = np.abs(np.arange(len(spectrum)) * RATE / len(beep) - 1000) < 20
    assert spectrum[near].sum() > 0.99 * spectrum.sum()
