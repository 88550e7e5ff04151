"""Alerts in PostgreSQL: every statement moves a batch of rows by transitions of ``states.TRANSITIONS``."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from psycopg.errors import UniqueViolation

from louhua.alerts.rules import Draft
from louhua.alerts.states import Kind
from louhua.bus.events import CallEnded
from louhua.db.pool import Connection
from louhua.reachability.store import News

# Primary key of the day's partition; what comes again is not returned, so it changes nothing.
RECORD_CALLS: Final = """
INSERT INTO alerts_call (id, node, trunk, sip_call_id, callee, caller, reason, treatment, choice, outcome,
                         other_number, started_at, answered_at, ended_at)
SELECT * FROM unnest(%(ids)s::text[], %(nodes)s::text[], %(trunks)s::text[], %(sip_call_ids)s::text[],
                     %(callees)s::text[], %(callers)s::text[], %(reasons)s::text[], %(treatments)s::text[],
                     %(choices)s::text[], %(outcomes)s::text[], %(other_numbers)s::text[],
                     %(started_at)s::timestamptz[], %(answered_at)s::timestamptz[], %(ended_at)s::timestamptz[])
    ON CONFLICT DO NOTHING
RETURNING id
"""

# Unique index alert_open decides between a new alert and merging. Rows come in the order of their keys, so
# that workers lock them in one order. A due alert goes back to waiting when a call found the phone off after it
# was released, or while it waits to be tried again; a quiet time is put off by each call, until
# %(longest_quiet)s after the first. Details that were asked for and wait to be tried again go on waiting: a call
# that would only offer them adds to them.
MERGE: Final = """
INSERT INTO alerts_alert AS a (callee, caller, kind, recipient, state, calls, first_at, last_at, other_number,
                               watched, due_at, attempts, error, updated_at)
SELECT callee, caller, kind, recipient, state, calls, first_at, last_at, other_number, watched, due_at, 0, '',
       %(now)s
  FROM unnest(%(callees)s::text[], %(callers)s::text[], %(kinds)s::text[], %(recipients)s::text[],
              %(states)s::text[], %(calls)s::int[], %(first_at)s::timestamptz[], %(last_at)s::timestamptz[],
              %(other_numbers)s::text[], %(watched)s::bool[], %(due_at)s::timestamptz[])
    AS given (callee, caller, kind, recipient, state, calls, first_at, last_at, other_number, watched, due_at)
    ON CONFLICT (callee, caller, kind) WHERE state IN ('due', 'held', 'offered') DO UPDATE
   SET calls = a.calls + excluded.calls,
       first_at = least(a.first_at, excluded.first_at),
       last_at = greatest(a.last_at, excluded.last_at),
       recipient = CASE WHEN excluded.last_at >= a.last_at THEN excluded.recipient ELSE a.recipient END,
       other_number = CASE WHEN excluded.last_at >= a.last_at THEN excluded.other_number ELSE a.other_number END,
       state = CASE WHEN a.state = 'due' AND excluded.watched
                         AND (excluded.last_at > a.due_at OR a.due_at > %(now)s) THEN 'held'
                    ELSE a.state END,
       watched = CASE WHEN a.state = 'offered' THEN false
                      WHEN a.state = 'due' THEN excluded.watched
                           AND (excluded.last_at > a.due_at OR a.due_at > %(now)s)
                      WHEN excluded.last_at >= a.last_at AND excluded.state <> 'offered' THEN excluded.watched
                      ELSE a.watched END,
       due_at = CASE WHEN a.state = 'offered' THEN NULL
                     WHEN a.state = 'due' THEN
                          CASE WHEN excluded.watched AND (excluded.last_at > a.due_at OR a.due_at > %(now)s)
                               THEN NULL ELSE a.due_at END
                     WHEN excluded.last_at >= a.last_at AND excluded.state <> 'offered' THEN
                          CASE WHEN excluded.due_at IS NULL THEN NULL
                               ELSE least(excluded.due_at,
                                          a.first_at + %(longest_quiet)s) END
                     ELSE a.due_at END,
       expires_at = CASE WHEN a.state = 'offered' THEN NULL ELSE a.expires_at END,
       updated_at = excluded.updated_at
"""

# Index alert_callee. Waiting alerts of phones that are back.
RELEASE: Final = """
UPDATE alerts_alert AS a SET state = 'due', due_at = given.at, watched = false, updated_at = %(now)s
  FROM unnest(%(callees)s::text[], %(at)s::timestamptz[]) AS given (callee, at)
 WHERE a.callee = given.callee AND a.state = 'held' AND a.watched AND a.last_at <= given.at
"""

# Index alert_callee. Nobody may be told that a phone is on when that is not known.
WATCH_OVER: Final = """
UPDATE alerts_alert
   SET state = CASE WHEN %(send)s AND kind <> 'power_on' THEN 'due' ELSE 'expired' END,
       due_at = CASE WHEN %(send)s AND kind <> 'power_on' THEN %(now)s::timestamptz END,
       watched = false, updated_at = %(now)s
 WHERE callee = ANY(%(callees)s) AND state = 'held' AND watched
RETURNING callee, kind, state
"""

# Index alert_due in its order.
CLAIM_DUE: Final = """
SELECT a.id, a.kind, a.callee, a.caller, a.recipient, a.calls, a.last_at, a.other_number, a.digest
  FROM alerts_alert AS a
 WHERE a.state IN ('held', 'due') AND a.due_at <= %(now)s
 ORDER BY a.due_at LIMIT %(limit)s
   FOR UPDATE SKIP LOCKED
"""

# Primary-key look-ups; the rows are locked by CLAIM_DUE.
WORDED: Final = """
UPDATE alerts_alert AS a
   SET state = 'sending', text_id = given.text_id, attempts = a.attempts + 1, digest = false, updated_at = %(now)s
  FROM unnest(%(ids)s::bigint[], %(text_ids)s::bigint[]) AS given (id, text_id)
 WHERE a.id = given.id
"""

# Primary-key look-ups; the rows are locked by CLAIM_DUE. Another call may bring the time forward; then they are
# judged again.
POSTPONED: Final = """
UPDATE alerts_alert AS a
   SET due_at = given.due_at, digest = a.digest OR given.digest, updated_at = %(now)s
  FROM unnest(%(ids)s::bigint[], %(due_at)s::timestamptz[], %(digest)s::bool[]) AS given (id, due_at, digest)
 WHERE a.id = given.id
"""

# Index alert_callee. Messages that are told of, or have been since.
MESSAGES_LEFT: Final = """
SELECT DISTINCT m.callee, m.caller
  FROM unnest(%(callees)s::text[], %(callers)s::text[]) AS given (callee, caller)
  JOIN alerts_alert AS m ON m.callee = given.callee AND m.kind = 'message' AND m.caller = given.caller
 WHERE m.state NOT IN ('failed', 'expired', 'dropped') AND m.updated_at > %(since)s
"""

# Primary-key look-ups; the rows are locked by CLAIM_DUE.
FORBIDDEN: Final = """
UPDATE alerts_alert SET state = 'dropped', due_at = NULL, updated_at = %(now)s WHERE id = ANY(%(ids)s)
"""

# Primary-key look-ups. The text is the alert's own: one that was replaced says nothing any more.
SUBMITTED: Final = """
UPDATE alerts_alert AS a SET state = 'sent', updated_at = %(now)s
  FROM unnest(%(ids)s::bigint[], %(text_ids)s::bigint[]) AS given (id, text_id)
 WHERE a.id = given.id AND a.text_id = given.text_id AND a.state = 'sending'
RETURNING a.kind
"""

# Primary-key look-ups.
DELIVERED: Final = """
UPDATE alerts_alert AS a SET state = 'delivered', updated_at = %(now)s
  FROM unnest(%(ids)s::bigint[], %(text_ids)s::bigint[]) AS given (id, text_id)
 WHERE a.id = given.id AND a.text_id = given.text_id AND a.state IN ('sending', 'sent')
RETURNING a.kind, a.callee
"""

# Primary-key look-ups.
FAILING: Final = """
SELECT a.id, a.callee, a.caller, a.kind, a.recipient, a.calls, a.first_at, a.last_at, a.other_number, a.attempts
  FROM alerts_alert AS a
  JOIN unnest(%(ids)s::bigint[], %(text_ids)s::bigint[]) AS given (id, text_id)
    ON a.id = given.id AND a.text_id = given.text_id
 WHERE a.state IN ('sending', 'sent')
   FOR UPDATE OF a
"""

# Unique index alert_open for the open alert of the same key: it takes over the calls of the failed ones.
HAND_OVER: Final = """
UPDATE alerts_alert AS o
   SET calls = o.calls + f.calls, first_at = least(o.first_at, f.first_at), updated_at = %(now)s
  FROM (SELECT callee, caller, kind, sum(calls) AS calls, min(first_at) AS first_at, array_agg(id) AS ids
          FROM alerts_alert WHERE id = ANY(%(ids)s) GROUP BY callee, caller, kind) AS f
 WHERE o.callee = f.callee AND o.caller = f.caller AND o.kind = f.kind
   AND o.state IN ('due', 'held', 'offered')
RETURNING f.ids
"""

# Primary-key look-ups. Who asks again for what is offered again has all attempts again.
BACK_TO_WAITING: Final = """
UPDATE alerts_alert AS a
   SET state = CASE WHEN given.offered_until IS NOT NULL THEN 'offered'
                    WHEN given.watched THEN 'held' ELSE 'due' END,
       watched = given.watched, due_at = given.due_at, expires_at = given.offered_until,
       attempts = CASE WHEN given.offered_until IS NOT NULL THEN 0 ELSE a.attempts END,
       error = given.error, updated_at = %(now)s
  FROM unnest(%(ids)s::bigint[], %(watched)s::bool[], %(due_at)s::timestamptz[],
              %(offered_until)s::timestamptz[], %(errors)s::text[])
    AS given (id, watched, due_at, offered_until, error)
 WHERE a.id = given.id
"""

# Primary-key look-ups.
GIVE_UP: Final = """
UPDATE alerts_alert AS a SET state = 'failed', error = given.error, updated_at = %(now)s
  FROM unnest(%(ids)s::bigint[], %(errors)s::text[]) AS given (id, error)
 WHERE a.id = given.id
"""

# Primary-key look-ups, then unique index alert_open: the calls of a failed alert may be told by another.
TRIED_AGAIN: Final = """
SELECT f.id
  FROM alerts_alert AS f
  JOIN alerts_alert AS o ON o.callee = f.callee AND o.caller = f.caller AND o.kind = f.kind
 WHERE f.id = ANY(%(ids)s) AND o.state IN ('held', 'due')
"""

# Index alert_callee and the partial indexes of the open states; once in a while.
STATES: Final = """
SELECT kind, state, count(*) FROM alerts_alert
 WHERE state IN ('held', 'offered', 'due', 'sending', 'sent') GROUP BY kind, state
"""


class Due(msgspec.Struct, frozen=True):
    """An alert to word and send now."""

    id: int
    kind: Kind
    callee: str
    caller: str
    recipient: str
    calls: int
    last_at: datetime
    other_number: str
    digest: bool = False


class Failing(msgspec.Struct, frozen=True):
    """An alert whose text failed."""

    id: int
    callee: str
    caller: str
    kind: Kind
    recipient: str
    calls: int
    first_at: datetime
    last_at: datetime
    other_number: str
    attempts: int


class Retry(msgspec.Struct, frozen=True):
    """A failed alert's next life: waiting for the phone (``watched``), for a time, or for D."""

    id: int
    error: str
    watched: bool = False
    due_at: datetime | None = None
    offered_until: datetime | None = None


async def record_calls(connection: Connection, calls: Sequence[CallEnded]) -> set[str]:
    """Record calls; the ids of those that were not known. ``calls`` has each id once."""
    cursor = await connection.execute(
        RECORD_CALLS,
        {
            "ids": [call.id for call in calls],
            "nodes": [call.node for call in calls],
            "trunks": [call.trunk for call in calls],
            "sip_call_ids": [call.sip_call_id[:255] for call in calls],
            "callees": [call.callee for call in calls],
            "callers": [call.caller for call in calls],
            "reasons": [call.reason for call in calls],
            "treatments": [call.treatment for call in calls],
            "choices": [call.choice for call in calls],
            "outcomes": [call.outcome for call in calls],
            "other_numbers": [call.other_number for call in calls],
            "started_at": [call.started_at for call in calls],
            "answered_at": [call.answered_at for call in calls],
            "ended_at": [call.ended_at for call in calls],
        },
    )
    return {row[0] for row in await cursor.fetchall()}


async def merge_alerts(
    connection: Connection, drafts: Sequence[Draft], longest_quiet: timedelta, now: datetime
) -> None:
    """Merge drafts (each key once, in the order of the keys) into the open alerts."""
    if drafts:
        await connection.execute(
            MERGE,
            {
                "callees": [draft.callee for draft in drafts],
                "callers": [draft.caller for draft in drafts],
                "kinds": [draft.kind for draft in drafts],
                "recipients": [draft.recipient for draft in drafts],
                "states": [draft.state for draft in drafts],
                "calls": [draft.calls for draft in drafts],
                "first_at": [draft.first_at for draft in drafts],
                "last_at": [draft.last_at for draft in drafts],
                "other_numbers": [draft.other_number for draft in drafts],
                "watched": [draft.watched for draft in drafts],
                "due_at": [draft.due_at for draft in drafts],
                "longest_quiet": longest_quiet,
                "now": now,
            },
        )


async def release(connection: Connection, news: Sequence[News], now: datetime) -> int:
    """Make the alerts due that waited for these phones; how many."""
    if not news:
        return 0
    cursor = await connection.execute(
        RELEASE, {"callees": [item.number for item in news], "at": [item.at for item in news], "now": now}
    )
    return cursor.rowcount


async def watch_over(
    connection: Connection, callees: Sequence[str], *, send: bool, now: datetime
) -> list[tuple[str, str, str]]:
    """Nothing was heard of these phones until the limit; (callee, kind, state) of each alert that changed."""
    cursor = await connection.execute(WATCH_OVER, {"callees": list(callees), "send": send, "now": now})
    return [(row[0], row[1], row[2]) for row in await cursor.fetchall()]


async def claim_due(connection: Connection, now: datetime, limit: int) -> list[Due]:
    """Lock the alerts to word now; part of the transaction that queues their texts."""
    cursor = await connection.execute(CLAIM_DUE, {"now": now, "limit": limit})
    return [Due(row[0], Kind(row[1]), *row[2:]) for row in await cursor.fetchall()]


async def mark_worded(connection: Connection, ids: Sequence[int], text_ids: Sequence[int], now: datetime) -> None:
    """These alerts have these texts in the outbox."""
    if ids:
        await connection.execute(WORDED, {"ids": list(ids), "text_ids": list(text_ids), "now": now})


async def postpone(connection: Connection, delays: Sequence[tuple[int, datetime, bool]], now: datetime) -> None:
    """These alerts are due later: (id, when, whether it is to be told in a digest)."""
    if delays:
        await connection.execute(
            POSTPONED,
            {
                "ids": [item for item, _, _ in delays],
                "due_at": [due_at for _, due_at, _ in delays],
                "digest": [digest for _, _, digest in delays],
                "now": now,
            },
        )


async def messages_left(
    connection: Connection, pairs: Sequence[tuple[str, str]], since: datetime
) -> set[tuple[str, str]]:
    """Of these (callee, caller), those with a message the callee is told of, or has been since."""
    if not pairs:
        return set()
    cursor = await connection.execute(
        MESSAGES_LEFT,
        {"callees": [callee for callee, _ in pairs], "callers": [caller for _, caller in pairs], "since": since},
    )
    return {(row[0], row[1]) for row in await cursor.fetchall()}


async def mark_forbidden(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """Privacy forbids to send these alerts now."""
    if ids:
        await connection.execute(FORBIDDEN, {"ids": list(ids), "now": now})


Pairs = Sequence[tuple[int, int]]
"""Alerts and their texts: (alert id, text id)."""


def _pairs(pairs: Pairs) -> dict[str, list[int]]:
    return {"ids": [alert for alert, _ in pairs], "text_ids": [text for _, text in pairs]}


async def mark_sent(connection: Connection, pairs: Pairs, now: datetime) -> list[str]:
    """The SMSC took these texts; the kinds of the alerts that this moved."""
    cursor = await connection.execute(SUBMITTED, {**_pairs(pairs), "now": now})
    return [row[0] for row in await cursor.fetchall()]


async def mark_delivered(connection: Connection, pairs: Pairs, now: datetime) -> list[tuple[str, str]]:
    """These texts arrived; (kind, callee) of the alerts that this moved."""
    cursor = await connection.execute(DELIVERED, {**_pairs(pairs), "now": now})
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def failing(connection: Connection, pairs: Pairs) -> list[Failing]:
    """Lock the alerts whose texts failed."""
    cursor = await connection.execute(FAILING, _pairs(pairs))
    return [Failing(row[0], row[1], row[2], Kind(row[3]), *row[4:10]) for row in await cursor.fetchall()]


async def reopen(
    connection: Connection, alerts: Sequence[Failing], retries: Sequence[Retry], now: datetime
) -> set[int]:
    """Bring failed alerts back to life; the ids of those that wait again.

    The calls of the others are counted by the open alert of their key, if there is one, or by one that waits
    again: of several with one key, the latest does.
    """
    latest = {(alert.callee, alert.caller, alert.kind): alert.id for alert in sorted(alerts, key=_last_at)}
    while True:
        try:
            async with connection.transaction():
                served = await _hand_over(connection, [alert.id for alert in alerts], now)
                waiting = [item for item in retries if item.id in latest.values() and item.id not in served]
                await _wait_again(connection, waiting, now)
                again = {item.id for item in waiting}
                await _hand_over(connection, [alert.id for alert in alerts if alert.id not in served | again], now)
                return again
        except UniqueViolation:
            # A call has opened an alert of one of the keys since; now it can be seen.
            continue


def _last_at(alert: Failing) -> tuple[datetime, int]:
    return alert.last_at, alert.id


async def _hand_over(connection: Connection, ids: Sequence[int], now: datetime) -> set[int]:
    if not ids:
        return set()
    cursor = await connection.execute(HAND_OVER, {"ids": list(ids), "now": now})
    return {served for row in await cursor.fetchall() for served in row[0]}


async def _wait_again(connection: Connection, retries: Sequence[Retry], now: datetime) -> None:
    if retries:
        await connection.execute(
            BACK_TO_WAITING,
            {
                "ids": [item.id for item in retries],
                "watched": [item.watched for item in retries],
                "due_at": [item.due_at for item in retries],
                "offered_until": [item.offered_until for item in retries],
                "errors": [item.error for item in retries],
                "now": now,
            },
        )


async def give_up(connection: Connection, failures: Sequence[tuple[int, str]], now: datetime) -> None:
    """These alerts failed for good: (id, error)."""
    if failures:
        await connection.execute(
            GIVE_UP,
            {"ids": [item for item, _ in failures], "errors": [error for _, error in failures], "now": now},
        )


async def tried_again(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Of these alerts, whose texts failed, those whose calls are told by themselves, without anybody asking."""
    if not ids:
        return set()
    return {row[0] for row in await (await connection.execute(TRIED_AGAIN, {"ids": list(ids)})).fetchall()}


async def states(connection: Connection) -> list[tuple[str, str, int]]:
    """How many alerts are on their way: (kind, state, count)."""
    return [(row[0], row[1], row[2]) for row in await (await connection.execute(STATES)).fetchall()]
