"""What a delivered item costs: a pure function of the plan's version, the month's usage so far, and the item.

Source: the requirement's 统计计费 (按次计费,并支持封顶) and the design's *Money*. The order is: trial, free quota,
price, then the caps; the tightest of them decides what is left of the price.
"""

from datetime import date, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from louhua.charging.plans import Item, Plan


class Why(StrEnum):
    """What decided an amount."""

    PRICE = "price"
    FREE = "free quota"
    ITEM_CAP = "item cap"
    DAY_CAP = "day cap"
    MONTH_CAP = "month cap"
    TRIAL = "trial"
    NO_CREDIT = "no credit"
    """Refused by whoever keeps the prepaid money, and sent free of charge."""
    CREDIT_AWAY = "credit away"
    """Whoever keeps the prepaid money did not answer; sent free of charge."""
    FREE_OF_CHARGE = "free of charge"
    """Whoever keeps the prepaid money takes none for it."""
    RESERVED = "reserved"
    """Prepaid: no more than was reserved."""


GIVEN_AWAY: Final = frozenset({Why.TRIAL, Why.NO_CREDIT, Why.CREDIT_AWAY, Why.FREE_OF_CHARGE})


class Usage(msgspec.Struct):
    """What one payer used in one month: by item how many and their amount, and amounts by day of the month.

    Amounts are in thousandths of a yuan; ``charges`` counts the rated items.
    """

    charges: int = 0
    items: dict[str, tuple[int, int]] = {}
    days: dict[str, int] = {}

    @property
    def total(self) -> int:
        """The amount of all items."""
        return sum(amount for _, amount in self.items.values())

    def behind(self, item: Item, quantity: int) -> "Usage":
        """This and so many more that are on their way: they take of the quota, and of no cap as they may fail."""
        used, so_far = self.items.get(item, (0, 0))
        return msgspec.structs.replace(self, items=self.items | {item: (used + quantity, so_far)})

    def add(self, item: Item, day: date, rated: "Rated") -> None:
        """Count a rated item; what was given away takes nothing of the quota."""
        used, so_far = self.items.get(item, (0, 0))
        quantity = 0 if rated.why in GIVEN_AWAY else rated.quantity
        self.items[item] = (used + quantity, so_far + rated.amount)
        self.days[str(day.day)] = self.days.get(str(day.day), 0) + rated.amount
        self.charges += 1


class Rated(msgspec.Struct, frozen=True):
    """A charge with its explanation: the sums are those before it; ``price`` is of one."""

    amount: int
    why: Why
    price: int
    quantity: int
    used: int
    item_sum: int
    day_sum: int
    month_sum: int


def rate(
    plan: Plan, usage: Usage, item: Item, day: date, quantity: int = 1, *, trial: bool = False
) -> Rated | None:
    """What an item costs, delivered on ``day`` (in the service's zone); ``None``: the plan does not name it.

    ``usage`` is that of the day's month and is not changed.
    """
    terms = plan.items.get(item)
    if terms is None:
        return None
    used, item_sum = usage.items.get(item, (0, 0))
    day_sum, month_sum = usage.days.get(str(day.day), 0), usage.total
    billable = 0 if trial else max(0, min(quantity, used + quantity - terms.free))
    amount, why = billable * terms.price, Why.TRIAL if trial else Why.PRICE if billable else Why.FREE
    for cap, so_far, reason in (
        (terms.cap, item_sum, Why.ITEM_CAP),
        (plan.day_cap, day_sum, Why.DAY_CAP),
        (plan.month_cap, month_sum, Why.MONTH_CAP),
    ):
        if cap is not None and amount > max(0, cap - so_far):
            amount, why = max(0, cap - so_far), reason
    return Rated(amount, why, terms.price, quantity, used, item_sum, day_sum, month_sum)


def minutes(length: timedelta) -> int:
    """Minutes begun, 1 at least: the quantity of what is charged by the minute."""
    return max(1, -(-length // timedelta(minutes=1)))


def trial_over(plan: Plan, activated: date | None) -> date | None:
    """The first day after the trial; ``None`` for who never registered, and has none."""
    return None if activated is None else activated + timedelta(days=plan.trial_days)


def on_trial(plan: Plan, activated: date | None, day: date) -> bool:
    """Whether a day is one of the trial."""
    over = trial_over(plan, activated)
    return over is not None and day < over
