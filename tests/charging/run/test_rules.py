"""What a run decides: the tables."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.charging.catalogue import Catalogue
from louhua.charging.plans import Version, read_plan
from louhua.charging.run.rules import Rental, may_be_forgotten, months_to_run, overdue, paid, payable, rental_of
from louhua.creditors import Charging
from louhua.subscribers.profiles import Contract

NOVEMBER = date(2026, 11, 1)
TODAY = date(2026, 11, 23)
CHINA = ZoneInfo("Asia/Shanghai")


def catalogue(*plans: dict[str, Any]) -> Catalogue:
    known = Catalogue()
    for values in plans:
        read = read_plan({"valid_from": "2000-01-01"} | values)
        versions = known.plans.setdefault(read.name, [])
        versions.append(Version(len(versions) + 1, read))
    return known


PLANS = catalogue(
    {"name": "basic", "rental": "3.000", "first_month": "pro-rata"},
    {"name": "basic", "rental": "4.000", "first_month": "pro-rata", "valid_from": "2026-11-16"},
    {"name": "gold", "rental": "10.000"},
    {"name": "free"},
    {"name": "over", "rental": "1.000", "valid_until": "2026-10-31"},
)


def owed(zone: ZoneInfo = CHINA, month: date = NOVEMBER, **changes: Any) -> Rental | None:
    began = datetime(2026, 1, 10, 12, tzinfo=UTC)
    contract: dict[str, Any] = {"registered": True, "activated_at": began, "served_since": began} | changes
    return rental_of("1", Contract(**contract), month, TODAY, PLANS, Charging(plan="basic"), zone)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("basic", 1, 3000)),
        ({"plan": "gold"}, ("gold", 1, 10000)),
        ({"plan": "free"}, None),
        ({"plan": "over"}, None),
        ({"plan": "unknown"}, None),
        ({"next_plan": "gold", "next_plan_on": NOVEMBER}, ("gold", 1, 10000)),
        ({"next_plan": "gold", "next_plan_on": date(2026, 11, 2)}, ("basic", 1, 3000)),
        # Who begins, or comes back, within the month has the plan and the version of that day.
        ({"served_since": datetime(2026, 11, 16, tzinfo=UTC)}, ("basic", 2, 2000)),
        ({"served_since": datetime(2026, 11, 15, tzinfo=UTC)}, ("basic", 1, 1600)),
        ({"served_since": datetime(2026, 11, 15, tzinfo=UTC), "next_plan": "gold",
          "next_plan_on": date(2026, 11, 15)}, ("gold", 1, 10000)),
        ({"served_since": datetime(2026, 12, 2, tzinfo=UTC)}, None),
    ],
)  # fmt: skip
def test_the_plan_is_that_of_the_first_day_of_service(
    changes: dict[str, Any], expected: tuple[str, int, int] | None
) -> None:
    rental = owed(**changes)
    assert (rental and (rental.plan, rental.version, rental.due)) == expected
    assert rental is None or (rental.since == TODAY and rental.collected == rental.parts == 0)


@pytest.mark.parametrize(
    ("zone", "month", "due"),
    [
        # It is the last of November in Shanghai and in London, and the first of December in Auckland.
        ("Asia/Shanghai", NOVEMBER, 4000 // 30), ("Europe/London", NOVEMBER, 4000 // 30),
        ("Pacific/Auckland", NOVEMBER, None), ("Pacific/Auckland", date(2026, 12, 1), 4000),
    ],
)  # fmt: skip
def test_days_are_those_of_the_services_zone(zone: str, month: date, due: int | None) -> None:
    at = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
    rental = owed(ZoneInfo(zone), month, activated_at=at, served_since=at)
    assert (rental and rental.due) == due


def test_who_begins_after_midnight_in_china_began_that_day() -> None:
    at = datetime(2026, 10, 31, 16, 0, tzinfo=UTC)
    rental = owed(activated_at=at, served_since=at)
    assert rental is not None
    assert (rental.due, rental.days) == (3000, 30)
    assert owed(month=date(2026, 10, 1), activated_at=at, served_since=at) is None


@pytest.mark.parametrize(
    ("available", "amounts", "partial", "taken"),
    [
        (10, [3, 3], True, [3, 3]), (10, [3, 3], False, [3, 3]), (4, [3, 3], True, [3, 1]),
        (4, [3, 3], False, [3, 0]), (2, [3, 1], True, [2, 0]), (2, [3, 1], False, [0, 0]),
        (0, [3], True, [0]), (-5, [3], True, [0]), (-5, [3], False, [0]), (3, [], True, []),
    ],
)  # fmt: skip
def test_what_a_balance_pays(available: int, amounts: list[int], partial: bool, taken: list[int]) -> None:
    assert payable(available, amounts, partial=partial) == taken


@given(available=st.integers(-10, 100), amounts=st.lists(st.integers(1, 50)), partial=st.booleans())
def test_no_balance_pays_more_than_it_has_and_the_oldest_come_first(
    available: int, amounts: list[int], partial: bool
) -> None:
    taken = payable(available, amounts, partial=partial)
    assert 0 <= sum(taken) <= max(0, available)
    full = [part == amount for part, amount in zip(taken, amounts, strict=True)]
    first = full.index(False) if False in full else len(full)
    assert not any(taken[first + 1 :])
    if partial:
        assert sum(taken) == min(max(0, available), sum(amounts))
    else:
        assert not any(taken[first:])


def test_each_part_is_another_event() -> None:
    rental = owed()
    assert rental is not None
    at = datetime(2026, 11, 1, tzinfo=UTC)
    rental, first = paid(rental, 1000, at, prepaid=True)
    rental, second = paid(rental, rental.owed, at, prepaid=True)
    assert (first.event, second.event) == ("rental:1:2026-11:1", "rental:1:2026-11:2")
    assert (first.amount, second.amount, rental.owed, rental.parts) == (1000, 2000, 0, 2)


@pytest.mark.parametrize(
    ("grace", "since", "late"),
    [
        (7, date(2026, 11, 15), True), (7, date(2026, 11, 16), False), (0, TODAY, False),
        (0, date(2026, 11, 22), True),
    ],
)  # fmt: skip
def test_grace(grace: int, since: date, late: bool) -> None:
    assert (since < overdue(TODAY, timedelta(days=grace))) is late


@pytest.mark.parametrize(
    ("today", "ran_on", "months"),
    [
        (TODAY, None, [NOVEMBER]),
        (TODAY, date(2026, 11, 1), [NOVEMBER]),
        (date(2026, 12, 1), date(2026, 11, 30), [NOVEMBER, date(2026, 12, 1)]),
        (date(2026, 12, 9), date(2026, 11, 20), [NOVEMBER, date(2026, 12, 1)]),
        (date(2027, 1, 1), date(2027, 1, 1), [date(2027, 1, 1)]),
    ],
)
def test_a_month_that_is_over_is_ended_once(today: date, ran_on: date | None, months: list[date]) -> None:
    assert months_to_run(today, ran_on) == months


@pytest.mark.parametrize(
    ("today", "kept", "forgotten"),
    [
        (date(2026, 11, 23), 366, False),
        (date(2027, 11, 30), 366, False),
        (date(2027, 12, 1), 366, True),  # removed from the 2nd on, of UTC
        (date(2028, 11, 23), 366, True),
        (date(2026, 12, 7), 8, False),
        (date(2026, 12, 8), 8, True),
    ],
)
def test_a_month_may_be_forgotten_when_its_charges_are(today: date, kept: int, forgotten: bool) -> None:
    assert may_be_forgotten(NOVEMBER, today, timedelta(days=kept)) is forgotten


def test_what_was_refused_is_asked_for_as_something_new() -> None:
    rental = owed()
    assert rental is not None
    assert rental.session == "rental-1-2026-11"
    refused = Rental(**{name: getattr(rental, name) for name in rental.__struct_fields__} | {"refusals": 2})
    assert refused.session == "rental-1-2026-11-2"
