"""Which days have partitions, and which of them go."""

from datetime import UTC, datetime, timedelta

import pytest

from louhua.retention.partitions import AHEAD, Partition, missing, outdated, read_bounds

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)


def day(number: int) -> datetime:
    return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=number - 1)


@pytest.mark.parametrize(
    ("bounds", "start", "end"),
    [
        ("FOR VALUES FROM ('2026-11-23 00:00:00+00') TO ('2026-11-24 00:00:00+00')", day(23), day(24)),
        ("FOR VALUES FROM (MINVALUE) TO ('2026-11-24 00:00:00+00')", datetime.min.replace(tzinfo=UTC), day(24)),
    ],
)
def test_bounds_are_read(bounds: str, start: datetime, end: datetime) -> None:
    assert read_bounds("p", bounds) == Partition("p", start, end)


def test_the_default_partition_has_none() -> None:
    assert read_bounds("alerts_call_rest", "DEFAULT") is None


def test_there_is_a_day_for_today_and_for_each_of_the_next_two_weeks() -> None:
    made = missing([], NOW)
    assert [partition.start for partition in made] == [day(23 + n) for n in range(AHEAD.days + 1)]
    assert all(partition.end - partition.start == timedelta(days=1) for partition in made)
    assert made[0].name == "alerts_call_20261123"


def test_days_that_are_there_are_not_made_again() -> None:
    before = Partition("before", datetime.min.replace(tzinfo=UTC), day(25))
    made = missing([before, Partition("x", day(27), day(28))], NOW)
    assert [partition.start.day for partition in made[:3]] == [25, 26, 28]
    assert missing(missing([], NOW), NOW) == []


@pytest.mark.parametrize(("limit", "gone"), [(day(20), []), (day(21), ["a"]), (day(23), ["a", "b"])])
def test_a_day_goes_when_all_of_it_is_too_old(limit: datetime, gone: list[str]) -> None:
    days = [Partition("a", day(20), day(21)), Partition("b", day(21), day(22)), Partition("c", day(23), day(24))]
    assert [partition.name for partition in outdated(days, limit)] == gone
