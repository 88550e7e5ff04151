"""The ledger, and what was used in each month, in PostgreSQL: batches of rows go as JSON."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

import msgspec

from louhua.charging.rating import Usage
from louhua.db.locks import Lock
from louhua.db.pool import Connection

# Until the end of the transaction. Who writes a file of charges waits for all who hold this, so that no id comes
# later than one that is greater.
WRITE_LEDGER: Final = "SELECT pg_advisory_xact_lock_shared(%(key)s)"
READ_LEDGER: Final = "SELECT pg_advisory_xact_lock(%(key)s)"

# Primary key, in its order, as every writer goes, and all of them before the first is locked: nobody makes a row
# while others may wait for one that he has locked. Who makes the same row at this moment is waited for.
OPEN_USAGE: Final = """
INSERT INTO charging_usage (payer, month, charges, items, days)
SELECT payer, month, 0, '{}', '{}'
  FROM unnest(%(payers)s::text[], %(months)s::date[]) AS given (payer, month)
 ORDER BY payer, month
    ON CONFLICT (payer, month) DO NOTHING
"""

# Primary key, in its order, as every writer goes; after OPEN_USAGE.
LOCK_USAGE: Final = """
SELECT u.payer, u.month, u.charges, u.items, u.days
  FROM charging_usage AS u
  JOIN unnest(%(payers)s::text[], %(months)s::date[]) AS given (payer, month)
    ON u.payer = given.payer AND u.month = given.month
 ORDER BY u.payer, u.month
   FOR UPDATE OF u
"""

# Primary key.
USAGE: Final = """
SELECT u.payer, u.month, u.charges, u.items, u.days
  FROM charging_usage AS u
  JOIN unnest(%(payers)s::text[], %(months)s::date[]) AS given (payer, month)
    ON u.payer = given.payer AND u.month = given.month
"""

# Primary key; the rows are locked by LOCK_USAGE.
CHANGE_USAGE: Final = """
UPDATE charging_usage AS u SET charges = given.charges, items = given.items, days = given.days
  FROM json_to_recordset(%(rows)s::json)
    AS given (payer text, month date, charges int, items jsonb, days jsonb)
 WHERE u.payer = given.payer AND u.month = given.month
"""

# Unique index charge_once.
CHARGED: Final = "SELECT event FROM charging_charge WHERE event = ANY(%(events)s)"

# Unique index charge_once: an event that is charged already is not again.
ADD_CHARGES: Final = """
INSERT INTO charging_charge (event, kind, payer, month, at, item, recipient, party, plan, version, quantity,
                             price, amount, why, used, item_sum, day_sum, month_sum, seq, prepaid, refunds,
                             reason, author)
SELECT event, kind, payer, month, at, item, recipient, party, plan, version, quantity, price, amount, why, used,
       item_sum, day_sum, month_sum, seq, prepaid, refunds, reason, author
  FROM json_to_recordset(%(rows)s::json)
    AS given (event text, kind text, payer text, month date, at timestamptz, item text, recipient text,
              party text, plan text, version int, quantity int, price bigint, amount bigint, why text, used int,
              item_sum bigint, day_sum bigint, month_sum bigint, seq int, prepaid bool, refunds bigint,
              reason text, author text)
    ON CONFLICT (event) DO NOTHING
RETURNING event
"""

Bill = tuple[str, date]
"""(payer, month): whose usage, and of which month."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the ledger; amounts in thousandths of a yuan, what is given back is negative."""

    event: str
    kind: str
    payer: str
    month: date
    at: datetime
    price: int
    amount: int
    why: str
    prepaid: bool
    item: str = ""
    recipient: str = ""
    party: str = ""
    plan: str = ""
    version: int = 0
    quantity: int = 1
    used: int = 0
    item_sum: int = 0
    day_sum: int = 0
    month_sum: int = 0
    seq: int = 0
    refunds: int | None = None
    reason: str = ""
    author: str = ""


class Row(NamedTuple):
    """A row of the ledger as it is stored; in this order it stands in files of charges (docs/cdr.md)."""

    id: int
    event: str
    kind: str
    payer: str
    month: date
    at: datetime
    item: str
    recipient: str
    party: str
    plan: str
    version: int
    quantity: int
    price: int
    amount: int
    why: str
    used: int
    item_sum: int
    day_sum: int
    month_sum: int
    seq: int
    prepaid: bool
    refunds: int | None
    reason: str
    author: str


AMOUNTS: Final = ("price", "amount", "item_sum", "day_sum", "month_sum")
"""Columns that are thousandths of a yuan."""


def select(columns: Iterable[str], rest: str) -> str:
    """A statement that reads the columns of a row's type, in its order."""
    return f"SELECT {', '.join(columns)} {rest}"


class _UsageRow(msgspec.Struct, frozen=True):
    payer: str
    month: date
    charges: int
    items: dict[str, tuple[int, int]]
    days: dict[str, int]


async def write_ledger(connection: Connection) -> None:
    """To be called first in every transaction that adds charges."""
    await connection.execute(WRITE_LEDGER, {"key": Lock.LEDGER})


async def read_ledger(connection: Connection) -> None:
    """Wait, and let others wait until the end of the transaction, so that what is seen of the ledger is all."""
    await connection.execute(READ_LEDGER, {"key": Lock.LEDGER})


async def lock_usage(connection: Connection, bills: Collection[Bill]) -> dict[Bill, Usage]:
    """What was used of each; nobody else changes it before the end of the transaction. To be called once in one.

    Each has a row from now on.
    """
    if bills:
        await connection.execute(OPEN_USAGE, _columns(bills))
    return await _usage(connection, LOCK_USAGE, bills)


async def usage_of(connection: Connection, bills: Collection[Bill]) -> dict[Bill, Usage]:
    """What was used of those that have a row."""
    return await _usage(connection, USAGE, bills)


def _columns(bills: Iterable[Bill]) -> dict[str, Any]:
    return {"payers": [payer for payer, _ in bills], "months": [month for _, month in bills]}


async def _usage(connection: Connection, statement: str, bills: Collection[Bill]) -> dict[Bill, Usage]:
    if not bills:
        return {}
    cursor = await connection.execute(statement.encode(), _columns(bills))
    return {
        (payer, month): Usage(charges, {item: (many, amount) for item, (many, amount) in items.items()}, days)
        for payer, month, charges, items, days in await cursor.fetchall()
    }


async def change_usage(connection: Connection, usage: Mapping[Bill, Usage]) -> None:
    """Store usage whose rows are locked."""
    if usage:
        await connection.execute(CHANGE_USAGE, {"rows": _rows(usage)})


def _rows(usage: Mapping[Bill, Usage]) -> str:
    rows = [_UsageRow(payer, month, used.charges, used.items, used.days) for (payer, month), used in usage.items()]
    return msgspec.json.encode(rows).decode()


async def charged(connection: Connection, events: Collection[str]) -> set[str]:
    """Those of these events that are in the ledger."""
    cursor = await connection.execute(CHARGED, {"events": list(events)})
    return {row[0] for row in await cursor.fetchall()}


async def add_charges(connection: Connection, charges: Sequence[Charge]) -> set[str]:
    """Write rows, after ``write_ledger``; the events that were not there before."""
    if not charges:
        return set()
    cursor = await connection.execute(ADD_CHARGES, {"rows": msgspec.json.encode(charges).decode()})
    return {row[0] for row in await cursor.fetchall()}
