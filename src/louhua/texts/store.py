"""The outbox in PostgreSQL: every statement works on a batch, parameters are arrays.

A row goes ``queued`` → ``sending`` (before the submit) → ``submitted`` → ``delivered`` or ``failed``; where its
payer is prepaid, it begins as ``reserving``. A lease protects what a living process has in hand; when it is over,
the process died, and the text is sent once more and marked ``resent``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from louhua.db.pool import Connection
from louhua.texts.encoding import segment
from louhua.texts.outbox import (
    AFTER_ALERTS,
    OUTCOME_UNKNOWN,
    PRIORITY,
    SILENCE,
    Tag,
    TextChange,
    TextDraft,
    TextKind,
    TextState,
)
from louhua.texts.routes import Routes
from louhua.texts.smpp.status import Retry

# Appends only; ids come back in the order of the arrays. The reference is the id's low 16 bits. Arrays of
# arrays cannot be ragged, so each text's alerts come as the array's literal.
ENQUEUE: Final = """
WITH given AS (
    SELECT nextval(pg_get_serial_sequence('texts_text', 'id')) AS id, d.*
      FROM unnest(%(kinds)s::text[], %(alerts)s::text[], %(senders)s::text[], %(recipients)s::text[],
                  %(bodies)s::text[], %(parts)s::int[], %(priorities)s::int[], %(protocol_ids)s::int[],
                  %(set_dpf)s::bool[], %(validity)s::int[], %(smscs)s::text[], %(states)s::text[],
                  %(items)s::text[], %(payers)s::text[], %(parties)s::text[])
           WITH ORDINALITY
        AS d (kind, alert_ids, sender, recipient, body, parts, priority, protocol_id, set_dpf, validity_s,
              smsc, state, item, payer, party, n)
), added AS (
    INSERT INTO texts_text (id, kind, alert_ids, sender, recipient, body, parts, reference, priority,
                            protocol_id, set_dpf, validity_s, smsc, state, due_at, attempts, resent, error,
                            item, payer, party, created_at)
    SELECT id, kind, alert_ids::bigint[], sender, recipient, body, parts, (id & 65535)::int, priority,
           protocol_id, set_dpf, validity_s, smsc, state, %(now)s, 0, false, '',
           item, payer, party, %(now)s
      FROM given
)
SELECT id FROM given ORDER BY n
"""

# Index text_queued, one range of it for each place in the queue: rows on other routes and those due later are
# not read. First the probes' share, then the places in their order, and no further than the limits; SKIP LOCKED
# lets several workers claim side by side.
CLAIM: Final = """
UPDATE texts_text AS t
   SET state = 'sending', attempts = t.attempts + 1, lease_until = %(lease_until)s
  FROM (SELECT id
          FROM ((SELECT q.id
                   FROM unnest(%(routes)s::text[]) AS place (route)
                  CROSS JOIN LATERAL (SELECT r.id FROM texts_text AS r
                          WHERE r.state = 'queued' AND r.smsc = place.route AND r.priority = %(probe)s
                            AND r.due_at <= %(now)s
                          ORDER BY r.due_at LIMIT %(probes)s
                            FOR UPDATE SKIP LOCKED) AS q
                  LIMIT %(probes)s)
                UNION ALL
                (SELECT q.id
                   FROM unnest(%(priorities)s::int[]) AS kind (priority)
                  CROSS JOIN unnest(%(routes)s::text[]) AS place (route)
                  CROSS JOIN LATERAL (SELECT r.id FROM texts_text AS r
                          WHERE r.state = 'queued' AND r.smsc = place.route AND r.priority = kind.priority
                            AND r.due_at <= %(now)s
                          ORDER BY r.due_at LIMIT %(limit)s
                            FOR UPDATE SKIP LOCKED) AS q)) AS waiting
         LIMIT %(limit)s) AS due
 WHERE t.id = due.id
RETURNING t.id, t.kind, t.sender, t.recipient, t.body, t.reference, t.protocol_id, t.set_dpf, t.validity_s,
          t.attempts, t.smsc,
          CASE WHEN t.attempts > 1 THEN ARRAY(SELECT p.seq FROM texts_part AS p WHERE p.text_id = t.id) END
"""

# Primary-key look-ups. Its money is reserved, or not wanted.
PAID_FOR: Final = """
UPDATE texts_text SET state = 'queued', due_at = %(now)s WHERE id = ANY(%(ids)s) AND state = 'reserving'
"""

# Index text_queued, no further than the limit.
WAITING: Final = """
SELECT count(*)
  FROM (SELECT FROM texts_text
         WHERE state = 'queued' AND smsc = ANY(%(routes)s::text[]) AND priority = %(priority)s
           AND due_at <= %(now)s
         LIMIT %(limit)s) AS waiting
"""

# Primary-key look-ups.
QUEUED_AT: Final = "SELECT id, created_at FROM texts_text WHERE id = ANY(%(ids)s)"

# Primary-key look-ups, then indexes text_open_recipient and text_final_recipient.
TOLD_SINCE: Final = """
SELECT t.id
  FROM unnest(%(ids)s::bigint[], %(bodies)s::text[]) AS given (id, body)
  JOIN texts_text AS t ON t.id = given.id
 WHERE EXISTS (SELECT FROM texts_text AS o
                WHERE o.recipient = t.recipient AND o.state IN ('queued', 'sending', 'submitted')
                  AND o.id > t.id AND o.body = given.body)
    OR EXISTS (SELECT FROM texts_text AS f
                WHERE f.recipient = t.recipient AND f.state = 'delivered' AND f.final_at >= t.created_at
                  AND f.id > t.id AND f.body = given.body)
"""

# Primary-key look-ups.
RENEW: Final = """
UPDATE texts_text SET lease_until = %(lease_until)s WHERE id = ANY(%(ids)s) AND state = 'sending'
"""

# A response that is stored twice changes nothing.
ADD_PARTS: Final = """
INSERT INTO texts_part (text_id, seq, smsc, message_id, smsc_id, recipient, state, error)
SELECT given.text_id, given.seq, %(smsc)s, given.message_id, given.smsc_id, t.recipient, 'submitted', ''
  FROM unnest(%(texts)s::bigint[], %(seqs)s::int[], %(ids)s::text[], %(smsc_ids)s::text[])
    AS given (text_id, seq, message_id, smsc_id)
  JOIN texts_text AS t ON t.id = given.text_id
    ON CONFLICT (text_id, seq) DO NOTHING
"""

# Primary-key look-ups; a receipt may have been faster, then the text is final already. Queued: its lease was
# ended while its results waited for the database.
SUBMITTED: Final = """
UPDATE texts_text AS t
   SET state = 'submitted', submitted_at = %(now)s, smsc = %(smsc)s, lease_until = NULL,
       ask_at = CASE WHEN t.kind <> 'probe' THEN %(ask_at)s::timestamptz END,
       expires_at = %(silence_from)s::timestamptz + t.validity_s * interval '1 second'
 WHERE t.id = ANY(%(ids)s) AND t.state IN ('queued', 'sending')
RETURNING t.id, t.kind, t.alert_ids, t.recipient, t.item, t.payer, t.party
"""

# Primary-key look-ups.
LATER: Final = """
UPDATE texts_text AS t
   SET state = 'queued', due_at = given.due_at, smsc = given.route, error = given.error, lease_until = NULL,
       attempts = t.attempts - given.uncounted
  FROM unnest(%(ids)s::bigint[], %(due_at)s::timestamptz[], %(routes)s::text[], %(errors)s::text[],
              %(uncounted)s::int[])
    AS given (id, due_at, route, error, uncounted)
 WHERE t.id = given.id AND t.state = 'sending'
"""

# Primary-key look-ups.
FAILED: Final = """
UPDATE texts_text AS t
   SET state = 'failed', error = given.error, final_at = %(now)s, lease_until = NULL
  FROM unnest(%(ids)s::bigint[], %(errors)s::text[]) AS given (id, error)
 WHERE t.id = given.id AND t.state IN ('reserving', 'queued', 'sending')
RETURNING t.id, t.kind, t.alert_ids, t.recipient, t.item, t.payer, t.party, t.error
"""

# Index text_sending. A text whose outcome is unknown for the second time is not sent a third time.
LEASES_OVER: Final = """
UPDATE texts_text AS t
   SET state = CASE WHEN t.resent THEN 'failed' ELSE 'queued' END,
       resent = true, due_at = %(now)s, lease_until = NULL,
       error = %(error)s,
       final_at = CASE WHEN t.resent THEN %(now)s END
  FROM (SELECT id FROM texts_text WHERE state = 'sending' AND lease_until < %(now)s
         ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS over
 WHERE t.id = over.id
RETURNING t.id, t.kind, t.alert_ids, t.recipient, t.item, t.payer, t.party, t.state
"""

# Index text_silent in its order, then part_once.
SILENT: Final = """
WITH silent AS (
    UPDATE texts_text AS t SET ask_at = %(ask_again_at)s
      FROM (SELECT id FROM texts_text
             WHERE state = 'submitted' AND smsc = %(smsc)s AND ask_at <= %(now)s
             ORDER BY ask_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
     WHERE t.id = due.id
    RETURNING t.id, t.sender, t.recipient, t.reference
)
SELECT p.smsc_id, silent.sender, silent.recipient, silent.reference
  FROM silent JOIN texts_part AS p
    ON p.text_id = silent.id AND p.smsc = %(smsc)s AND p.state = 'submitted' AND p.smsc_id <> ''
"""

# Index text_submitted in its order.
END_SILENT: Final = """
UPDATE texts_text AS t SET state = 'failed', error = 'expired', final_at = %(now)s
  FROM (SELECT id FROM texts_text WHERE state = 'submitted' AND expires_at <= %(now)s
         ORDER BY expires_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS over
 WHERE t.id = over.id
RETURNING t.id, t.kind, t.alert_ids, t.recipient, t.item, t.payer, t.party
"""

_ASK_AFTER: Final = timedelta(hours=1)
_ASK_AGAIN_AFTER: Final = timedelta(days=1)


class Claimed(msgspec.Struct, frozen=True):
    """A text this process is to submit now; ``parts_done`` are those the SMSC has taken before."""

    id: int
    kind: str
    sender: str
    recipient: str
    body: str
    reference: int
    protocol_id: int
    set_dpf: bool
    validity: timedelta
    attempts: int
    route: str
    parts_done: frozenset[int]


async def enqueue(connection: Connection, drafts: Sequence[TextDraft], now: datetime, routes: Routes) -> list[int]:
    """Add texts to the outbox; their ids, in the same order. Part of the caller's transaction."""
    if not drafts:
        return []
    cursor = await connection.execute(
        ENQUEUE,
        {
            "kinds": [draft.kind for draft in drafts],
            "alerts": ["{" + ",".join(map(str, draft.alert_ids)) + "}" for draft in drafts],
            "senders": [draft.sender for draft in drafts],
            "recipients": [draft.recipient for draft in drafts],
            "bodies": [draft.body for draft in drafts],
            "parts": [max(1, len(segment(draft.body, 0))) for draft in drafts],
            "priorities": [PRIORITY[draft.kind] for draft in drafts],
            "protocol_ids": [draft.protocol_id for draft in drafts],
            "set_dpf": [draft.set_dpf for draft in drafts],
            "validity": [int(draft.validity.total_seconds()) for draft in drafts],
            "smscs": [routes.of(draft) for draft in drafts],
            "states": [TextState.RESERVING if draft.tag.prepaid else TextState.QUEUED for draft in drafts],
            "items": [draft.tag.item for draft in drafts],
            "payers": [draft.tag.payer for draft in drafts],
            "parties": [draft.tag.party for draft in drafts],
            "now": now,
        },
    )
    return [row[0] for row in await cursor.fetchall()]


async def waiting(connection: Connection, routes: list[str], kind: TextKind, now: datetime, limit: int) -> int:
    """How many texts of a kind on these routes are due and not claimed; ``limit`` if there are more."""
    parameters = {"routes": routes, "priority": PRIORITY[kind], "now": now, "limit": limit}
    row = await (await connection.execute(WAITING, parameters)).fetchone()
    return int(row[0]) if row else 0


async def claim(
    connection: Connection,
    routes: tuple[str, ...],
    limit: int,
    now: datetime,
    lease: timedelta,
    *,
    probes: int | None = None,
) -> list[Claimed]:
    """Take at most ``limit`` due texts of these routes; the state ``sending`` is stored when this returns.

    Notices and probes come last; or at most ``probes`` probes come first, and the rest is left for later.
    """
    later = [PRIORITY[kind] for kind in PRIORITY if probes is None or kind not in AFTER_ALERTS]
    cursor = await connection.execute(
        CLAIM,
        {
            "routes": list(routes),
            "priorities": sorted(later),
            "probe": PRIORITY[TextKind.PROBE],
            "probes": probes or 0,
            "limit": limit,
            "now": now,
            "lease_until": now + lease,
        },
    )
    return [
        Claimed(
            id=row[0],
            kind=row[1],
            sender=row[2],
            recipient=row[3],
            body=row[4],
            reference=row[5],
            protocol_id=row[6],
            set_dpf=row[7],
            validity=timedelta(seconds=row[8]),
            attempts=row[9],
            route=row[10],
            parts_done=frozenset(row[11] or ()),
        )
        for row in await cursor.fetchall()
    ]


async def queued_at(connection: Connection, ids: Sequence[int]) -> dict[int, datetime]:
    """When each text came into the outbox: whatever has happened to it is later."""
    return dict(await (await connection.execute(QUEUED_AT, {"ids": list(ids)})).fetchall())


async def told_since(connection: Connection, said: Mapping[int, str]) -> set[int]:
    """Of these texts, by their ids, those after which their recipient was sent a text of these words."""
    if not said:
        return set()
    cursor = await connection.execute(TOLD_SINCE, {"ids": list(said), "bodies": list(said.values())})
    return {row[0] for row in await cursor.fetchall()}


async def paid_for(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    """Queue texts whose payers' money was awaited."""
    if ids:
        await connection.execute(PAID_FOR, {"ids": list(ids), "now": now})


async def renew(connection: Connection, ids: Sequence[int], lease_until: datetime) -> None:
    """Keep what this process still has in hand."""
    if ids:
        await connection.execute(RENEW, {"ids": list(ids), "lease_until": lease_until})


class Accepted(msgspec.Struct, frozen=True):
    """A part that the SMSC took: ``message_id`` in comparable form, ``smsc_id`` as written."""

    text_id: int
    seq: int
    message_id: str
    smsc_id: str


async def add_parts(connection: Connection, smsc: str, parts: Sequence[Accepted]) -> None:
    """Store the ids of accepted parts."""
    if parts:
        await connection.execute(
            ADD_PARTS,
            {
                "smsc": smsc,
                "texts": [part.text_id for part in parts],
                "seqs": [part.seq for part in parts],
                "ids": [part.message_id for part in parts],
                "smsc_ids": [part.smsc_id for part in parts],
            },
        )


async def mark_submitted(connection: Connection, smsc: str, ids: Sequence[int], now: datetime) -> list[TextChange]:
    """Texts whose parts the SMSC took all."""
    if not ids:
        return []
    cursor = await connection.execute(
        SUBMITTED,
        {
            "smsc": smsc,
            "ids": list(ids),
            "now": now,
            "ask_at": now + _ASK_AFTER,
            "silence_from": now + SILENCE,
        },
    )
    return [_change(row, TextState.SUBMITTED, now) for row in await cursor.fetchall()]


class Postponed(msgspec.Struct, frozen=True):
    """A text to try again on a route; only what ``counts`` as an attempt climbs the ladder."""

    text_id: int
    due_at: datetime
    route: str
    error: str
    counts: bool


async def postpone(connection: Connection, texts: Sequence[Postponed]) -> None:
    """Put texts back for later."""
    if texts:
        await connection.execute(
            LATER,
            {
                "ids": [text.text_id for text in texts],
                "due_at": [text.due_at for text in texts],
                "routes": [text.route for text in texts],
                "errors": [text.error for text in texts],
                "uncounted": [0 if text.counts else 1 for text in texts],
            },
        )


class Failed(msgspec.Struct, frozen=True):
    """A text that no SMSC will take as it is, and whether what it tells may be tried again."""

    text_id: int
    error: str
    retry: Retry


async def mark_failed(connection: Connection, texts: Sequence[Failed], now: datetime) -> list[TextChange]:
    """End texts."""
    if not texts:
        return []
    retries = {text.text_id: text.retry for text in texts}
    parameters = {"ids": list(retries), "errors": [text.error for text in texts], "now": now}
    cursor = await connection.execute(FAILED, parameters)
    return [_failed(row, row[7], retries[row[0]], now) for row in await cursor.fetchall()]


async def end_leases(connection: Connection, now: datetime, limit: int = 500) -> list[TextChange]:
    """Texts whose process died: back into the queue once, failed the second time (these are returned)."""
    cursor = await connection.execute(LEASES_OVER, {"now": now, "limit": limit, "error": OUTCOME_UNKNOWN})
    return [
        _failed(row, OUTCOME_UNKNOWN, Retry.LATER, now)
        for row in await cursor.fetchall()
        if row[7] == TextState.FAILED
    ]


class Silent(msgspec.Struct, frozen=True):
    """A submitted message whose receipt has not come; ``smsc_id`` as the SMSC wrote it."""

    smsc_id: str
    sender: str
    recipient: str
    reference: int


async def silent(connection: Connection, smsc: str, now: datetime, limit: int = 50) -> list[Silent]:
    """The messages of texts nobody has heard of for an hour, or since they were asked for a day ago.

    Probes are not among them: they are silent while the phone is off.
    """
    parameters = {"smsc": smsc, "now": now, "ask_again_at": now + _ASK_AGAIN_AFTER, "limit": limit}
    cursor = await connection.execute(SILENT, parameters)
    return [Silent(*row) for row in await cursor.fetchall()]


async def end_silent(connection: Connection, now: datetime, limit: int = 500) -> list[TextChange]:
    """Texts the SMSC must have given up long ago, though no receipt said so: they have expired."""
    cursor = await connection.execute(END_SILENT, {"now": now, "limit": limit})
    return [_failed(row, "expired", Retry.WAIT, now) for row in await cursor.fetchall()]


def _failed(row: Sequence[Any], error: str, retry: Retry, at: datetime) -> TextChange:
    return msgspec.structs.replace(_change(row, TextState.FAILED, at), error=error, retry=retry)


def _change(row: Sequence[Any], state: TextState, at: datetime) -> TextChange:
    text_id, kind, alert_ids, recipient, item, payer, party = row[:7]
    return TextChange(
        text_id=text_id,
        kind=TextKind(kind),
        alert_ids=tuple(alert_ids),
        recipient=recipient,
        state=state,
        at=at,
        tag=Tag(item, payer, party),
    )
