"""The token bucket, and how refusals slow it down. Time is made up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.texts.smpp.pace import Pace


def run(pace: Pace, seconds: float, start: float = 0.0, step: float = 0.01) -> int:
    """Send as much as it allows; return how many."""
    sent = 0
    for tick in range(round(seconds / step)):
        sent += pace.take(1000, start + (tick + 1) * step)
    return sent


@pytest.mark.parametrize("rate", [1.0, 7.5, 100.0, 3000.0])
def test_the_rate_is_kept(rate: float) -> None:
    assert run(Pace(rate, 0.0), 10.0) == pytest.approx(rate * 10, rel=0.02, abs=2)


def test_no_burst_after_a_silence() -> None:
    pace = Pace(100.0, 0.0)
    assert pace.take(1000, 3600.0) == 11


def test_zero_is_without_limit() -> None:
    pace = Pace(0, 0.0)
    assert pace.take(123456, 0.0) == 123456
    assert pace.rate == math.inf
    assert pace.wait(0.0) == 0.0


@given(st.floats(1, 5000), st.lists(st.floats(0.0001, 2), min_size=1, max_size=60))
def test_waiting_as_told_gives_a_token(rate: float, pauses: list[float]) -> None:
    pace = Pace(rate, 0.0)
    now = 0.0
    for pause in pauses:
        now += pause
        pace.take(10**6, now)
        now += pace.wait(now) + 1e-6
        assert pace.take(1, now) == 1


def test_a_refusal_holds_and_lowers_the_rate_to_what_was_accepted() -> None:
    pace = Pace(200.0, 0.0)
    pace.accepted(100)
    assert pace.refused(1.5)
    assert pace.take(10, 1.9) == 0
    assert pace.wait(1.5) >= 0.5
    assert pace.rate == pytest.approx(80.0)
    assert not pace.refused(1.6), "the other refusals of that second are the same news"
    assert run(pace, 1.0, start=2.0) == pytest.approx(80, abs=10)


def test_an_unlimited_connection_is_limited_too() -> None:
    pace = Pace(0, 0.0)
    pace.accepted(1000)
    assert pace.refused(0.5)
    assert pace.rate == 800.0


def test_it_recovers_to_the_configured_rate_and_not_above() -> None:
    pace = Pace(100.0, 0.0)
    pace.accepted(10)
    pace.refused(0.5)
    rates = [pace.rate]
    for second in range(2, 60):
        pace.take(0, float(second))
        rates.append(pace.rate)
    assert rates[0] == 8.0
    assert rates == sorted(rates)
    assert rates[-1] == 100.0


def test_an_unlimited_connection_recovers_fully() -> None:
    pace = Pace(0, 0.0)
    pace.refused(0.5)
    pace.take(0, 200.0)
    assert pace.rate == math.inf


def test_it_settles_near_what_the_smsc_takes() -> None:
    """An SMSC that takes 100 a second and refuses the rest; we were told 400."""
    pace = Pace(400.0, 0.0)
    taken = refused = 0
    for second in range(60):
        quota = 100
        for tick in range(100):
            now = second + tick / 100
            for _ in range(pace.take(1000, now)):
                if quota > 0:
                    quota -= 1
                    pace.accepted()
                    taken += 1
                else:
                    refused += 1
                    pace.refused(now)
    assert taken > 60 * 70
    assert refused < taken * 0.1


def test_a_long_silence_costs_nothing() -> None:
    pace = Pace(100.0, 0.0)
    assert pace.take(1, 1e9) == 1
