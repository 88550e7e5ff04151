"""Opens the books of money, and reads all that the platform has written into them."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from louhua.charging.catalogue import add_version
from louhua.charging.cdr import store as cdr
from louhua.charging.cdr.files import directory
from louhua.charging.cdr.format import COLUMNS
from louhua.charging.cdr.verifying import listed, problems
from louhua.charging.months import today_in
from louhua.charging.movements import Movements
from louhua.charging.plans import Plan, read_plan
from louhua.charging.rating import Usage
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.money import parse_yuan
from louhua.soak.ledger import Person
from louhua.soak.money import Account, Books, Exported, Sold
from louhua.subscribers.store import pay

SETTINGS: Final = {"plan": "soak", "visitor_plan": "soak", "refused": "free", "cdr_every": "2s"}
"""Of ``[charging]``: who has no money left is told all the same, so that no text is missing."""

_PLAN: Final = {
    "name": "soak",
    "rental": "0.90",
    "first_month": "pro-rata",
    "day_cap": "3.00",
    "month_cap": "5.00",
    "items": {
        "missed": {"price": "0.20"},
        "teaser": {"price": "0.05", "free": 1},
        "call_back": {"price": "0.30", "cap": "1.00", "payer": "caller"},
        "call_other": {"price": "0.30"},
        "message": {"price": "0.10", "free": 1},
        "power_on": {"price": "0.10", "cap": "1.00"},
        "detail": {"price": "0.10"},
    },
}
"""Everybody's: a bit of everything that decides an amount."""

_SOLD: Final = """
SELECT id, recipient, item, payer, party, state = 'delivered' FROM texts_text WHERE item <> '' ORDER BY id
"""
_USAGE: Final = "SELECT payer, month, charges, items, days FROM charging_usage"
_ACCOUNTS: Final = "SELECT payer, balance, reserved FROM charging_balance"
_RENTALS: Final = "SELECT payer, month, collected FROM charging_rental"
_OPEN: Final = """
SELECT (SELECT count(*) FROM charging_reservation),
       (SELECT count(*) FROM charging_hold),
       (SELECT count(*) FROM charging_charge
         WHERE id > coalesce((SELECT max(upto_id) FROM charging_cdrfile WHERE closed_at IS NOT NULL), 0))
"""
_EVERYTHING: Final = 2**62


async def open_books(connection: Connection, config: Config, people: Sequence[Person]) -> None:
    """Say what everything costs, and who pays how; who pays beforehand gets his money."""
    plan = _plan(today_in(config.service.zone))
    async with connection.transaction():
        await add_version(connection, plan, "soak", plan.valid_from)
    paid_in = {person.number: person.money for person in people if person.money is not None}
    await pay(connection, list(paid_in), prepaid=True)
    movements = Movements(config, datetime.now(UTC))
    for number, money in paid_in.items():
        await movements.top_up(connection, number, money, "soak", "paid in", f"soak-{number}")


def _plan(today: date) -> Plan:
    return read_plan({**_PLAN, "valid_from": today.isoformat()})


async def read_books(connection: Connection, config: Config) -> Books:
    """All books as they are now."""
    usage = await (await connection.execute(_USAGE)).fetchall()
    where = directory(config)
    there = listed(where)
    files = await cdr.files(connection)
    return Books(
        plan=_plan(date.min),
        zone=config.service.zone,
        sold=[
            Sold(id=row[0], recipient=row[1], item=row[2], payer=row[3], party=row[4], delivered=row[5])
            for row in await (await connection.execute(_SOLD)).fetchall()
        ],
        charges=await cdr.rows(connection, 0, _EVERYTHING, _EVERYTHING),
        usage={
            (payer, month): Usage(many, {item: (used, amount) for item, (used, amount) in items.items()}, days)
            for payer, month, many, items, days in usage
        },
        accounts=[
            Account(payer=row[0], balance=row[1], reserved=row[2])
            for row in await (await connection.execute(_ACCOUNTS)).fetchall()
        ],
        rentals={
            (payer, month): collected
            for payer, month, collected in await (await connection.execute(_RENTALS)).fetchall()
        },
        exported=[charge for file in files if file.closed_at for charge in _exported(where / file.name)],
        torn=[problem for _, problem in problems(files, there, where) if problem],
    )


async def still_open(connection: Connection) -> str:
    """What is still to be settled; empty when there is nothing."""
    row = await (await connection.execute(_OPEN)).fetchone() or (0, 0, 0)
    names = ("reservations", "sums held back", "charges without a file")
    return ", ".join(f"{count} {what}" for count, what in zip(row, names, strict=True) if count)


def _exported(path: Path) -> Iterator[Exported]:
    """The charges of a file; what is wrong with it as a file is found by ``problems``."""
    if not path.exists():
        return
    place = {name: number for number, name in enumerate(COLUMNS.split(), 1)}
    with path.open(encoding="utf-8", newline="") as text:
        for row in csv.reader(text):
            if row[0] == "D":
                yield Exported(int(row[place["id"]]), row[place["event"]], parse_yuan(row[place["amount"]]))
