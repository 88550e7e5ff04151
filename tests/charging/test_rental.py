"""What a month costs before anything is used: the table, and what holds for every day."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.charging.plans import read_plan
from louhua.charging.rental import RentalWhy, due

NOVEMBER, FEBRUARY = date(2026, 11, 1), date(2026, 2, 1)
LONG_AGO = date(2025, 3, 4)
DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))


def plan(rental: str = "3.000", **terms: Any) -> Any:
    return read_plan({"name": "p", "valid_from": "2000-01-01", "rental": rental} | terms)


@pytest.mark.parametrize(
    ("terms", "month", "activated", "since", "amount", "why", "days"),
    [
        ({}, NOVEMBER, LONG_AGO, LONG_AGO, 3000, RentalWhy.FULL, 30),
        ({}, NOVEMBER, date(2026, 11, 30), date(2026, 11, 30), 3000, RentalWhy.FULL, 30),
        ({}, FEBRUARY, LONG_AGO, LONG_AGO, 3000, RentalWhy.FULL, 28),
        ({"first_month": "pro-rata"}, NOVEMBER, LONG_AGO, LONG_AGO, 3000, RentalWhy.FULL, 30),
        ({"first_month": "pro-rata"}, NOVEMBER, NOVEMBER, NOVEMBER, 3000, RentalWhy.FULL, 30),
        ({"first_month": "pro-rata"}, NOVEMBER, date(2026, 11, 16), date(2026, 11, 16), 1500,
         RentalWhy.PRO_RATA, 15),
        ({"first_month": "pro-rata"}, NOVEMBER, date(2026, 11, 30), date(2026, 11, 30), 100,
         RentalWhy.PRO_RATA, 1),
        # 10/28 of 3.000 is 1.0714…, 1/31 of 0.050 is 0.0016…, 15/30 of 0.001 is a half, which goes up.
        ({"first_month": "pro-rata"}, FEBRUARY, date(2026, 2, 19), date(2026, 2, 19), 1071,
         RentalWhy.PRO_RATA, 10),
        ({"first_month": "pro-rata", "rental": "0.050"}, date(2026, 12, 1), date(2026, 12, 31),
         date(2026, 12, 31), 2, RentalWhy.PRO_RATA, 1),
        ({"first_month": "pro-rata", "rental": "0.001"}, NOVEMBER, date(2026, 11, 16), date(2026, 11, 16), 1,
         RentalWhy.PRO_RATA, 15),
        ({"first_month": "pro-rata"}, date(2028, 2, 1), date(2028, 2, 29), date(2028, 2, 29), 103,
         RentalWhy.PRO_RATA, 1),
        ({"first_month": "free"}, NOVEMBER, date(2026, 11, 2), date(2026, 11, 2), 0, RentalWhy.FIRST_FREE, 0),
        ({"first_month": "free"}, date(2026, 12, 1), date(2026, 11, 2), date(2026, 11, 2), 3000,
         RentalWhy.FULL, 31),
        # Who comes back pays as in a first month, but never gets another free one.
        ({"first_month": "free"}, NOVEMBER, LONG_AGO, date(2026, 11, 16), 3000, RentalWhy.FULL, 30),
        ({"first_month": "pro-rata"}, NOVEMBER, LONG_AGO, date(2026, 11, 16), 1500, RentalWhy.PRO_RATA, 15),
        # Trials: the whole month, until within the month, until its last day, and ended with the month before.
        ({"trial_days": 30}, NOVEMBER, NOVEMBER, NOVEMBER, 0, RentalWhy.TRIAL, 0),
        ({"trial_days": 29}, NOVEMBER, NOVEMBER, NOVEMBER, 3000, RentalWhy.FULL, 30),
        ({"trial_days": 29, "first_month": "pro-rata"}, NOVEMBER, NOVEMBER, NOVEMBER, 100, RentalWhy.PRO_RATA, 1),
        ({"trial_days": 10, "first_month": "pro-rata"}, NOVEMBER, date(2026, 10, 27), date(2026, 10, 27), 2500,
         RentalWhy.PRO_RATA, 25),
        ({"trial_days": 5, "first_month": "pro-rata"}, NOVEMBER, date(2026, 10, 27), date(2026, 10, 27), 3000,
         RentalWhy.FULL, 30),
        ({"trial_days": 10, "first_month": "free"}, NOVEMBER, date(2026, 10, 27), date(2026, 10, 27), 0,
         RentalWhy.FIRST_FREE, 0),
    ],
)  # fmt: skip
def test_what_a_month_costs(
    terms: dict[str, Any], month: date, activated: date, since: date, amount: int, why: RentalWhy, days: int
) -> None:
    found = due(plan(**terms), month, activated, since)
    assert found is not None
    assert (found.amount, found.why, found.days) == (amount, why, days)


@pytest.mark.parametrize("since", [date(2026, 12, 1), date(2027, 3, 3)])
def test_who_is_not_served_in_the_month_owes_nothing(since: date) -> None:
    assert due(plan(), NOVEMBER, LONG_AGO, since) is None
    assert due(plan(trial_days=90), NOVEMBER, since, since) is None


@given(
    activated=DAYS, later=st.integers(0, 400), month=DAYS, trial=st.integers(0, 60),
    first=st.sampled_from(["free", "pro-rata", "full"]), rental=st.integers(1, 10**6),
)  # fmt: skip
def test_nobody_pays_more_than_a_month_or_for_days_that_are_not_charged(
    activated: date, later: int, month: date, trial: int, first: str, rental: int
) -> None:
    month, since = month.replace(day=1), activated + timedelta(days=later)
    terms = plan(f"{rental / 1000:.3f}", trial_days=trial, first_month=first)
    found = due(terms, month, activated, since)
    if found is None:
        assert since > month
        return
    assert 0 <= found.amount <= rental
    assert (found.amount == 0 and found.days == 0) or found.days >= 1
    assert found.why is not RentalWhy.PRO_RATA or first == "pro-rata"
