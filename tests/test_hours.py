"""Hours of the day: what is written, what is within, when it is over."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from louhua.hours import NEVER, Hours, parse_hours

ZONE = ZoneInfo("Asia/Shanghai")


def at(hour: int, minute: int = 0, day: int = 23) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("text", "expected", "written"),
    [
        ("22:00-07:00", Hours(22 * 60, 7 * 60), "22:00-07:00"),
        (" 8:30 - 24:00 ", Hours(8 * 60 + 30, 24 * 60), "08:30-24:00"),
        ("off", NEVER, "off"),
        ("OFF", NEVER, "off"),
    ],
)
def test_hours_are_read_and_written(text: str, expected: Hours, written: str) -> None:
    assert parse_hours(text) == expected
    assert str(expected) == written
    assert parse_hours(expected) is expected


@pytest.mark.parametrize("text", ["", "night", "22-7", "25:00-07:00", "08:00-08:00", "20:00-24:30", "08:60-09:00"])
def test_nonsense_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="off"):
        parse_hours(text)


@pytest.mark.parametrize(
    ("hours", "moment", "within"),
    [
        ("22:00-07:00", at(22), True),
        ("22:00-07:00", at(21, 59), False),
        ("22:00-07:00", at(3), True),
        ("22:00-07:00", at(7), False),
        ("08:00-20:00", at(8), True),
        ("08:00-20:00", at(20), False),
        ("20:00-24:00", at(23, 59), True),
        ("off", at(0), False),
    ],
)
def test_what_is_within(hours: str, moment: datetime, within: bool) -> None:
    assert (moment in parse_hours(hours)) is within


@pytest.mark.parametrize(
    ("hours", "moment", "over"),
    [
        ("22:00-07:00", at(23), at(7, day=24)),
        ("22:00-07:00", at(3), at(7)),
        ("08:00-20:00", at(9, 30), at(20)),
        ("20:00-24:00", at(23), at(0, day=24)),
    ],
)
def test_when_they_are_over(hours: str, moment: datetime, over: datetime) -> None:
    assert parse_hours(hours).over(moment) == over
