from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from louhua.charging.months import last_month, local_day, midnight_after, month_of, next_month, read_month


@pytest.mark.parametrize(
    ("utc", "zone", "day"),
    [
        ("2026-11-30T15:59:59", "Asia/Shanghai", "2026-11-30"),
        ("2026-11-30T16:00:00", "Asia/Shanghai", "2026-12-01"),
        ("2026-12-01T04:59:59", "America/New_York", "2026-11-30"),
        ("2026-12-31T23:30:00", "Europe/London", "2026-12-31"),
    ],
)
def test_days_and_months_are_those_of_the_services_zone(utc: str, zone: str, day: str) -> None:
    found = local_day(datetime.fromisoformat(utc).replace(tzinfo=UTC), ZoneInfo(zone))
    assert found == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("now", "zone", "hours"),
    [
        (datetime(2026, 11, 23, 15, 0, tzinfo=UTC), "Asia/Shanghai", 1),
        (datetime(2026, 11, 23, 16, 0, tzinfo=UTC), "Asia/Shanghai", 24),
        (datetime(2026, 11, 23, 22, 0, tzinfo=UTC), "UTC", 2),
        (datetime(2026, 3, 28, 23, 0, tzinfo=UTC), "Europe/Berlin", 23),
        (datetime(2026, 10, 24, 22, 0, tzinfo=UTC), "Europe/Berlin", 25),
    ],
)
def test_how_long_a_day_lasts_yet(now: datetime, zone: str, hours: int) -> None:
    assert midnight_after(now, ZoneInfo(zone)) - now == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("day", "before", "its", "after"),
    [
        ("2026-11-23", "2026-10-01", "2026-11-01", "2026-12-01"),
        ("2026-01-01", "2025-12-01", "2026-01-01", "2026-02-01"),
        ("2026-01-31", "2025-12-01", "2026-01-01", "2026-02-01"),
        ("2028-02-29", "2028-01-01", "2028-02-01", "2028-03-01"),
        ("2026-03-31", "2026-02-01", "2026-03-01", "2026-04-01"),
        ("2026-12-31", "2026-11-01", "2026-12-01", "2027-01-01"),
    ],
)
def test_months_follow_one_another(day: str, before: str, its: str, after: str) -> None:
    of = date.fromisoformat(day)
    found = [last_month(of), month_of(of), next_month(of)]
    assert found == [date.fromisoformat(month) for month in (before, its, after)]


@pytest.mark.parametrize("text", ["2026", "2026-13", "11-2026", "2026-11-01", "November", "", "2026-1x"])
def test_what_is_no_month_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match="is not a month; write it like 2026-11"):
        read_month(text, date(2026, 11, 23))


def test_months_to_come_are_refused() -> None:
    assert read_month("2026-11", date(2026, 11, 23)) == date(2026, 11, 1)
    assert read_month("2026-11", date(2026, 11, 1)) == date(2026, 11, 1)
    assert read_month("2025-02", date(2026, 11, 23)) == date(2025, 2, 1)
    with pytest.raises(ValueError, match="2026-12 has not begun; the latest is 2026-11"):
        read_month("2026-12", date(2026, 11, 23))
