"""Watches in PostgreSQL, a batch at a time."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from louhua.db.pool import Connection
from louhua.reachability.sources import Ask, Step

# One row a callee. The row is locked even when nothing changes, so that news of the phone, which delete it,
# see the alert that this transaction adds. HOT: no indexed column changes on conflict.
WATCH: Final = """
INSERT INTO reachability_watch AS w (callee, since, last_call_at, limit_at, source, next_probe_at, probes)
SELECT callee, since, last_call_at, since + %(limit)s, source, next_probe_at, 0
  FROM unnest(%(callees)s::text[], %(since)s::timestamptz[], %(last_call_at)s::timestamptz[],
              %(sources)s::text[], %(next_probe_at)s::timestamptz[])
    AS given (callee, since, last_call_at, source, next_probe_at)
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

# Index watch_source_due. The next time is for when nothing is heard, or the process that asked has died.
CLAIM: Final = """
UPDATE reachability_watch AS w SET probes = w.probes + 1, next_probe_at = %(again_at)s
  FROM (SELECT callee FROM reachability_watch WHERE source = %(source)s AND next_probe_at <= %(now)s
         ORDER BY next_probe_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
 WHERE w.callee = due.callee
RETURNING w.callee
"""

# Primary-key look-ups. Locked in the order in which a claim goes on: first the watches, then their counts.
ASKED: Final = """
SELECT callee, source, given_up, probes, since FROM reachability_watch WHERE callee = ANY(%(callees)s)
 ORDER BY callee FOR UPDATE
"""

# Primary-key look-ups. What was asked by somebody else meanwhile stays.
MOVE: Final = """
UPDATE reachability_watch AS w
   SET source = given.source, next_probe_at = given.at,
       probes = CASE WHEN given.source = given.asked THEN w.probes ELSE 0 END,
       given_up = CASE WHEN given.gave_up THEN w.given_up || given.asked ELSE w.given_up END
  FROM unnest(%(callees)s::text[], %(asked)s::text[], %(sources)s::text[], %(at)s::timestamptz[],
              %(gave_up)s::bool[])
    AS given (callee, asked, source, at, gave_up)
 WHERE w.callee = given.callee AND w.source = given.asked
"""

# Primary-key look-ups.
KEEP: Final = """
UPDATE reachability_watch SET next_probe_at = %(until)s
 WHERE callee = ANY(%(callees)s) AND source = %(source)s
RETURNING callee
"""

# Primary-key look-ups. Not before the last call: the clock of its node may be ahead. Who subscribes is told
# of a change anyhow.
PROBE_SOON: Final = """
UPDATE reachability_watch SET next_probe_at = greatest(last_call_at, %(now)s)
 WHERE callee = ANY(%(callees)s) AND starts_with(source, 'probe:')
"""

# Every row, once at start.
STRAYS: Final = """
SELECT callee, source FROM reachability_watch
 WHERE next_probe_at IS NOT NULL AND source <> ALL(%(known)s::text[]) LIMIT %(limit)s
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


class Asked(msgspec.Struct, frozen=True):
    """A watch as its source sees it."""

    callee: str
    source: str
    given_up: list[str]
    probes: int
    since: datetime


async def watch(
    connection: Connection,
    waits: Sequence[tuple[str, datetime, datetime]],
    limit: timedelta,
    asks: Sequence[Ask],
) -> None:
    """Begin or keep watches: (callee, first call, last call), in the order of the callees.

    ``asks`` has for each who asks first; a watch that is already there keeps its own.
    """
    if waits:
        await connection.execute(
            WATCH,
            {
                "callees": [callee for callee, _, _ in waits],
                "since": [since for _, since, _ in waits],
                "last_call_at": [last for _, _, last in waits],
                "limit": limit,
                "sources": [ask.source for ask in asks],
                "next_probe_at": [ask.at for ask in asks],
            },
        )


def latest(news: Iterable[News]) -> list[News]:
    """The latest news of each number, in the order of the numbers."""
    newest: dict[str, News] = {}
    for item in news:
        old = newest.get(item.number)
        newest[item.number] = item if old is None or old.at < item.at else old
    return [newest[number] for number in sorted(newest)]


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


async def claim(connection: Connection, source: str, now: datetime, again_at: datetime, limit: int) -> list[str]:
    """The callees ``source`` is to ask about now; part of the transaction that asks, or a lease until then."""
    cursor = await connection.execute(CLAIM, {"source": source, "now": now, "again_at": again_at, "limit": limit})
    return sorted(row[0] for row in await cursor.fetchall())


async def asked(connection: Connection, callees: Sequence[str]) -> dict[str, Asked]:
    """Those of these callees who are watched; their rows are locked until the end of the transaction."""
    cursor = await connection.execute(ASKED, {"callees": list(callees)})
    return {row[0]: Asked(*row) for row in await cursor.fetchall()}


async def move(connection: Connection, steps: Sequence[Step]) -> None:
    """Set who asks about each callee next, and when."""
    if steps:
        await connection.execute(
            MOVE,
            {
                "callees": [step.callee for step in steps],
                "asked": [step.asked for step in steps],
                "sources": [step.then.source for step in steps],
                "at": [step.then.at for step in steps],
                "gave_up": [step.gave_up for step in steps],
            },
        )


async def keep(connection: Connection, source: str, callees: Sequence[str], until: datetime) -> set[str]:
    """Keep what ``source`` has claimed; those of these callees who are still watched by it."""
    if not callees:
        return set()
    cursor = await connection.execute(KEEP, {"source": source, "callees": list(callees), "until": until})
    return {row[0] for row in await cursor.fetchall()}


async def probe_soon(connection: Connection, callees: Sequence[str], now: datetime) -> None:
    """Probe those of these callees who are still watched again at once."""
    if callees:
        await connection.execute(PROBE_SOON, {"callees": list(callees), "now": now})


async def strays(connection: Connection, known: Sequence[str], limit: int = 1000) -> list[tuple[str, str]]:
    """Some watches whose source is not configured any more: (callee, source)."""
    cursor = await connection.execute(STRAYS, {"known": list(known), "limit": limit})
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def count(connection: Connection) -> int:
    """How many watches there are; about, when they are many."""
    row = await (await connection.execute(COUNT)).fetchone()
    return int(row[0]) if row else 0
