"""Texts from phones in PostgreSQL: that they came and what they asked for, never what they said."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from louhua.bus.events import TextReceived
from louhua.db.pool import Connection
from louhua.texts.keywords import Keyword
from louhua.texts.receipts import take_turns
from louhua.texts.replies import SAME_WITHIN, neighbours

# Primary keys; a text that comes again is not returned.
RECORD: Final = """
INSERT INTO texts_inbound (id, sender, keyword, received_at)
SELECT given.id, given.sender, given.keyword, given.at
  FROM unnest(%(ids)s::text[], %(before)s::text[], %(after)s::text[], %(senders)s::text[], %(keywords)s::text[],
              %(at)s::timestamptz[])
    AS given (id, before, after, sender, keyword, at)
 WHERE NOT EXISTS (SELECT FROM texts_inbound AS i
                    WHERE i.id IN (given.before, given.after)
                      AND i.received_at > given.at - %(within)s::interval
                      AND i.received_at < given.at + %(within)s::interval)
    ON CONFLICT (id) DO NOTHING
RETURNING id
"""

# Index inbound_sender, no further than the limit for each sender.
LATELY: Final = """
SELECT given.sender,
       (SELECT count(*) FROM (SELECT FROM texts_inbound AS i
                               WHERE i.sender = given.sender AND i.received_at > %(since)s
                               LIMIT %(most)s) AS found)
  FROM unnest(%(senders)s::text[]) AS given (sender)
"""

# Primary key; returns only those who may be helped now.
MAY_HELP: Final = """
INSERT INTO texts_helpsent AS h (number, sent_at)
SELECT number, %(now)s FROM unnest(%(numbers)s::text[]) AS given (number)
    ON CONFLICT (number) DO UPDATE SET sent_at = excluded.sent_at WHERE h.sent_at <= %(before)s
RETURNING h.number
"""


async def record_inbound(
    connection: Connection, events: Sequence[TextReceived], keywords: Mapping[str, Keyword]
) -> set[str]:
    """Record texts; the ids of those that were not known. Waits for others who record texts of these senders."""
    if not events:
        return set()
    await take_turns(connection, {event.sender for event in events})
    around = [neighbours(event.id) for event in events]
    cursor = await connection.execute(
        RECORD,
        {
            "ids": [event.id for event in events],
            "before": [before for before, _ in around],
            "after": [after for _, after in around],
            "within": SAME_WITHIN,
            "senders": [event.sender for event in events],
            "keywords": [keywords[event.id] for event in events],
            "at": [event.at for event in events],
        },
    )
    return {row[0] for row in await cursor.fetchall()}


async def lately(connection: Connection, senders: Sequence[str], since: datetime, most: int) -> dict[str, int]:
    """How many texts of each sender were recorded since then; ``most`` if there are more."""
    if not senders:
        return {}
    parameters = {"senders": list(senders), "since": since, "most": most}
    return dict(await (await connection.execute(LATELY, parameters)).fetchall())


async def may_help(connection: Connection, numbers: Sequence[str], now: datetime, every: timedelta) -> set[str]:
    """Of these numbers, those who got no help text for ``every``; that they get one now is stored."""
    if not numbers:
        return set()
    cursor = await connection.execute(MAY_HELP, {"numbers": list(numbers), "now": now, "before": now - every})
    return {row[0] for row in await cursor.fetchall()}
