"""Who called somebody within so many days, from the call records: what D with a number of days brings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from louhua.db.pool import Connection

MOST_CALLERS: Final = 20
"""The latest callers are named; the rest is counted."""

MOST_CALLS: Final = 5000
"""Of the latest calls; who has more gets no more from them."""

# Index call_callee of the partitions of these days; of lists the primary key. Blocked callers met a busy line, and
# who was blocked since is not told of either.
CALLERS_OF: Final = """
SELECT given.callee, c.caller, c.calls, c.last_at, c.callers, c.all_calls
  FROM unnest(%(callees)s::text[], %(since)s::timestamptz[]) AS given (callee, since)
 CROSS JOIN LATERAL (
       SELECT l.caller, count(*) AS calls, max(l.started_at) AS last_at, count(*) OVER () AS callers,
              (sum(count(*)) OVER ())::bigint AS all_calls
         FROM (SELECT r.caller, r.started_at FROM alerts_call AS r
                WHERE r.callee = given.callee AND r.started_at > given.since AND r.treatment <> 'block'
                ORDER BY r.started_at DESC LIMIT %(most_calls)s) AS l
        WHERE NOT EXISTS (SELECT FROM subscribers_listed AS b
                           WHERE b.owner = given.callee AND b.list = 'block' AND b.number = l.caller)
        GROUP BY l.caller
        ORDER BY max(l.started_at) DESC, l.caller
        LIMIT %(most_callers)s) AS c
"""


class Caller(msgspec.Struct, frozen=True):
    """Somebody who called; ``number`` is empty for all withheld ones together."""

    number: str
    calls: int
    last_at: datetime


class Callers(msgspec.Struct, frozen=True):
    """The latest callers, and how many there are in all, with all their calls."""

    latest: list[Caller]
    callers: int = 0
    calls: int = 0


async def callers_of(connection: Connection, asked: Sequence[tuple[str, datetime]]) -> dict[str, Callers]:
    """For (callee, since), each callee once: who called; who had no calls is not in it."""
    if not asked:
        return {}
    cursor = await connection.execute(
        CALLERS_OF,
        {
            "callees": [callee for callee, _ in asked],
            "since": [since for _, since in asked],
            "most_calls": MOST_CALLS,
            "most_callers": MOST_CALLERS,
        },
    )
    found: dict[str, Callers] = {}
    for callee, caller, calls, last_at, callers, all_calls in await cursor.fetchall():
        entry = found.setdefault(callee, Callers([], callers, all_calls))
        entry.latest.append(Caller(caller, calls, last_at))
    return found
