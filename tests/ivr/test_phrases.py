"""Phrases: the right clips in the right order, all of which exist."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from inspect import isfunction

import pytest

from louhua.bus.events import Choice
from louhua.ivr import phrases
from louhua.ivr.prompts import PROMPTS
from louhua.ivr.treatment import KEYS
from louhua.subscribers.profiles import Language

ZH, EN = Language.ZH_HANS, Language.EN
ALWAYS = datetime(2024, 1, 1, tzinfo=UTC)
"""The first minute of a leap year."""

PLAIN = [
    phrases.goodbye, phrases.invalid_key, phrases.no_key, phrases.enter_number, phrases.enter_mobile,
    phrases.number_invalid,
    phrases.leave_message, phrases.message_saved, phrases.message_too_short, phrases.power_on_promised,
]  # fmt: skip


def missing(clips: Sequence[str]) -> set[str]:
    """The clips that have no file."""
    return {clip for clip in clips if not clip.startswith("silence/") and not (PROMPTS / f"{clip}.al").is_file()}


def test_the_menu_says_what_the_requirement_says() -> None:
    assert phrases.menu(ZH, KEYS.values()) == (
        "zh-hans/menu-intro", "silence/2000", "beep", "zh-hans/menu-message", "zh-hans/menu-call-back",
        "zh-hans/menu-other", "zh-hans/menu-power-on",
    )  # fmt: skip


def test_repeated_options_come_without_the_intro() -> None:
    options = [Choice.CALL_BACK, Choice.CALL_OTHER]
    assert phrases.menu_options(EN, options) == ("en/menu-call-back", "en/menu-other")


def test_a_withheld_number_is_not_said_to_be_sent() -> None:
    assert phrases.announcement(ZH, withheld=False) == ("zh-hans/announce",)
    assert phrases.announcement(ZH, withheld=True) == ("zh-hans/announce-withheld",)


@pytest.mark.parametrize(
    ("number", "read"), [("10086", "10086"), ("+8613800138000", "8613800138000"), ("0*1#", "01"), ("", "")]
)
def test_numbers_are_read_digit_by_digit(number: str, read: str) -> None:
    assert phrases.digits(ZH, number) == tuple(f"zh-hans/digit-{digit}" for digit in read)


def test_a_number_is_read_back_between_what_it_is_and_what_to_press() -> None:
    clips = [clip for clip in phrases.confirm_number(EN, "907") if not clip.startswith("silence/")]
    assert clips == ["en/number-entered", "en/digit-9", "en/digit-0", "en/digit-7", "en/number-confirm"]


def test_a_moment_is_month_day_hour_and_minute() -> None:
    assert phrases.moment(ZH, datetime(2026, 11, 23, 9, 5, tzinfo=UTC)) == (
        "zh-hans/month-11", "zh-hans/day-23", "zh-hans/hour-9", "zh-hans/minute-5",
    )  # fmt: skip


@pytest.mark.parametrize("language", Language)
def test_every_clip_of_every_phrase_exists(language: Language) -> None:
    said = [
        *phrases.menu(language, KEYS.values()),
        *phrases.announcement(language, withheld=False),
        *phrases.announcement(language, withheld=True),
        *phrases.confirm_number(language, "0123456789"),
        *(clip for phrase in PLAIN for clip in phrase(language)),
    ]
    for hour in range(366 * 24):
        said += phrases.moment(language, ALWAYS + timedelta(hours=hour, minutes=hour % 60))
    assert len({clip for clip in said if "/minute-" in clip}) == 60
    assert missing(said) == set()


def test_every_function_that_gives_a_phrase_is_tested_here() -> None:
    given = {name for name, member in vars(phrases).items() if isfunction(member) and not name.startswith("_")}
    others = {"menu", "menu_options", "announcement", "digits", "confirm_number", "moment"}
    assert given == {function.__name__ for function in PLAIN} | others
