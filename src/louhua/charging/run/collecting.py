"""Rentals that are owed are collected: of a balance that is kept here, or on the bill of who pays afterwards."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
import structlog

from louhua.charging import balances
from louhua.charging.balances import NOTHING, Money
from louhua.charging.metrics import COLLECTED, RESUMED, SUSPENDED
from louhua.charging.run import store
from louhua.charging.run.rules import Rental, paid, payable
from louhua.charging.store import Charge, add_charges
from louhua.creditors import Charging
from louhua.db.pool import Connection
from louhua.numbers import masked

log = structlog.get_logger()


class Collected(msgspec.Struct, frozen=True):
    """What was collected, and who of those who were asked does not pay something."""

    charges: list[Charge] = []
    owing: list[str] = []


async def collect(
    connection: Connection, debtors: Mapping[str, bool], settings: Charging, now: datetime
) -> Collected:
    """Collect what these owe; the mapping says of each whether he pays beforehand.

    Part of a transaction that began with ``write_ledger``. Money that is kept elsewhere is not asked for here;
    what was asked for there, and may have been taken, stands on no bill before there is an answer.
    """
    here = settings.keeper == "here"
    asked = {payer: prepaid for payer, prepaid in debtors.items() if here or not prepaid}
    if not asked:
        return Collected()
    from_balance = {payer for payer, prepaid in asked.items() if prepaid}
    money = await balances.lock(connection, from_balance) if from_balance else {}
    charges, changed, owing = [], [], []
    for payer, owed in _by_payer(await store.owed(connection, asked, lock=True)).items():
        rentals = [rental for rental in owed if here or not rental.asking]
        amounts = [rental.owed for rental in rentals]
        if payer in from_balance:
            available = money.get(payer, NOTHING).available
            amounts = payable(available, amounts, partial=settings.partial_rental)
        for rental, amount in zip(rentals, amounts, strict=True):
            if amount:
                after, charge = paid(rental, amount, now, prepaid=payer in from_balance)
                changed.append(after)
                charges.append(charge)
        if sum(amounts) < sum(rental.owed for rental in rentals):
            owing.append(payer)
    await add_charges(connection, charges)
    await store.change_rentals(connection, changed)
    await balances.change(connection, [(row.payer, Money(-row.amount)) for row in charges if row.prepaid])
    return Collected(charges, owing)


def _by_payer(rentals: Iterable[Rental]) -> dict[str, list[Rental]]:
    found: dict[str, list[Rental]] = {}
    for rental in rentals:
        found.setdefault(rental.payer, []).append(rental)
    return found


def told(charges: Sequence[Charge], suspended: Sequence[str] = (), resumed: Sequence[str] = ()) -> None:
    """Count and log what is committed."""
    COLLECTED.inc(sum(charge.amount for charge in charges))
    SUSPENDED.inc(len(suspended))
    RESUMED.inc(len(resumed))
    for payer in suspended:
        log.info("rental.suspended", payer=masked(payer))
    for payer in resumed:
        log.info("rental.resumed", payer=masked(payer))
