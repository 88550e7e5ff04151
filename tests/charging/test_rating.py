"""What an item costs, rule by rule; and what holds for every month whatever happens in it."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.charging.plans import Item, Plan
from louhua.charging.rating import GIVEN_AWAY, Rated, Usage, Why, minutes, on_trial, rate

DAY = date(2026, 11, 23)


def plan(**values: object) -> Plan:
    return Plan.model_validate({"name": "a", "valid_from": date(2026, 1, 1)} | values)


DETAIL = {"detail": {"price": "0.10", "free": 2, "cap": "0.50"}}


@pytest.mark.parametrize(
    ("values", "usage", "quantity", "amount", "why"),
    [
        ({"items": {"detail": {"price": "0.10"}}}, Usage(), 1, 100, Why.PRICE),
        ({"items": {"detail": {}}}, Usage(), 1, 0, Why.PRICE),
        ({"items": DETAIL}, Usage(), 1, 0, Why.FREE),
        ({"items": DETAIL}, Usage(2, {"detail": (2, 0)}), 1, 100, Why.PRICE),
        ({"items": DETAIL}, Usage(1, {"detail": (1, 0)}), 3, 200, Why.PRICE),
        ({"items": DETAIL}, Usage(6, {"detail": (6, 400)}), 1, 100, Why.PRICE),
        ({"items": DETAIL}, Usage(7, {"detail": (7, 500)}), 1, 0, Why.ITEM_CAP),
        ({"items": DETAIL}, Usage(6, {"detail": (6, 450)}), 1, 50, Why.ITEM_CAP),
        ({"items": DETAIL}, Usage(6, {"detail": (6, 700)}), 1, 0, Why.ITEM_CAP),
        ({"items": DETAIL, "day_cap": "0.05"}, Usage(2, {"detail": (2, 0)}), 1, 50, Why.DAY_CAP),
        ({"items": DETAIL, "day_cap": "1"}, Usage(9, {"detail": (2, 0)}, {"23": 950}), 1, 50, Why.DAY_CAP),
        ({"items": DETAIL, "day_cap": "1"}, Usage(9, {"detail": (2, 0)}, {"22": 950}), 1, 100, Why.PRICE),
        ({"items": DETAIL, "month_cap": "1"}, Usage(9, {"detail": (2, 0), "missed": (7, 980)}), 1, 20,
         Why.MONTH_CAP),
        ({"items": DETAIL, "month_cap": "1", "day_cap": "0.01"},
         Usage(9, {"detail": (2, 0), "missed": (7, 995)}), 1, 5, Why.MONTH_CAP),
        ({"items": DETAIL, "month_cap": "0.03", "day_cap": "0.03"}, Usage(2, {"detail": (2, 0)}), 1, 30,
         Why.DAY_CAP),
        ({"items": {"detail": {"price": "0.10", "cap": "0.03"}}, "day_cap": "0.03"}, Usage(), 1, 30, Why.ITEM_CAP),
    ],
)  # fmt: skip
def test_what_an_item_costs(values: dict[str, object], usage: Usage, quantity: int, amount: int, why: Why) -> None:
    rated = rate(plan(**values), usage, Item.DETAIL, DAY, quantity)
    assert rated is not None
    assert (rated.amount, rated.why) == (amount, why)


def test_what_a_plan_does_not_name_is_not_rated() -> None:
    assert rate(plan(items=DETAIL), Usage(), Item.MISSED, DAY) is None


def test_a_trial_costs_nothing_and_takes_nothing_of_the_quota() -> None:
    usage = Usage()
    rated = rate(plan(items=DETAIL), usage, Item.DETAIL, DAY, trial=True)
    assert rated is not None
    assert (rated.amount, rated.why) == (0, Why.TRIAL)
    usage.add(Item.DETAIL, DAY, rated)
    assert usage.items == {"detail": (0, 0)}


@pytest.mark.parametrize("why", list(Why))
def test_what_is_given_away_takes_nothing_of_the_quota(why: Why) -> None:
    usage = Usage()
    usage.add(Item.DETAIL, DAY, Rated(0, why, 100, 1, 0, 0, 0, 0))
    assert usage.items["detail"][0] == (
        0 if why in (Why.TRIAL, Why.NO_CREDIT, Why.CREDIT_AWAY, Why.FREE_OF_CHARGE) else 1
    )


def test_an_explanation_names_the_sums_before() -> None:
    rated = rate(
        plan(items=DETAIL), Usage(9, {"detail": (4, 200), "missed": (5, 30)}, {"23": 7}), Item.DETAIL, DAY
    )
    assert rated is not None
    assert (rated.used, rated.item_sum, rated.day_sum, rated.month_sum) == (4, 200, 7, 230)


@pytest.mark.parametrize(
    ("seconds", "count"), [(0, 1), (1, 1), (60, 1), (60.001, 2), (61, 2), (120, 2), (3600, 60)]
)
def test_minutes_count_when_they_have_begun(seconds: float, count: int) -> None:
    assert minutes(timedelta(seconds=seconds)) == count


@pytest.mark.parametrize(
    ("activated", "trial"),
    [(None, False), (date(2026, 11, 23), True), (date(2026, 11, 14), True), (date(2026, 11, 13), False)],
)
def test_a_trial_is_so_many_days_from_the_first_registration_on(activated: date | None, trial: bool) -> None:
    assert on_trial(plan(trial_days=10), activated, DAY) is trial


amounts = st.none() | st.integers(0, 3000).map(lambda amount: f"{amount / 1000:.3f}")
items = st.dictionaries(
    st.sampled_from(Item),
    st.fixed_dictionaries({"price": amounts.filter(bool), "free": st.integers(0, 4), "cap": amounts}),
    min_size=1,
)
events = st.lists(
    st.tuples(st.sampled_from(Item), st.integers(1, 30), st.integers(1, 5), st.booleans()), max_size=60
)


@given(items, amounts, amounts, events)
def test_no_month_costs_more_than_its_caps(
    terms: dict[Item, dict[str, object]],
    day_cap: str | None,
    month_cap: str | None,
    history: list[tuple[Item, int, int, bool]],
) -> None:
    priced = plan(items=terms, day_cap=day_cap, month_cap=month_cap)
    usage, charged = Usage(), []
    for item, day, quantity, trial in history:
        rated = rate(priced, usage, item, DAY.replace(day=day), quantity, trial=trial)
        if rated is not None:
            usage.add(item, DAY.replace(day=day), rated)
            charged.append((item, day, rated))
    assert usage.charges == len(charged)
    assert usage.total == sum(rated.amount for _, _, rated in charged)
    assert all(rated.amount >= 0 for _, _, rated in charged)
    if priced.month_cap is not None:
        assert usage.total <= priced.month_cap
    for day in range(1, 31):
        of_day = sum(rated.amount for _, on, rated in charged if on == day)
        assert of_day == usage.days.get(str(day), 0)
        assert priced.day_cap is None or of_day <= priced.day_cap
    for item, its in priced.items.items():
        mine = [rated for of, _, rated in charged if of is item]
        assert its.cap is None or sum(rated.amount for rated in mine) <= its.cap
        paid = sum(rated.quantity for rated in mine if rated.why not in GIVEN_AWAY)
        assert sum(rated.amount for rated in mine) <= max(0, paid - its.free) * its.price
