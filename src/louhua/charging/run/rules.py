"""What a run of the rentals decides: who owes what for a month, what a balance pays of it, who is suspended.

Source: the requirement's 统计计费 (可收取月租). Days and months are those of the service's zone.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from louhua.charging.catalogue import Catalogue
from louhua.charging.months import last_month, local_day, month_of, next_month
from louhua.charging.rental import due
from louhua.charging.store import Charge
from louhua.creditors import Charging
from louhua.subscribers.profiles import Contract


class Rental(msgspec.Struct, frozen=True, kw_only=True):
    """A month's rental of a payer; amounts in thousandths of a yuan.

    ``price`` is of a full month, ``days`` those that are charged; ``parts`` counts what was collected so far,
    ``refusals`` how often whoever keeps the money has refused, last ``refused_on``; ``asking``: he was asked, and
    what he said is not known. ``since`` is the day it was asked for first.
    """

    payer: str
    month: date
    plan: str
    version: int
    price: int
    due: int
    why: str
    days: int
    since: date
    collected: int = 0
    parts: int = 0
    refusals: int = 0
    refused_on: date | None = None
    asking: bool = False

    @property
    def owed(self) -> int:
        """What is not collected yet."""
        return self.due - self.collected

    @property
    def session(self) -> str:
        """What whoever keeps the money knows the next attempt by.

        What was refused is asked for as something new: a server answers what comes again as it did before (RFC
        8506, 8.2). What nobody answered is asked again by the same name, so that it is taken once.
        """
        again = f"-{self.refusals}" if self.refusals else ""
        return f"rental-{self.payer}-{self.month:%Y-%m}{again}"


def rental_of(
    payer: str,
    contract: Contract,
    month: date,
    today: date,
    catalogue: Catalogue,
    settings: Charging,
    zone: ZoneInfo,
) -> Rental | None:
    """What a registered subscriber owes for a month (named by its first day); ``None``: nothing to speak of.

    The plan is that of the first day of the month on which he is served.
    """
    if contract.activated_at is None or contract.served_since is None:
        return None
    since = local_day(contract.served_since, zone)
    day = max(month, since)
    version = catalogue.version_for(contract, day, settings)
    if version is None or not version.plan.rental:
        return None
    wanted = due(version.plan, month, local_day(contract.activated_at, zone), since)
    if wanted is None:
        return None
    return Rental(
        payer=payer,
        month=month,
        plan=version.plan.name,
        version=version.number,
        price=version.plan.rental,
        due=wanted.amount,
        why=wanted.why,
        days=wanted.days,
        since=today,
    )


def payable(available: int, owed: Sequence[int], *, partial: bool) -> list[int]:
    """What is taken now of each of these rentals, the oldest first; as much as there is where parts are taken.

    Without parts nothing is taken for a later month before an earlier one is paid.
    """
    taken = []
    left = max(0, available)
    for amount in owed:
        part = amount if amount <= left else left if partial else 0
        left = left - part if part == amount else 0
        taken.append(part)
    return taken


def oldest(owed: Iterable[Rental]) -> list[Rental]:
    """Of each payer the rental of the earliest month."""
    by_payer: dict[str, Rental] = {}
    for rental in sorted(owed, key=lambda rental: rental.month, reverse=True):
        by_payer[rental.payer] = rental
    return list(by_payer.values())


def paid(rental: Rental, amount: int, at: datetime, *, prepaid: bool) -> tuple[Rental, Charge]:
    """A rental of which another part is collected, and the row of the ledger for this part."""
    part = rental.parts + 1
    after = msgspec.structs.replace(rental, collected=rental.collected + amount, parts=part, asking=False)
    return after, Charge(
        event=f"rental:{rental.payer}:{rental.month:%Y-%m}:{part}",
        kind="rental",
        payer=rental.payer,
        month=rental.month,
        at=at,
        plan=rental.plan,
        version=rental.version,
        quantity=rental.days,
        price=rental.price,
        amount=amount,
        why=rental.why,
        prepaid=prepaid,
    )


def refused(rental: Rental, today: date) -> Rental:
    """A rental that whoever keeps the money has refused today: tomorrow it is asked for by another session."""
    return msgspec.structs.replace(rental, refusals=rental.refusals + 1, refused_on=today, asking=False)


def overdue(today: date, grace: timedelta) -> date:
    """Who owes since a day before this one is suspended: he was served for the days of grace."""
    return today - grace


def months_to_run(today: date, last_month_ran_on: date | None) -> list[date]:
    """The months whose rentals are gone through today, the earlier first: last month's once after it is over, for
    those who came after it was gone through last."""
    month = month_of(today)
    ended = last_month_ran_on is not None and last_month_ran_on < month
    return [last_month(month), month] if ended else [month]


def may_be_forgotten(month: date, today: date, kept: timedelta) -> bool:
    """Whether paid rentals of a month may have been removed, so that nobody can tell who has paid.

    They go when their month has been over for as long as charges are ``kept``; a day more, as zones differ.
    """
    return next_month(month) <= today - kept + timedelta(days=1)
