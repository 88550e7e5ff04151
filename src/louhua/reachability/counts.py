"""How often numbers are probed, in PostgreSQL: the limits a number and day, and a second."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

from louhua.db.pool import Connection

_SECOND: Final = timedelta(seconds=1)
_FORGOTTEN_AFTER: Final = timedelta(days=2)

# Held until the end of the transaction: what other nodes have queued is counted, too.
TAKE_TURN: Final = "SELECT pg_advisory_xact_lock(hashtext(%(smsc)s))"

# Index probed_at; a second's rows.
IN_A_SECOND: Final = """
SELECT count(*) FROM reachability_probed WHERE asked_at > %(since)s AND smsc = %(smsc)s
"""

# Primary key, in the order of the numbers. Who may not be probed is not returned.
COUNT_PROBES: Final = """
INSERT INTO reachability_probed AS p (number, day, probes, smsc, on_its_way, asked_at)
SELECT number, %(day)s, 1, %(smsc)s, true, %(now)s FROM unnest(%(numbers)s::text[]) AS given (number)
 ORDER BY number
    ON CONFLICT (number) DO UPDATE
   SET probes = CASE WHEN p.day = excluded.day THEN p.probes + 1 ELSE 1 END,
       day = excluded.day, smsc = excluded.smsc, on_its_way = true, asked_at = excluded.asked_at
 WHERE (p.day <> excluded.day OR p.probes < %(per_day)s) AND NOT (p.on_its_way AND p.asked_at > %(lost)s)
RETURNING p.number
"""

# Primary-key look-ups.
ON_THEIR_WAY: Final = """
SELECT number FROM reachability_probed WHERE number = ANY(%(numbers)s) AND on_its_way AND asked_at > %(lost)s
"""

# Primary-key look-ups.
ARRIVED: Final = "UPDATE reachability_probed SET on_its_way = false WHERE number = ANY(%(numbers)s)"

# Index probed_at; some at a time.
FORGET: Final = """
DELETE FROM reachability_probed
 WHERE number IN (SELECT number FROM reachability_probed WHERE asked_at < %(before)s LIMIT %(limit)s)
"""


async def room(connection: Connection, smsc: str, rate: int, now: datetime) -> int:
    """How many probes may follow in this second; ``rate`` is that of all nodes together."""
    await connection.execute(TAKE_TURN, {"smsc": f"probes {smsc}"})
    cursor = await connection.execute(IN_A_SECOND, {"smsc": smsc, "since": now - _SECOND})
    row = await cursor.fetchone()
    return max(0, rate - int(row[0] if row else 0))


async def count_probes(
    connection: Connection,
    smsc: str,
    numbers: Sequence[str],
    now: datetime,
    *,
    day: date,
    per_day: int,
    lost_after: timedelta,
) -> set[str]:
    """Count a probe to each of these numbers; those that may have one.

    Not: who has had ``per_day`` on this day, or has one on its way that is younger than ``lost_after``.
    """
    cursor = await connection.execute(
        COUNT_PROBES,
        {
            "smsc": smsc,
            "numbers": list(numbers),
            "now": now,
            "day": day,
            "per_day": per_day,
            "lost": now - lost_after,
        },
    )
    return {row[0] for row in await cursor.fetchall()}


async def on_their_way(
    connection: Connection, numbers: Sequence[str], now: datetime, lost_after: timedelta
) -> set[str]:
    """Which of these numbers have a probe on its way."""
    cursor = await connection.execute(ON_THEIR_WAY, {"numbers": list(numbers), "lost": now - lost_after})
    return {row[0] for row in await cursor.fetchall()}


async def arrived(connection: Connection, numbers: Sequence[str]) -> None:
    """The probes to these numbers have ended, however."""
    await connection.execute(ARRIVED, {"numbers": sorted(set(numbers))})


async def forget(connection: Connection, now: datetime, limit: int = 5000) -> int:
    """Remove some of the counts of past days; how many."""
    parameters = {"before": now - _FORGOTTEN_AFTER, "limit": limit}
    return (await connection.execute(FORGET, parameters)).rowcount
