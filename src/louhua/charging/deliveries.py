"""What was delivered is charged, in the transaction that records the delivery (access is free: 用户呼叫接入不计费,
短信通知成功计费,不成功不计费).

An event is charged once, whatever comes again: by the ledger's unique key, under the lock of the payer's month.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime

import msgspec

from louhua.charging.catalogue import Catalogue
from louhua.charging.metrics import AMOUNT, CHARGES
from louhua.charging.months import local_day, month_of
from louhua.charging.plans import Item, Plan
from louhua.charging.rating import Rated, Usage, Why, on_trial, rate
from louhua.charging.store import (
    Bill,
    Charge,
    add_charges,
    add_usage,
    change_usage,
    charged,
    lock_usage,
    usage_of,
    write_ledger,
)
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.subscribers.profiles import STRANGER, Contract
from louhua.subscribers.store import contracts


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody got and is charged for: ``event`` says what it is, and is charged once.

    ``limit`` is what was reserved of a prepaid payer, in thousandths of a yuan; ``given`` why nothing is charged
    although it was delivered. ``quantity`` is in minutes where an item is charged by the minute.
    """

    event: str
    payer: str
    item: Item
    at: datetime
    recipient: str = ""
    party: str = ""
    quantity: int = 1
    limit: int | None = None
    given: Why | None = None


class Charger:
    """Rates deliveries by the plans of their payers, and writes them into the ledger."""

    def __init__(self, config: Config) -> None:
        self._settings = config.charging
        self._zone = config.service.zone
        self.catalogue = Catalogue()

    async def charge(self, connection: Connection, deliveries: Sequence[Delivery]) -> list[Charge]:
        """Charge what is not charged yet; the new rows. Part of the transaction that records the deliveries."""
        if not deliveries:
            return []
        await write_ledger(connection)
        await self.catalogue.refresh(connection)
        known = await contracts(connection, {delivery.payer for delivery in deliveries})
        pending = sorted({item.event: item for item in deliveries}.values(), key=_order)
        written: list[Charge] = []
        while pending:
            usage = await lock_usage(connection, map(self._bill, pending))
            done = await charged(connection, [delivery.event for delivery in pending])
            there = set(usage)
            pending = [delivery for delivery in pending if delivery.event not in done]
            rows = self._rate_all(pending, known, usage)
            new = await add_usage(connection, {bill: used for bill, used in usage.items() if bill not in there})
            await change_usage(connection, {bill: used for bill, used in usage.items() if bill in there})
            # Where somebody else was the first of the month, his row is locked and read in the next round.
            lost = usage.keys() - new - there
            sure = [row for row in rows if (row.payer, row.month) not in lost]
            await add_charges(connection, sure)
            written += sure
            pending = [delivery for delivery in pending if self._bill(delivery) in lost]
        _count(written)
        return written

    async def estimate(self, connection: Connection, deliveries: Sequence[Delivery]) -> list[int]:
        """What these would be charged now, in thousandths of a yuan: the most that is to be reserved for them."""
        known = await contracts(connection, {delivery.payer for delivery in deliveries})
        usage = await usage_of(connection, map(self._bill, deliveries))
        rows = [
            self._rated(
                delivery, known.get(delivery.payer, STRANGER), usage.setdefault(self._bill(delivery), Usage())
            )
            for delivery in deliveries
        ]
        return [row.amount if row else 0 for row in rows]

    def _bill(self, delivery: Delivery) -> Bill:
        return delivery.payer, month_of(local_day(delivery.at, self._zone))

    def _rate_all(
        self, deliveries: Sequence[Delivery], known: Mapping[str, Contract], usage: dict[Bill, Usage]
    ) -> list[Charge]:
        """Rate one after another; ``usage`` is brought up to date, and gets what is not there yet."""
        rows = []
        for delivery in deliveries:
            contract = known.get(delivery.payer, STRANGER)
            bill = self._bill(delivery)
            used = usage.get(bill) or Usage()
            row = self._rated(delivery, contract, used)
            if row is not None:
                usage[bill] = used
                rows.append(row)
        return rows

    def _rated(self, delivery: Delivery, contract: Contract, usage: Usage) -> Charge | None:
        """The row for a delivery, which is added to ``usage``; ``None``: the payer's plan does not name it."""
        day = local_day(delivery.at, self._zone)
        version = self.catalogue.version_for(contract, day, self._settings)
        if version is None:
            return None
        trial = self._on_trial(contract, version.plan, day)
        rated = rate(version.plan, usage, delivery.item, day, delivery.quantity, trial=trial)
        if rated is None:
            return None
        rated = _limited(rated, delivery)
        usage.add(delivery.item, day, rated)
        return Charge(
            event=delivery.event,
            kind="usage",
            payer=delivery.payer,
            month=month_of(day),
            at=delivery.at,
            item=delivery.item,
            recipient=delivery.recipient,
            party=delivery.party,
            plan=version.plan.name,
            version=version.number,
            quantity=delivery.quantity,
            price=rated.price,
            amount=rated.amount,
            why=rated.why,
            used=rated.used,
            item_sum=rated.item_sum,
            day_sum=rated.day_sum,
            month_sum=rated.month_sum,
            seq=usage.charges,
            prepaid=delivery.limit is not None,
        )

    def _on_trial(self, contract: Contract, plan: Plan, day: date) -> bool:
        since = contract.activated_at if contract.registered else None
        return on_trial(plan, since and local_day(since, self._zone), day)


def _count(charges: Sequence[Charge]) -> None:
    for (item, why), number in Counter((charge.item, charge.why) for charge in charges).items():
        CHARGES.labels(item, why).inc(number)
    for item in {charge.item for charge in charges}:
        AMOUNT.labels(item).inc(sum(charge.amount for charge in charges if charge.item == item))


def _order(delivery: Delivery) -> tuple[str, datetime, str]:
    return delivery.payer, delivery.at, delivery.event


def _limited(rated: Rated, delivery: Delivery) -> Rated:
    """Nothing where it was given away; of a prepaid payer no more than was reserved."""
    if delivery.given is not None:
        return msgspec.structs.replace(rated, amount=0, why=delivery.given)
    if delivery.limit is not None and rated.amount > delivery.limit:
        return msgspec.structs.replace(rated, amount=delivery.limit, why=Why.RESERVED)
    return rated
