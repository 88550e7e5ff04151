"""The partitions of the calls, one a day (UTC): made two weeks ahead, dropped whole when their day is too old.

A call outside every partition (a clock far ahead) is kept in ``alerts_call_rest``. What needs a lock on the table
waits for it only an instant, because every call that comes waits behind it.
"""

import asyncio
import re
from datetime import UTC, datetime, time, timedelta
from typing import Final

import msgspec
import structlog
from psycopg import sql
from psycopg.errors import CheckViolation, LockNotAvailable

from louhua.db.pool import Connection

log = structlog.get_logger()

AHEAD: Final = timedelta(days=14)
_DAY: Final = timedelta(days=1)
_TRIES: Final = 20
_TRY_AGAIN_S: Final = 1.0
_BOUNDS: Final = re.compile(r"FROM \((MINVALUE|'[^']+')\) TO \('([^']+)'\)")
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)

LIST_PARTITIONS: Final = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid)
  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
 WHERE i.inhparent = 'alerts_call'::regclass
"""


class Partition(msgspec.Struct, frozen=True):
    """A table with the calls that started from ``start`` until before ``end``."""

    name: str
    start: datetime
    end: datetime


def read_bounds(name: str, bounds: str) -> Partition | None:
    """A partition from PostgreSQL's own words, in a session in UTC; ``None`` for the default one."""
    found = _BOUNDS.search(bounds)
    if found is None:
        return None
    start = _BEGINNING if found[1] == "MINVALUE" else datetime.fromisoformat(found[1].strip("'"))
    return Partition(name, start, datetime.fromisoformat(found[2]))


def missing(present: list[Partition], now: datetime) -> list[Partition]:
    """The days from today on that have no partition yet."""
    today = datetime.combine(now.astimezone(UTC).date(), time(0), UTC)
    days = [today + number * _DAY for number in range(AHEAD.days + 1)]
    return [
        Partition(f"alerts_call_{day:%Y%m%d}", day, day + _DAY)
        for day in days
        if not any(other.start < day + _DAY and day < other.end for other in present)
    ]


def outdated(present: list[Partition], before: datetime) -> list[Partition]:
    """The partitions that hold nothing but calls from before this time."""
    return [partition for partition in present if partition.end <= before]


async def keep_days(connection: Connection, now: datetime, before: datetime) -> int:
    """Make the partitions of the next days and drop those from before this time; how many were dropped."""
    cursor = await connection.execute(LIST_PARTITIONS)
    present = [item for row in await cursor.fetchall() if (item := read_bounds(row[0], row[1]))]
    for day in missing(present, now):
        name, bounds = sql.Identifier(day.name), (sql.Literal(day.start), sql.Literal(day.end))
        create = sql.SQL("CREATE TABLE {} PARTITION OF alerts_call FOR VALUES FROM ({}) TO ({})")
        try:
            await _change(connection, create.format(name, *bounds))
        except CheckViolation:
            log.warning("retention.day_stays_in_rest", day=day.name)
    dropped = 0
    for old in outdated(present, before):
        dropped += await _change(connection, sql.SQL("DROP TABLE {}").format(sql.Identifier(old.name)))
    return dropped


async def _change(connection: Connection, statement: sql.Composed) -> bool:
    """Change the table as soon as nobody is in the way; says whether that came."""
    for _ in range(_TRIES):
        try:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '100ms'")
                await connection.execute(statement)
            return True
        except LockNotAvailable:
            await asyncio.sleep(_TRY_AGAIN_S)
    log.warning("retention.table_busy", statement=statement.as_string(connection))
    return False
