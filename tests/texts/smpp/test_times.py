"""SMPP times: examples from section 7.1.1, and round trips."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.texts.smpp.times import LONGEST_RELATIVE, absolute, parse, relative

NOW = datetime(2026, 11, 23, 9, 5, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "000000000000000R"),
        (timedelta(seconds=90), "000000000130000R"),
        (timedelta(days=3, hours=2, minutes=1, seconds=5.9), "000003020105000R"),
        (timedelta(days=400), "000030000000000R"),
        (timedelta(seconds=-1), "000000000000000R"),
    ],
)
def test_relative_times(length: timedelta, text: str) -> None:
    assert relative(length) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", None),
        ("000000010000000R", NOW + timedelta(hours=1)),
        ("010101000000000R", NOW + timedelta(days=365 + 30 + 1)),
        ("261123090507000+", NOW),
        ("261123170507032+", NOW),
        ("261123050507016-", NOW),
    ],
)
def test_reading(text: str, moment: datetime | None) -> None:
    assert parse(text, NOW) == moment


@pytest.mark.parametrize("text", ["0", "261323090507000+", "26112309050700+", "261123090507000Z", "x" * 16])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text, NOW)


@given(st.timedeltas(min_value=timedelta(0), max_value=LONGEST_RELATIVE))
def test_relative_round_trip(length: timedelta) -> None:
    assert parse(relative(length), NOW) == NOW + timedelta(seconds=int(length.total_seconds()))


@given(st.datetimes(datetime(2001, 1, 1), datetime(2098, 1, 1), timezones=st.just(UTC)))
def test_absolute_round_trip(moment: datetime) -> None:
    assert parse(absolute(moment), NOW) == moment.replace(microsecond=moment.microsecond // 100_000 * 100_000)
