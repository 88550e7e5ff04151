"""Files of charges and their ranges of the ledger, in PostgreSQL.

A row says what a file will contain before there is a file: ledger rows up to the horizon never change, and none
comes between them any more. Only the newest row can be open (``closed_at`` is null).
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from psycopg.errors import LockNotAvailable

from louhua.charging.store import Row, read_ledger, select
from louhua.db import locks
from louhua.db.locks import Lock
from louhua.db.pool import Connection


class File(msgspec.Struct, frozen=True):
    """A file: the charges after ``after_id`` up to ``upto_id``; the amount in thousandths of a yuan."""

    number: int
    after_id: int
    upto_id: int
    charges: int
    amount: int
    name: str
    node: str
    zone: str
    created_at: datetime
    closed_at: datetime | None = None


class Range(msgspec.Struct, frozen=True):
    """Charges of the ledger up to one."""

    upto_id: int
    charges: int
    amount: int


# The number of a file must not be forgotten; what waits for the ledger must see what it waited for; and who is
# gone without a word must not keep the lock for long.
_SETTINGS: Final = """
SET synchronous_commit = on; SET default_transaction_isolation = 'read committed';
SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6
"""

# Primary key, from its end.
HORIZON: Final = "SELECT coalesce(max(id), 0) FROM charging_charge"

# How long all who charge may wait for one who asks for the horizon, and how often he asks.
_WAIT: Final = "SET LOCAL lock_timeout = '200ms'"
_TRIES: Final = 30
_TRY_AGAIN_S: Final = 0.5

# Primary key, from its end.
NEWEST: Final = select(File.__struct_fields__, "FROM charging_cdrfile ORDER BY number DESC LIMIT 1")

# All of a small table: a row a file.
FILES: Final = select(
    File.__struct_fields__, "FROM charging_cdrfile WHERE created_at >= %(since)s ORDER BY number"
)
_EVER: Final = datetime.min.replace(tzinfo=UTC)

# Primary key.
NEXT_RANGE: Final = """
SELECT max(id), count(*), sum(amount)::bigint
  FROM (SELECT id, amount FROM charging_charge
         WHERE id > %(after)s AND id <= %(horizon)s ORDER BY id LIMIT %(limit)s) AS next
"""

ADD: Final = """
INSERT INTO charging_cdrfile (number, after_id, upto_id, charges, amount, name, node, zone, created_at)
VALUES (%(number)s, %(after_id)s, %(upto_id)s, %(charges)s, %(amount)s, %(name)s, %(node)s, %(zone)s,
        %(created_at)s)
"""

# Primary key; whether this one closed it.
CLOSE: Final = """
UPDATE charging_cdrfile SET closed_at = %(now)s WHERE number = %(number)s AND closed_at IS NULL
"""

# Primary key, in its order; the columns are those of a line.
ROWS: Final = select(
    Row._fields, "FROM charging_charge WHERE id > %(after)s AND id <= %(upto)s ORDER BY id LIMIT %(limit)s"
)

# Primary keys.
OLDEST: Final = """
SELECT at FROM charging_charge
 WHERE id > coalesce((SELECT CASE WHEN closed_at IS NULL THEN after_id ELSE upto_id END
                        FROM charging_cdrfile ORDER BY number DESC LIMIT 1), 0)
 ORDER BY id LIMIT 1
"""


class LedgerBusy(Exception):
    """Somebody has been writing into the ledger all the time, in one transaction."""


async def take_lock(connection: Connection) -> bool:
    """Whether this connection is now the one that writes files."""
    if not await locks.take(connection, Lock.FILES):
        return False
    await connection.execute(_SETTINGS)
    return True


async def wait_for_lock(connection: Connection) -> None:
    """Become the one that writes files when whoever is it now has ended."""
    await locks.wait(connection, Lock.FILES)
    await connection.execute(_SETTINGS)


async def horizon(connection: Connection) -> int:
    """The last charge such that none before it can come any more; raises ``LedgerBusy``."""
    for _ in range(_TRIES):
        try:
            async with connection.transaction():
                await connection.execute(_WAIT)
                await read_ledger(connection)
                row = await (await connection.execute(HORIZON)).fetchone()
            return int(row[0]) if row else 0
        except LockNotAvailable:
            await asyncio.sleep(_TRY_AGAIN_S)
    raise LedgerBusy("the ledger is being written in one long transaction; nothing is lost, try again later")


async def newest(connection: Connection) -> File | None:
    """The file with the greatest number."""
    row = await (await connection.execute(NEWEST)).fetchone()
    return File(*row) if row else None


async def files(connection: Connection, since: datetime = _EVER) -> list[File]:
    """The files that were begun since then, by their numbers."""
    return [File(*row) for row in await (await connection.execute(FILES, {"since": since})).fetchall()]


async def next_range(connection: Connection, after: int, upto: int, limit: int) -> Range | None:
    """The next charges, so many at most; ``None``: there are none."""
    row = await (
        await connection.execute(NEXT_RANGE, {"after": after, "horizon": upto, "limit": limit})
    ).fetchone()
    return Range(*row) if row and row[1] else None


async def add(connection: Connection, file: File) -> None:
    """From now on there is this file."""
    await connection.execute(ADD, msgspec.structs.asdict(file))


async def close(connection: Connection, number: int, now: datetime) -> bool:
    """The file is complete under its name; whether that was not known before."""
    return (await connection.execute(CLOSE, {"number": number, "now": now})).rowcount == 1


async def rows(connection: Connection, after: int, upto: int, limit: int) -> Sequence[Row]:
    """The next charges of a range."""
    cursor = await connection.execute(ROWS, {"after": after, "upto": upto, "limit": limit})
    return [Row._make(row) for row in await cursor.fetchall()]


async def oldest(connection: Connection) -> datetime | None:
    """When the oldest charge was that stands in no complete file."""
    row = await (await connection.execute(OLDEST)).fetchone()
    return row[0] if row else None
