"""What a teaser offers, in PostgreSQL: details are ``offered`` until D asks for them or their time is over."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from louhua.db.pool import Connection

# Index alert_callee. The teaser's text has come to its end: what it offers can be asked for until then.
OFFER_UNTIL: Final = """
UPDATE alerts_alert SET expires_at = %(until)s, updated_at = %(now)s
 WHERE callee = ANY(%(callees)s) AND kind = 'detail' AND state = 'offered'
   AND (expires_at IS NULL OR expires_at < %(until)s)
"""

# Index alert_callee.
ENQUIRE: Final = """
UPDATE alerts_alert AS a
   SET state = 'due', due_at = %(now)s, expires_at = NULL, updated_at = %(now)s
  FROM unnest(%(callees)s::text[], %(at)s::timestamptz[]) AS given (callee, at)
 WHERE a.callee = given.callee AND a.kind = 'detail' AND a.state = 'offered'
   AND (a.expires_at IS NULL OR a.expires_at > given.at)
RETURNING a.callee
"""

# Index alert_callee. D has been answered; a teaser still waiting would ask for it again.
DROP_TEASERS: Final = """
UPDATE alerts_alert SET state = 'dropped', due_at = NULL, watched = false, updated_at = %(now)s
 WHERE callee = ANY(%(callees)s) AND kind = 'teaser' AND state IN ('held', 'due')
"""

# Index alert_callee.
TOO_LATE: Final = """
SELECT DISTINCT a.callee
  FROM alerts_alert AS a
 WHERE a.callee = ANY(%(callees)s) AND a.kind = 'detail' AND a.updated_at > %(since)s
   AND (a.state = 'expired' OR a.state = 'offered')
"""

# Index alert_expiring, and alert_callee for a teaser on its way, which may be for what an earlier one offered.
EXPIRE_OFFERS: Final = """
UPDATE alerts_alert SET state = 'expired', updated_at = %(now)s
 WHERE id IN (SELECT a.id FROM alerts_alert AS a
               WHERE a.state = 'offered' AND a.expires_at <= %(now)s
                 AND NOT EXISTS (SELECT 1 FROM alerts_alert AS t
                                  WHERE t.callee = a.callee AND t.kind = 'teaser'
                                    AND t.state IN ('held', 'due', 'sending', 'sent'))
               ORDER BY a.expires_at LIMIT %(limit)s FOR UPDATE OF a SKIP LOCKED)
"""


async def offer_until(connection: Connection, callees: Sequence[str], until: datetime, now: datetime) -> None:
    """The teasers for these callees have come to their ends: D is answered until then."""
    if callees:
        await connection.execute(OFFER_UNTIL, {"callees": list(callees), "until": until, "now": now})


async def enquire(connection: Connection, asked: Sequence[tuple[str, datetime]], now: datetime) -> set[str]:
    """D was received from (callee, when): details become due; the callees who have some."""
    cursor = await connection.execute(
        ENQUIRE,
        {"callees": [callee for callee, _ in asked], "at": [at for _, at in asked], "now": now},
    )
    answered = {row[0] for row in await cursor.fetchall()}
    await connection.execute(DROP_TEASERS, {"callees": sorted(answered), "now": now})
    return answered


async def answered_otherwise(
    connection: Connection, callees: Sequence[str], until: datetime, now: datetime
) -> None:
    """These callees were told of their calls without their teasers: those are dropped, what they offer ends."""
    if callees:
        await connection.execute(DROP_TEASERS, {"callees": list(callees), "now": now})
        await offer_until(connection, callees, until, now)


async def too_late(connection: Connection, callees: Sequence[str], since: datetime) -> set[str]:
    """Of these callees, who asked for nothing that is left: those whose offer is over."""
    cursor = await connection.execute(TOO_LATE, {"callees": list(callees), "since": since})
    return {row[0] for row in await cursor.fetchall()}


async def expire_offers(connection: Connection, now: datetime, limit: int = 500) -> int:
    """End the offers whose time is over; how many."""
    cursor = await connection.execute(EXPIRE_OFFERS, {"now": now, "limit": limit})
    return cursor.rowcount
