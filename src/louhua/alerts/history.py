"""Everything that is kept about one number, for staff who are asked why: calls, alerts, watches, texts, parts.

A number may be a callee, a caller or a recipient. What others were told of somebody's calls is found by those
calls, without an index of its own. Bodies are not read.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from louhua.bus.events import CallEnded
from louhua.db.pool import Connection

MOST: Final = 200
"""Of each kind of record the latest are told."""

# Index call_callee or call_caller of each day's partition, newest first.
CALLS: Final = """
SELECT id, node, trunk, sip_call_id, callee, caller, reason, treatment, choice, outcome, other_number, started_at,
       answered_at, ended_at
  FROM ((SELECT * FROM alerts_call WHERE callee = %(number)s AND started_at >= %(since)s
          ORDER BY started_at DESC LIMIT %(limit)s)
        UNION
        (SELECT * FROM alerts_call WHERE caller = %(number)s AND started_at >= %(since)s
          ORDER BY started_at DESC LIMIT %(limit)s)) AS calls
 ORDER BY started_at DESC LIMIT %(limit)s
"""

# Index alert_callee for the number and for those it called, alert_power_on.
ALERTS: Final = """
SELECT a.id, a.callee, a.caller, a.kind, a.recipient, a.state, a.calls, a.first_at, a.last_at, a.other_number,
       a.watched, a.due_at, a.expires_at, a.attempts, a.text_id, a.error, a.digest, a.updated_at
  FROM alerts_alert AS a
 WHERE a.id IN (SELECT id FROM alerts_alert WHERE callee = %(number)s
                UNION
                SELECT id FROM alerts_alert WHERE callee = ANY(%(callees)s) AND caller = %(number)s
                UNION
                SELECT id FROM alerts_alert WHERE recipient = %(number)s AND kind = 'power_on')
   AND (a.updated_at >= %(since)s OR a.state IN ('held', 'offered', 'due', 'sending', 'sent'))
 ORDER BY a.last_at DESC LIMIT %(limit)s
"""

# Primary key.
WATCHES: Final = """
SELECT callee, since, last_call_at, limit_at, next_probe_at, probes FROM reachability_watch
 WHERE callee = ANY(%(callees)s)
"""

# Indexes text_open_recipient and text_final_recipient, primary key.
TEXTS: Final = """
SELECT t.id, t.kind, t.alert_ids, t.recipient, t.smsc, t.state, t.due_at, t.attempts, t.resent, t.created_at,
       t.submitted_at, t.ask_at, t.expires_at, t.final_at, t.error
  FROM texts_text AS t
 WHERE t.id IN (SELECT id FROM texts_text
                    WHERE recipient = %(number)s AND state IN ('queued', 'sending', 'submitted')
                UNION
                (SELECT id FROM texts_text WHERE recipient = %(number)s AND state IN ('delivered', 'failed')
                    AND final_at >= %(since)s ORDER BY final_at DESC LIMIT %(limit)s)
                UNION
                SELECT id FROM unnest(%(ids)s::bigint[]) AS of_alerts (id))
 ORDER BY t.created_at DESC LIMIT %(limit)s
"""

# Unique index part_once.
PARTS: Final = """
SELECT text_id, seq, smsc_id, state, error FROM texts_part WHERE text_id = ANY(%(ids)s) ORDER BY text_id, seq
"""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the alerts."""

    id: int
    callee: str
    caller: str
    kind: str
    recipient: str
    state: str
    calls: int
    first_at: datetime
    last_at: datetime
    other_number: str = ""
    watched: bool = False
    due_at: datetime | None = None
    expires_at: datetime | None = None
    attempts: int = 0
    text_id: int | None = None
    error: str = ""
    digest: bool = False
    updated_at: datetime


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the watches."""

    callee: str
    since: datetime
    last_call_at: datetime
    limit_at: datetime
    next_probe_at: datetime | None
    probes: int


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A short message of a text, and what its receipt said."""

    text_id: int
    seq: int
    smsc_id: str
    state: str
    error: str


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox, without what it says."""

    id: int
    kind: str
    alert_ids: tuple[int, ...] = ()
    recipient: str
    smsc: str
    state: str
    due_at: datetime
    attempts: int
    resent: bool = False
    created_at: datetime
    submitted_at: datetime | None = None
    ask_at: datetime | None = None
    expires_at: datetime | None = None
    final_at: datetime | None = None
    error: str = ""
    parts: tuple[Part, ...] = ()


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept about a number since a time, newest first, and everything that is open."""

    number: str
    since: datetime
    calls: list[CallEnded]
    alerts: list[Alert]
    watches: list[Watch]
    texts: list[Text]

    @property
    def people(self) -> set[str]:
        """Everybody in it."""
        called = {number for call in self.calls for number in (call.callee, call.caller)}
        return {self.number, *called} - {""}


R = TypeVar("R", CallEnded, Alert, Watch, Part, Text)


async def history_of(connection: Connection, number: str, since: datetime, limit: int = MOST) -> History:
    """Look a number up, in canonical form."""
    about = {"number": number, "since": since, "limit": limit}
    calls = await _read(connection, CallEnded, CALLS, about)
    callees = sorted({call.callee for call in calls if call.callee != number})
    alerts = await _read(connection, Alert, ALERTS, {**about, "callees": callees})
    awaited = sorted({number, *(alert.callee for alert in alerts if alert.watched)})
    watches = await _read(connection, Watch, WATCHES, {"callees": awaited})
    ids = [alert.text_id for alert in alerts if alert.text_id is not None]
    texts = await _read(connection, Text, TEXTS, {**about, "ids": ids})
    parts = await _read(connection, Part, PARTS, {"ids": [text.id for text in texts]})
    return History(
        number=number,
        since=since,
        calls=calls,
        alerts=alerts,
        watches=watches,
        texts=[_with_parts(text, parts) for text in texts],
    )


def _with_parts(text: Text, parts: Sequence[Part]) -> Text:
    return msgspec.structs.replace(text, parts=tuple(part for part in parts if part.text_id == text.id))


async def _read(connection: Connection, kind: type[R], query: str, values: Mapping[str, Any]) -> list[R]:
    cursor = await connection.execute(query.encode(), values)
    names = [column.name for column in cursor.description or ()]
    return [
        msgspec.convert(dict(zip(names, row, strict=True)), kind, strict=False) for row in await cursor.fetchall()
    ]
