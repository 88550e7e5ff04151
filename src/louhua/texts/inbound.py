"""Texts from phones in PostgreSQL: that they came and what they asked for, never what they said."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from louhua.bus.events import TextReceived
from louhua.db.pool import Connection
from louhua.texts.keywords import Keyword

# Primary key; a text that comes again is not returned.
RECORD: Final = """
INSERT INTO texts_inbound (id, sender, keyword, received_at)
SELECT * FROM unnest(%(ids)s::text[], %(senders)s::text[], %(keywords)s::text[], %(at)s::timestamptz[])
    ON CONFLICT (id) DO NOTHING
RETURNING id
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
    """Record texts; the ids of those that were not known."""
    if not events:
        return set()
    cursor = await connection.execute(
        RECORD,
        {
            "ids": [event.id for event in events],
            "senders": [event.sender for event in events],
            "keywords": [keywords[event.id] for event in events],
            "at": [event.at for event in events],
        },
    )
    return {row[0] for row in await cursor.fetchall()}


async def may_help(connection: Connection, numbers: Sequence[str], now: datetime, every: timedelta) -> set[str]:
    """Of these numbers, those who got no help text for ``every``; that they get one now is stored."""
    if not numbers:
        return set()
    cursor = await connection.execute(MAY_HELP, {"numbers": list(numbers), "now": now, "before": now - every})
    return {row[0] for row in await cursor.fetchall()}
