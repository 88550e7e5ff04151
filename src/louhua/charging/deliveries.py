"""What was delivered is charged, in the transaction that records the delivery (access is free: 用户呼叫接入不计费,
短信通知成功计费,不成功不计费).

An event is charged once, whatever comes again: by the ledger's unique key, under the lock of the payer's month.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date, datetime

import msgspec

from louhua.charging import reservations
from louhua.charging.catalogue import Catalogue
from louhua.charging.metrics import AMOUNT, CHARGES
from louhua.charging.months import local_day, month_of
from louhua.charging.plans import Item, Plan, Version
from louhua.charging.rating import Rated, Usage, Why, on_trial, rate
from louhua.charging.reservations import Place
from louhua.charging.store import (
    Bill,
    Charge,
    add_charges,
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


class _Named(msgspec.Struct, frozen=True):
    """A delivery that its payer's plan names, and what decides its amount beside his usage."""

    delivery: Delivery
    version: Version
    day: date
    trial: bool

    @property
    def bill(self) -> Bill:
        return self.delivery.payer, month_of(self.day)

    @property
    def place(self) -> Place:
        return self.delivery.payer, self.delivery.item

    @property
    def free(self) -> int:
        """So many of its item cost nothing in a month."""
        return self.version.plan.items[self.delivery.item].free

    def rated(self, usage: Usage) -> Rated:
        """What it costs whoever used so much before."""
        item, quantity = self.delivery.item, self.delivery.quantity
        rated = rate(self.version.plan, usage, item, self.day, quantity, trial=self.trial)
        assert rated is not None, "its plan names it"
        return rated


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
        named = await self._named(connection, {item.event: item for item in deliveries}.values())
        if not named:
            return []
        usage = await lock_usage(connection, {each.bill for each in named})
        done = await charged(connection, [each.delivery.event for each in named])
        new = sorted((each for each in named if each.delivery.event not in done), key=_order)
        rows = [_charge(each, usage[each.bill]) for each in new]
        await change_usage(connection, {each.bill: usage[each.bill] for each in new})
        await add_charges(connection, rows)
        _count(rows)
        return rows

    async def estimate(self, connection: Connection, deliveries: Sequence[Delivery]) -> list[int]:
        """The most that these can be charged, in thousandths of a yuan: what is to be reserved for them.

        Part of the transaction that reserves it. Texts on their way take of a quota as if they were delivered, and
        so does each of these for those behind it; but of no cap, as they may fail.
        """
        named = await self._named(connection, deliveries)
        counted = [each for each in named if each.free]
        usage = await lock_usage(connection, {each.bill for each in counted})
        usage |= await usage_of(connection, {each.bill for each in named} - usage.keys())
        ahead = await reservations.underway(connection, {each.place for each in counted})
        amounts = {}
        for each in named:
            used = usage.get(each.bill) or Usage()
            amounts[each.delivery.event] = each.rated(used.behind(each.delivery.item, ahead[each.place])).amount
            ahead[each.place] += each.delivery.quantity
        return [amounts.get(delivery.event, 0) for delivery in deliveries]

    async def _named(self, connection: Connection, deliveries: Collection[Delivery]) -> list[_Named]:
        """Those of these that their payers' plans name; the others are free and leave no trace."""
        known = await contracts(connection, {delivery.payer for delivery in deliveries})
        named = []
        for delivery in deliveries:
            contract = known.get(delivery.payer, STRANGER)
            day = local_day(delivery.at, self._zone)
            version = self.catalogue.version_for(contract, day, self._settings)
            if version is not None and delivery.item in version.plan.items:
                trial = self._on_trial(contract, version.plan, day)
                named.append(_Named(delivery, version, day, trial))
        return named

    def _on_trial(self, contract: Contract, plan: Plan, day: date) -> bool:
        since = contract.activated_at if contract.registered else None
        return on_trial(plan, since and local_day(since, self._zone), day)


def _charge(named: _Named, usage: Usage) -> Charge:
    """The row for a delivery, which is added to ``usage``."""
    delivery = named.delivery
    rated = _limited(named.rated(usage), delivery)
    usage.add(delivery.item, named.day, rated)
    return Charge(
        event=delivery.event,
        kind="usage",
        payer=delivery.payer,
        month=month_of(named.day),
        at=delivery.at,
        item=delivery.item,
        recipient=delivery.recipient,
        party=delivery.party,
        plan=named.version.plan.name,
        version=named.version.number,
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


def _count(charges: Sequence[Charge]) -> None:
    for (item, why), number in Counter((charge.item, charge.why) for charge in charges).items():
        CHARGES.labels(item, why).inc(number)
    for item in {charge.item for charge in charges}:
        AMOUNT.labels(item).inc(sum(charge.amount for charge in charges if charge.item == item))


def _order(named: _Named) -> tuple[str, datetime, int, str]:
    """Of what comes at once, that first for which least was reserved: the quota's places were kept for it."""
    delivery = named.delivery
    return delivery.payer, delivery.at, delivery.limit or 0, delivery.event


def _limited(rated: Rated, delivery: Delivery) -> Rated:
    """Nothing where it was given away; of a prepaid payer no more than was reserved."""
    if delivery.given is not None:
        return msgspec.structs.replace(rated, amount=0, why=delivery.given)
    if delivery.limit is not None and rated.amount > delivery.limit:
        return msgspec.structs.replace(rated, amount=delivery.limit, why=Why.RESERVED)
    return rated
