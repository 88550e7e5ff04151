"""Watches in PostgreSQL, a batch at a time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from louhua.db.pool import Connection

# One row a callee. The row is locked even when nothing changes, so that news of the phone, which delete it,
# see the alert that this transaction adds. HOT: no indexed column changes on conflict.
WATCH: Final = """
INSERT INTO reachability_watch AS w (callee, since, last_call_at, limit_at, next_probe_at, probes)
SELECT callee, since, last_call_at, since + %(limit)s, %(next_probe_at)s, 0
  FROM unnest(%(callees)s::text[], %(since)s::timestamptz[], %(last_call_at)s::timestamptz[])
    AS given (callee, since, last_call_at)
 ORDER BY callee
    ON CONFLICT (callee) DO UPDATE SET last_call_at = greatest(w.last_call_at, excluded.last_call_at)
"""

# Primary-key look-ups. News that is older than the last call says nothing about the phone now.
END: Final = """
DELETE FROM reachability_watch AS w
 USING unnest(%(callees)s::text[], %(at)s::timestamptz[]) AS given (callee, at)
 WHERE w.callee = given.callee AND w.last_call_at <= given.at
RETURNING w.callee, given.at
"""

# Index watch_limit.
OVER: Final = """
DELETE FROM reachability_watch
 WHERE callee IN (SELECT callee FROM reachability_watch WHERE limit_at <= %(now)s
                   ORDER BY limit_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING callee
"""

# Index watch_probe_due. The next probe is set for after this one is given up, should nothing be heard.
CLAIM: Final = """
UPDATE reachability_watch AS w SET probes = w.probes + 1, next_probe_at = %(again_at)s
  FROM (SELECT callee FROM reachability_watch WHERE next_probe_at <= %(now)s
         ORDER BY next_probe_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
 WHERE w.callee = due.callee
RETURNING w.callee
"""

# Primary-key look-ups.
PROBES: Final = "SELECT callee, probes FROM reachability_watch WHERE callee = ANY(%(callees)s)"

# Primary-key look-ups.
RESCHEDULE: Final = """
UPDATE reachability_watch AS w SET next_probe_at = given.at
  FROM unnest(%(callees)s::text[], %(at)s::timestamptz[]) AS given (callee, at)
 WHERE w.callee = given.callee
"""

# Primary-key look-ups. Not before the last call: the clock of its node may be ahead.
PROBE_SOON: Final = """
UPDATE reachability_watch SET next_probe_at = greatest(last_call_at, %(now)s) WHERE callee = ANY(%(callees)s)
"""

# Exact up to a hundred thousand; beyond it the planner's estimate, as counting would read every row.
COUNT: Final = """
SELECT CASE WHEN reltuples > 100000 THEN reltuples::bigint ELSE (SELECT count(*) FROM reachability_watch) END
  FROM pg_class WHERE oid = 'reachability_watch'::regclass
"""


class News(msgspec.Struct, frozen=True):
    """A phone was on at this time, or at some time after it."""

    number: str
    at: datetime


async def watch(
    connection: Connection,
    waits: Sequence[tuple[str, datetime, datetime]],
    limit: timedelta,
    next_probe_at: datetime | None,
) -> None:
    """Begin or keep watches: (callee, first call, last call), in the order of the callees.

    ``next_probe_at`` is ``None`` where nobody probes.
    """
    if waits:
        await connection.execute(
            WATCH,
            {
                "callees": [callee for callee, _, _ in waits],
                "since": [since for _, since, _ in waits],
                "last_call_at": [last for _, _, last in waits],
                "limit": limit,
                "next_probe_at": next_probe_at,
            },
        )


async def end_watches(connection: Connection, news: Sequence[News]) -> list[News]:
    """End the watches these news are for; the news that ended one."""
    if not news:
        return []
    cursor = await connection.execute(
        END, {"callees": [item.number for item in news], "at": [item.at for item in news]}
    )
    return [News(*row) for row in await cursor.fetchall()]


async def watches_over(connection: Connection, now: datetime, limit: int = 500) -> list[str]:
    """End the watches whose limit has come; their callees."""
    cursor = await connection.execute(OVER, {"now": now, "limit": limit})
    return [row[0] for row in await cursor.fetchall()]


async def claim_probes(connection: Connection, now: datetime, again_at: datetime, limit: int) -> list[str]:
    """The callees to probe now; part of the transaction that queues the probes."""
    cursor = await connection.execute(CLAIM, {"now": now, "again_at": again_at, "limit": limit})
    return [row[0] for row in await cursor.fetchall()]


async def probes_so_far(connection: Connection, callees: Sequence[str]) -> dict[str, int]:
    """How many probes each watch has had."""
    cursor = await connection.execute(PROBES, {"callees": list(callees)})
    return dict(await cursor.fetchall())


async def reschedule(connection: Connection, probes: Sequence[tuple[str, datetime | None]]) -> None:
    """Set when each callee is probed next; ``None``: not any more."""
    if probes:
        await connection.execute(
            RESCHEDULE,
            {"callees": [callee for callee, _ in probes], "at": [at for _, at in probes]},
        )


async def probe_soon(connection: Connection, callees: Sequence[str], now: datetime) -> None:
    """Probe those of these callees who are still watched again at once."""
    if callees:
        await connection.execute(PROBE_SOON, {"callees": list(callees), "now": now})


async def count(connection: Connection) -> int:
    """How many watches there are; about, when they are many."""
    row = await (await connection.execute(COUNT)).fetchone()
    return int(row[0]) if row else 0
