"""Work that one process a database does at a time: PostgreSQL's advisory locks, and their keys.

A lock lasts as long as its connection: ``pool.connect`` gives it back at once, a process that was killed when the
server notices.
"""

from enum import IntEnum
from typing import Final

from louhua.db.pool import Connection


class Lock(IntEnum):
    """Keys, which never change: nodes of different versions share a database."""

    SCHEMA = 0x6C6F7568
    HOUSE = 0x6C6F7569
    RENTALS = 0x72656E74
    FILES = 0x63647266
    LEDGER = 0x6C656467


TAKE: Final = "SELECT pg_try_advisory_lock(%(key)s)"
WAIT: Final = "SELECT pg_advisory_lock(%(key)s)"


async def take(connection: Connection, lock: Lock) -> bool:
    """Whether this connection has the lock now."""
    row = await (await connection.execute(TAKE, {"key": lock})).fetchone()
    return row is not None and bool(row[0])


async def wait(connection: Connection, lock: Lock) -> None:
    """Have the lock when whoever has it now has ended."""
    await connection.execute(WAIT, {"key": lock})
