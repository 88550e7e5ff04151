"""Whose text it is to pay: the callee's plan names the payer, the payer's plan the price."""

from datetime import date
from typing import Any, Final

import pytest
from tests.charging.conftest import plan

from louhua.charging.plans import Item, Version
from louhua.charging.till import Till
from louhua.config import Config
from louhua.subscribers.profiles import Contract, Profile
from louhua.texts.outbox import FREE, Tag

DAY: Final = date(2026, 11, 23)
LAST: Final = date(2026, 11, 30)
CALLEE, CALLER = "8613800138000", "8613900139000"
MISSED, POWER_ON = Item.MISSED, Item.POWER_ON
PLANS: Final = {
    "standard": {"missed": {"price": "0.10"}, "power_on": {"price": "0.20"}},
    "callers": {"missed": {"price": "0.30", "payer": "caller"}},
    "callees": {"missed": {"price": "0.40"}, "power_on": {"price": "0.50", "payer": "callee"}},
    "empty": {},
}


def till(**charging: Any) -> Till:
    made = Till(Config.model_validate({"charging": charging}))
    made._charger.catalogue.plans = {
        name: [Version(1, plan(name, items=items, valid_until=date(2026, 11, 30)))]
        for name, items in PLANS.items()
    }
    return made


def somebody(number: str, name: str = "", *, prepaid: bool = False, **more: Any) -> Profile:
    return Profile(number=number, contract=Contract(registered=True, plan=name, prepaid=prepaid), **more)


@pytest.mark.parametrize(
    ("item", "callee", "caller", "payer"),
    [
        (MISSED, "standard", "standard", CALLEE),
        (POWER_ON, "standard", "standard", CALLER),
        (MISSED, "standard", "callers", CALLEE),
        (MISSED, "callers", "standard", CALLER),
        (MISSED, "callers", "callees", CALLER),
        (MISSED, "callers", "empty", None),
        (POWER_ON, "callers", "standard", CALLER),
        (POWER_ON, "callers", "callees", CALLER),
        (POWER_ON, "callees", "standard", CALLEE),
        (POWER_ON, "callees", "empty", CALLEE),
        (POWER_ON, "standard", "empty", None),
        (POWER_ON, "empty", "standard", CALLER),
        (MISSED, "empty", "standard", None),
        (MISSED, "nobody's", "standard", None),
        (POWER_ON, "nobody's", "standard", CALLER),
    ],
)
def test_who_pays(item: Item, callee: str, caller: str, payer: str | None) -> None:
    tag = till().tag(item, somebody(CALLEE, callee), somebody(CALLER, caller), DAY)
    party = {CALLEE: CALLER, CALLER: CALLEE}
    assert tag == (FREE if payer is None else Tag(item, payer, party[payer], prepaid=False))


@pytest.mark.parametrize(("more", "pays"), [({}, True), ({"served": False}, False), ({"textable": False}, False)])
@pytest.mark.parametrize("item", [MISSED, POWER_ON])
def test_who_is_not_ours_pays_nothing(item: Item, more: dict[str, Any], pays: bool) -> None:
    ours, other = somebody("8613700137000"), somebody("8613600136000", **more)
    callee, caller = (other, ours) if item is MISSED else (ours, other)
    assert (till().tag(item, callee, caller, DAY) != FREE) is pays
    assert (till().tag(item, *((ours, other) if item is MISSED else (other, ours)), DAY)) != FREE


def test_who_is_withheld_pays_nothing() -> None:
    assert till().tag(POWER_ON, somebody(CALLEE), Profile(), DAY) == FREE
    assert till().tag(MISSED, somebody(CALLEE), Profile(), DAY) == Tag(MISSED, CALLEE, "", prepaid=False)


def test_the_payers_contract_says_whether_he_pays_beforehand() -> None:
    callee, caller = somebody(CALLEE, prepaid=True), somebody(CALLER)
    assert till().tag(MISSED, callee, caller, DAY).prepaid
    assert not till().tag(POWER_ON, callee, caller, DAY).prepaid


def test_a_plan_that_is_over_charges_nothing() -> None:
    assert till().tag(MISSED, somebody(CALLEE), somebody(CALLER), date(2026, 12, 1)) == FREE
    assert till().price(MISSED, somebody(CALLEE), date(2026, 12, 1)) == 0


@pytest.mark.parametrize(
    ("profile", "price"),
    [
        (somebody(CALLEE), 100), (somebody(CALLEE, "callees"), 400), (somebody(CALLEE, "empty"), 0),
        (Profile(number=CALLEE), 300),
    ],
)  # fmt: skip
def test_the_price_is_that_of_ones_own_plan(profile: Profile, price: int) -> None:
    assert till(visitor_plan="callers").price(MISSED, profile, DAY) == price
