"""Plans as people write them, what is wrong with them, and which version is valid."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.charging.plans import (
    Item,
    Payer,
    Plan,
    PlanError,
    Terms,
    Version,
    document,
    from_toml,
    next_version,
    read_plan,
    to_toml,
    valid,
    valid_or_first,
    why_not_added,
)

WRITTEN = """
name = "family"
valid_from = 2026-12-01
valid_until = 2027-11-30
rental = "3.00"
first_month = "pro-rata"
effect = "next-month"
trial_days = 30
day_cap = "1"
month_cap = 12.5

[items.detail]
price = "0.10"
free = 5
cap = "3.00"

[items.call_back]
price = "0.05"
payer = "caller"
"""


def test_a_plan_is_read() -> None:
    plan = from_toml(WRITTEN)
    assert (plan.name, plan.rental, plan.day_cap, plan.month_cap) == ("family", 3000, 1000, 12500)
    detail = plan.items[Item.DETAIL]
    assert (detail.price, detail.free, detail.cap) == (100, 5, 3000)
    assert plan.payer_of(Item.CALL_BACK) is Payer.CALLER
    assert plan.payer_of(Item.DETAIL) is Payer.CALLEE
    assert plan.payer_of(Item.POWER_ON) is Payer.CALLER


prices = st.integers(0, 10**9)
terms = st.builds(
    Terms,
    price=prices.map(lambda amount: f"{amount / 1000:.3f}"),
    free=st.integers(0, 1000),
    cap=st.none() | st.sampled_from(["0", "1.5", "100"]),
)
plans = st.builds(
    Plan,
    name=st.from_regex(r"[a-z0-9_-]{1,40}", fullmatch=True),
    valid_from=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    valid_until=st.none() | st.dates(date(2031, 1, 1), date(2040, 1, 1)),
    rental=st.sampled_from(["0", "3.00", "0.001"]),
    first_month=st.sampled_from(["free", "pro-rata", "full"]),
    effect=st.sampled_from(["now", "next-month"]),
    trial_days=st.integers(0, 366),
    day_cap=st.none() | st.just("2"),
    month_cap=st.none() | st.just("20"),
    items=st.dictionaries(st.sampled_from(Item), terms),
)


@given(plans)
def test_what_is_shown_and_what_is_stored_are_read_again(plan: Plan) -> None:
    assert read_plan(document(plan)) == plan
    shown = from_toml(to_toml(plan))
    assert shown.model_copy(update={"items": {}}) == plan.model_copy(update={"items": {}})
    assert {item: (t.price, t.free, t.cap) for item, t in shown.items.items()} == {
        item: (t.price, t.free, t.cap) for item, t in plan.items.items()
    }
    assert [shown.payer_of(item) for item in Item] == [plan.payer_of(item) for item in Item]


@pytest.mark.parametrize(
    ("changed", "to", "said"),
    [
        ('name = "family"', 'name = "Family Plan"', "name: write 1 to 40 small letters"),
        ('rental = "3.00"', 'rental = "3.0005"', "rental: '3.0005': there is nothing smaller"),
        ('rental = "3.00"', 'rental = "1e999999999"', "rental: '1e999999999': a thousand million yuan at most"),
        ('rental = "3.00"', 'rental = "-1"', "rental: '-1': a price or a cap is not negative"),
        ('first_month = "pro-rata"', 'first_month = "half"', "first_month: write 'free', 'pro-rata' or 'full'"),
        ("trial_days = 30", "trial_days = 400", "trial_days: the most is 366"),
        ("valid_until = 2027-11-30", "valid_until = 2026-11-30", "valid_until 2026-11-30 is before valid_from"),
        ("valid_from = 2026-12-01\n", "", "valid_from: must be given"),
        ("[items.detail]", "[items.details]", "items.details"),
        (
            "free = 5",
            "gratis = 5",
            "items.detail.gratis: there is no such key; look for a typing mistake, or for the key in docs",
        ),
        ('payer = "caller"', 'payer = "both"', "items.call_back.payer: write 'caller' or 'callee'"),
        ("[items.call_back]", "[items.teaser]", "items teaser: it tells of several callers"),
        ("[items.call_back]", "[items.digest]", "items digest: it tells of several callers"),
        ("[items.detail]", "[items.detail", "this is not TOML"),
        ("trial_days = 30", "trial_days = " + "9" * 5000, "a number has too many digits"),
        ("trial_days = 30", "trial_days = " + "[" * 5000, "this is nested too deeply"),
        ("trial_days = 30", "trial_days = " + "{a = " * 5000, "this is nested too deeply"),
        ('rental = "3.00"', "rental" + ".a" * 5000 + " = 1", "this is nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said(changed: str, to: str, said: str) -> None:
    with pytest.raises(PlanError) as raised:
        from_toml(WRITTEN.replace(changed, to))
    assert said in str(raised.value)


def version(number: int, valid_from: str, valid_until: str | None = None) -> Version:
    return Version(number, Plan.model_validate({
        "name": "a", "valid_from": valid_from, "valid_until": valid_until,
    }))  # fmt: skip


@pytest.mark.parametrize(
    ("versions", "day", "number"),
    [
        ([], "2026-11-23", None),
        ([version(1, "2026-11-24")], "2026-11-23", None),
        ([version(1, "2026-11-23")], "2026-11-23", 1),
        ([version(1, "2026-01-01", "2026-11-22")], "2026-11-23", None),
        ([version(1, "2026-01-01", "2026-11-23")], "2026-11-23", 1),
        # A version that begins takes the place of one that is not over; when it ends, nothing comes back.
        ([version(1, "2026-01-01"), version(2, "2026-12-01")], "2026-11-30", 1),
        ([version(1, "2026-01-01"), version(2, "2026-12-01")], "2026-12-01", 2),
        ([version(1, "2026-01-01"), version(2, "2026-02-01", "2026-02-28")], "2026-03-01", None),
        # A mistake is mended by another version from the same day on.
        ([version(1, "2026-12-01"), version(2, "2026-12-01")], "2026-12-01", 2),
        ([version(1, "2026-12-02"), version(2, "2026-12-01")], "2026-12-03", 1),
    ],
)
def test_the_latest_that_has_begun_is_valid(versions: list[Version], day: str, number: int | None) -> None:
    found = valid(versions, date.fromisoformat(day))
    assert (found and found.number) == number


def test_a_version_may_be_of_one_day() -> None:
    assert version(1, "2026-11-23", "2026-11-23").plan.valid_until == date(2026, 11, 23)


@pytest.mark.parametrize(
    ("versions", "number"),
    [
        ([], None),
        ([version(1, "2026-01-01", "2026-11-22")], None),
        ([version(1, "2026-01-01"), version(2, "2026-11-24")], 1),
        ([version(1, "2026-12-02"), version(2, "2026-12-01")], 2),
        ([version(1, "2026-12-01"), version(2, "2026-12-01")], 2),
        ([version(1, "2026-01-01", "2026-11-22"), version(2, "2026-12-01")], 2),
    ],
)
def test_what_is_valid_or_will_be_first(versions: list[Version], number: int | None) -> None:
    found = valid_or_first(versions, date(2026, 11, 23))
    assert (found and found.number) == number


def test_versions_are_numbered_without_gaps() -> None:
    plan = version(1, "2026-11-22").plan
    assert next_version(plan, 0, date(2026, 11, 23)) == Version(1, plan)
    assert next_version(plan, 6, date(2026, 11, 22)) == Version(7, plan)
    with pytest.raises(PlanError, match="is past; the earliest is today"):
        next_version(plan, 6, date(2026, 11, 23))


@pytest.mark.parametrize(
    ("plan", "known", "may"),
    [
        (version(1, "2026-11-23").plan, True, True),
        (version(1, "2026-11-22").plan, True, False),
        (version(1, "2020-01-01").plan, False, True),
        (version(1, "2020-01-01", "2026-11-22").plan, False, False),
        (version(1, "2020-01-01", "2026-11-23").plan, False, True),
    ],
)
def test_nobody_changes_the_past(plan: Plan, known: bool, may: bool) -> None:
    assert (why_not_added(plan, date(2026, 11, 23), known) == "") is may


BY_THE_CALLER = WRITTEN.replace("free = 5", 'free = 5\npayer = "caller"')


def test_who_asks_for_details_pays_whatever_a_stored_version_says() -> None:
    stored = read_plan(document(from_toml(BY_THE_CALLER)))
    assert stored.items[Item.DETAIL].payer is Payer.CALLER
    assert stored.payer_of(Item.DETAIL) is Payer.CALLEE
    assert from_toml(to_toml(stored)).items[Item.DETAIL].payer is Payer.CALLEE


def test_a_version_that_lets_the_caller_pay_for_details_is_not_added() -> None:
    today = date(2026, 11, 23)
    assert next_version(from_toml(WRITTEN), 0, today).number == 1
    with pytest.raises(PlanError, match="items detail: who asks pays"):
        next_version(from_toml(BY_THE_CALLER), 0, today)
