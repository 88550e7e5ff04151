"""Plans as data: what a month and each item cost, who pays, what is free, and where it ends (封顶).

Source: the requirement's 统计计费 and 计费方式. A plan has versions; the latest one that has begun and is not over
is valid. A version never changes: what was charged by it can be explained for ever.
"""

import tomllib
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final, Literal, Self

import msgspec
from pydantic import Field, ValidationError, model_validator

from louhua.mistakes import all_in_words
from louhua.money import Price, yuan
from louhua.section import PLAN_NAME, Section


class Item(StrEnum):
    """What can be charged. The first are texts by their kind; ``digest`` is one text about several callers."""

    MISSED = "missed"
    TEASER = "teaser"
    CALL_BACK = "call_back"
    CALL_OTHER = "call_other"
    POWER_ON = "power_on"
    DETAIL = "detail"
    MESSAGE = "message"
    DIGEST = "digest"
    VOICE_TEXT = "voice_text"
    OPERATOR_MINUTE = "operator_minute"


BY_MINUTE: Final = frozenset({Item.VOICE_TEXT, Item.OPERATOR_MINUTE})
"""Items whose quantity is in minutes begun; the quantity of all others is 1."""


class Payer(StrEnum):
    """Who pays for an item."""

    CALLER = "caller"
    CALLEE = "callee"


def usual_payer(item: Item) -> Payer:
    """Who pays where no plan says otherwise: whoever gets the text."""
    return Payer.CALLER if item is Item.POWER_ON else Payer.CALLEE


class Terms(Section):
    """What one item costs. Amounts are in thousandths of a yuan."""

    price: Price = 0
    """Of one text, or of a minute begun."""
    payer: Payer | None = None
    """``None``: the usual one."""
    free: int = Field(default=0, ge=0, le=1_000_000)
    """So many a month cost nothing."""
    cap: Price | None = None
    """The most that this item costs in a month."""


class Plan(Section):
    """A version of a plan, without its number.

    An item that is not named is free and leaves no row in the ledger; one with price 0 is free and leaves one.
    """

    name: str = Field(pattern=PLAN_NAME)
    valid_from: date
    valid_until: date | None = None
    """The last day."""
    rental: Price = 0
    """Of a calendar month of the service's time zone."""
    first_month: Literal["free", "pro-rata", "full"] = "full"
    """What the month costs in which charging begins."""
    effect: Literal["now", "next-month"] = "now"
    """When the plan becomes that of a subscriber who gets it."""
    trial_days: int = Field(default=0, ge=0, le=366)
    """So many days from the first registration on nothing is charged."""
    day_cap: Price | None = None
    """The most that all items of a day cost."""
    month_cap: Price | None = None
    """The most that all items of a month cost; the rental comes on top."""
    items: dict[Item, Terms] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.valid_from:
            raise ValueError(f"valid_until {self.valid_until} is before valid_from {self.valid_from}")
        for item in (Item.DIGEST, Item.TEASER):
            if item in self.items and self.items[item].payer is Payer.CALLER:
                raise ValueError(f"items {item}: it tells of several callers, so the callee pays")
        return self

    def payer_of(self, item: Item) -> Payer:
        """Who pays for an item. Who asks for details pays for them, also by a version of the days in which one
        could say otherwise: an answer to D7 may tell of many callers."""
        terms = self.items.get(item)
        named = terms.payer if terms and item is not Item.DETAIL else None
        return named or usual_payer(item)


class Version(msgspec.Struct, frozen=True):
    """A plan with its number, from 1 on."""

    number: int
    plan: Plan


class PlanError(Exception):
    """A plan cannot be used; ``problems`` has a line for each mistake, with the way out."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_plan(values: Mapping[str, Any]) -> Plan:
    """A plan from its document; raises ``PlanError``."""
    try:
        return Plan.model_validate(values)
    except ValidationError as error:
        said = all_in_words(error.errors(), "docs/charging.md")
        raise PlanError([line.removeprefix("configuration: ") for line in said]) from None


def from_toml(text: str) -> Plan:
    """A plan as people write it; raises ``PlanError``."""
    try:
        return read_plan(_toml(text))
    except RecursionError:  # by brackets when it is read, by dots (a.a.a…) not before it is checked
        raise PlanError(["this is nested too deeply; a plan has nothing deeper than items.detail.price"]) from None


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError([f"this is not TOML: {error}"]) from None
    except ValueError:  # of int(), which reads some thousands of digits and no more
        raise PlanError(["a number has too many digits; look for a typing mistake"]) from None


def document(plan: Plan) -> dict[str, Any]:
    """What is stored of a version: JSON values, amounts in yuan; ``read_plan`` reads it."""
    return plan.model_dump(mode="json", exclude_none=True)


def to_toml(plan: Plan) -> str:
    """A plan as ``from_toml`` reads it, a line for each thing it says."""
    lines = [f'name = "{plan.name}"', f"valid_from = {plan.valid_from}"]
    if plan.valid_until is not None:
        lines.append(f"valid_until = {plan.valid_until}")
    lines += [
        f'rental = "{yuan(plan.rental)}"',
        f'first_month = "{plan.first_month}"',
        f'effect = "{plan.effect}"',
        f"trial_days = {plan.trial_days}",
    ]
    lines += [
        f'{name} = "{yuan(cap)}"' for name in ("day_cap", "month_cap") if (cap := getattr(plan, name)) is not None
    ]
    for item, terms in plan.items.items():
        lines += ["", f"[items.{item}]", f'price = "{yuan(terms.price)}"', f'payer = "{plan.payer_of(item)}"']
        lines += [f"free = {terms.free}"] if terms.free else []
        lines += [f'cap = "{yuan(terms.cap)}"'] if terms.cap is not None else []
    return "\n".join(lines) + "\n"


def why_not_added(plan: Plan, today: date, known: bool) -> str:
    """Why a version cannot be added; empty when it can. ``known``: the plan has versions already.

    What was delivered is charged by what was valid then, so nobody may change the past; of today only what is
    still to come is charged by the new version. What is refused here and not by ``Plan`` itself may be said by
    versions that are stored, which must stay readable.
    """
    if plan.valid_until is not None and plan.valid_until < today:
        return f"valid_until {plan.valid_until} is over; name a day to come, or leave it out"
    if known and plan.valid_from < today:
        return f"valid_from {plan.valid_from} is past; the earliest is today, {today}"
    if Item.DETAIL in plan.items and plan.items[Item.DETAIL].payer is Payer.CALLER:
        return "items detail: who asks pays, which is the callee; write callee, or leave the payer out"
    return ""


def next_version(plan: Plan, newest: int, today: date) -> Version:
    """What is added behind the plan's ``newest`` number (0: none); raises ``PlanError`` when it cannot be."""
    if why_not := why_not_added(plan, today, newest > 0):
        raise PlanError([why_not])
    return Version(newest + 1, plan)


def valid_or_first(versions: list[Version], today: date) -> Version | None:
    """The version that is valid, or else the one that will be first; ``None``: the plan is over."""
    to_come = [version.plan.valid_from for version in versions if version.plan.valid_from > today]
    return valid(versions, today) or (valid(versions, min(to_come)) if to_come else None)


def valid(versions: list[Version], day: date) -> Version | None:
    """The version that is valid on a day: the latest that has begun; of two from one day the higher number."""
    begun = [version for version in versions if version.plan.valid_from <= day]
    if not begun:
        return None
    latest = max(begun, key=lambda version: (version.plan.valid_from, version.number))
    until = latest.plan.valid_until
    return latest if until is None or day <= until else None
