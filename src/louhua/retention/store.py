"""The statements that remove old rows, a bounded batch each, and none that an open alert needs.

They need no index of their own. Alerts and texts are numbered as they come, so the old ones are the first of the
primary key; smaller tables are gone through page by page (TID range scans). What may not go yet is passed over.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from louhua.db.pool import Connection

# Primary key from %(after)s on. An alert is younger than its first call, so a batch whose first calls are all
# younger than the limit has nothing older behind it.
PURGE_ALERTS: Final = """
WITH batch AS MATERIALIZED (
    SELECT id, first_at AS at FROM alerts_alert WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
), gone AS (
    DELETE FROM alerts_alert AS a USING batch
     WHERE a.id = batch.id AND a.updated_at < %(before)s
       AND a.state IN ('delivered', 'failed', 'expired', 'dropped')
    RETURNING a.id
)
SELECT max(id), coalesce(bool_or(at < %(before)s), false), (SELECT count(*) FROM gone) FROM batch
"""

# Primary key from %(after)s on, part_once, primary key of the alerts.
PURGE_TEXTS: Final = """
WITH batch AS MATERIALIZED (
    SELECT id, created_at AS at FROM texts_text WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
), gone AS (
    DELETE FROM texts_text AS t USING batch
     WHERE t.id = batch.id AND t.final_at < %(before)s AND t.state IN ('delivered', 'failed')
       AND NOT EXISTS (SELECT 1 FROM alerts_alert AS a
                        WHERE a.id = ANY(t.alert_ids)
                          AND a.state IN ('held', 'offered', 'due', 'sending', 'sent'))
    RETURNING t.id
), parts AS (
    DELETE FROM texts_part AS p USING gone WHERE p.text_id = gone.id
)
SELECT max(id), coalesce(bool_or(at < %(before)s), false), (SELECT count(*) FROM gone) FROM batch
"""

# Primary keys. A charge stands in a closed file up to where the newest file begins, or, if it is closed, ends.
PURGE_CHARGES: Final = """
WITH batch AS MATERIALIZED (
    SELECT id, at FROM charging_charge
     WHERE id > %(after)s
       AND id <= (SELECT CASE WHEN closed_at IS NULL THEN after_id ELSE upto_id END
                    FROM charging_cdrfile ORDER BY number DESC LIMIT 1)
     ORDER BY id LIMIT %(limit)s
), gone AS (
    DELETE FROM charging_charge AS c USING batch WHERE c.id = batch.id AND batch.at < %(before)s
    RETURNING c.id
)
SELECT max(id), coalesce(bool_or(at < %(before)s), false), (SELECT count(*) FROM gone) FROM batch
"""

# Pages. A month is over when its charges are.
PURGE_USAGE: Final = """
DELETE FROM charging_usage WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid
   AND month + interval '1 month' < %(before)s
"""

# Pages. What is owed stays owed.
PURGE_RENTALS: Final = """
DELETE FROM charging_rental WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid
   AND month + interval '1 month' < %(before)s AND collected = due
"""

# Pages; index alert_callee. A message that its callee is still to be told of stays.
OLD_MESSAGES: Final = """
SELECT m.call_id, m.recording FROM voicemail_message AS m
 WHERE m.ctid >= %(first)s::tid AND m.ctid < %(last)s::tid AND m.left_at < %(before)s
   AND NOT EXISTS (SELECT 1 FROM alerts_alert AS a
                    WHERE a.callee = m.callee AND a.kind = 'message' AND a.caller = m.caller
                      AND a.state IN ('held', 'offered', 'due', 'sending', 'sent'))
"""

# Primary key.
PURGE_MESSAGES: Final = "DELETE FROM voicemail_message WHERE call_id = ANY(%(ids)s)"

# Pages.
PURGE_INBOUND: Final = """
DELETE FROM texts_inbound WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid AND received_at < %(before)s
"""

# Pages.
PURGE_HELP: Final = """
DELETE FROM texts_helpsent WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid AND sent_at < %(before)s
"""

# Pages. Calls outside every partition: a few at most.
PURGE_REST: Final = """
DELETE FROM alerts_call_rest WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid AND started_at < %(before)s
"""

# Pages.
PURGE_ORPHANS: Final = """
DELETE FROM texts_orphanreceipt WHERE ctid >= %(first)s::tid AND ctid < %(last)s::tid AND at < %(before)s
"""

PAGES: Final = """
SELECT pg_relation_size(%(table)s::regclass) / current_setting('block_size')::int
"""


class Walked(msgspec.Struct, frozen=True):
    """A batch of rows in the order of their keys: the last key (0: there was none), whether older rows may
    follow, and how many were removed."""

    last: int
    more: bool
    removed: int


async def walk(connection: Connection, statement: str, after: int, before: datetime, limit: int) -> Walked:
    """Remove what is old among the next ``limit`` rows."""
    cursor = await connection.execute(statement.encode(), {"after": after, "before": before, "limit": limit})
    row = await cursor.fetchone()
    return Walked(row[0] or 0, row[1], row[2]) if row else Walked(0, False, 0)


async def pages(connection: Connection, table: str) -> int:
    """How many pages a table has."""
    row = await (await connection.execute(PAGES, {"table": table})).fetchone()
    return int(row[0]) if row else 0


def _range(first: int, count: int) -> dict[str, str]:
    return {"first": f"({first},0)", "last": f"({first + count},0)"}


async def purge_pages(connection: Connection, statement: str, first: int, count: int, before: datetime) -> int:
    """Remove what is old on ``count`` pages; how many rows."""
    return (await connection.execute(statement.encode(), {**_range(first, count), "before": before})).rowcount


async def old_messages(connection: Connection, first: int, count: int, before: datetime) -> list[tuple[str, str]]:
    """The old messages on ``count`` pages: (call, recording)."""
    cursor = await connection.execute(OLD_MESSAGES, {**_range(first, count), "before": before})
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def purge_messages(connection: Connection, ids: Sequence[str]) -> int:
    """Remove messages whose recordings are gone; how many."""
    return (await connection.execute(PURGE_MESSAGES, {"ids": list(ids)})).rowcount
