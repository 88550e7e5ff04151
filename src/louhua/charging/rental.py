"""What a calendar month of a plan costs somebody, before anything is used.

Source: the requirement's 统计计费 (可收取月租). Charging begins with the first registration, or after the trial.
"""

import calendar
from datetime import date
from enum import StrEnum

import msgspec

from louhua.charging.months import month_of
from louhua.charging.plans import Plan
from louhua.charging.rating import trial_over
from louhua.money import share


class RentalWhy(StrEnum):
    """What decided a rental."""

    FULL = "full month"
    PRO_RATA = "pro rata"
    FIRST_FREE = "first month free"
    TRIAL = "trial"


class Due(msgspec.Struct, frozen=True):
    """A rental in thousandths of a yuan, for ``days`` days of the month."""

    amount: int
    why: RentalWhy
    days: int


def due(plan: Plan, month: date, activated: date, since: date) -> Due | None:
    """What a month (named by its first day) costs; ``None``: no service in it.

    ``activated`` is the day of the first registration, ``since`` that from which the service has been on without
    interruption: a month in which somebody comes back costs what a first month costs, but is never free for it.
    Who leaves or is suspended in a month has paid for it; who is suspended the whole month pays nothing.
    """
    length = calendar.monthrange(month.year, month.month)[1]
    last = month.replace(day=length)
    if since > last:
        return None
    begins = max(activated, trial_over(plan, activated) or activated)
    if begins > last:
        return Due(0, RentalWhy.TRIAL, 0)
    if plan.first_month == "free" and month_of(begins) == month:
        return Due(0, RentalWhy.FIRST_FREE, 0)
    first = max(begins, since, month)
    if plan.first_month == "pro-rata" and first > month:
        days = length - first.day + 1
        return Due(share(plan.rental, days, length), RentalWhy.PRO_RATA, days)
    return Due(plan.rental, RentalWhy.FULL, length)
