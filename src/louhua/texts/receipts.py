"""Receipts find their texts, whichever comes first: the receipt or the submit response.

A receipt is matched by the SMSC's message id and the phone's number; failing that, for a text of one part, by
the reference we gave it (user_message_reference), which also finds texts whose response never came. What
matches nothing waits as an orphan for a response still to be stored.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from louhua.bus.events import ReceiptState, TextReceipt
from louhua.db.pool import Connection
from louhua.texts.outbox import TextChange, TextKind, TextState

FINAL_STATES: Final = frozenset(
    {
        ReceiptState.DELIVERED,
        ReceiptState.EXPIRED,
        ReceiptState.DELETED,
        ReceiptState.UNDELIVERABLE,
        ReceiptState.REJECTED,
    }
)
"""The other states say that the SMSC is still trying, or nothing at all."""

_ORPHANS_KEPT: Final = timedelta(days=7)

# A receipt and its response may be stored in the same moment by two transactions, neither of which sees what
# the other adds. Taking turns for each SMSC, one of them comes second and sees it.
TAKE_TURNS: Final = """
SELECT pg_advisory_xact_lock(key)
  FROM (SELECT DISTINCT hashtextextended(smsc, 0) AS key FROM unnest(%(smscs)s::text[]) AS given (smsc)
         ORDER BY key) AS keys
"""

# Index part_message.
BY_ID: Final = """
SELECT given.n, p.text_id, p.seq
  FROM unnest(%(smscs)s::text[], %(ids)s::text[], %(numbers)s::text[]) WITH ORDINALITY
    AS given (smsc, message_id, number, n)
  JOIN texts_part AS p
    ON p.smsc = given.smsc AND p.message_id = given.message_id AND p.recipient = given.number
"""

# Index text_open_recipient: the few open texts of a phone.
BY_REFERENCE: Final = """
SELECT given.n, t.id
  FROM unnest(%(numbers)s::text[], %(references)s::int[]) WITH ORDINALITY AS given (number, reference, n)
  JOIN texts_text AS t ON t.recipient = given.number AND t.reference = given.reference AND t.parts = 1
   AND t.state IN ('queued', 'sending', 'submitted') AND t.attempts > 0
"""

# A part known only by its receipt; a response that follows finds it.
ADD_PART: Final = """
INSERT INTO texts_part (text_id, seq, smsc, message_id, smsc_id, recipient, state, error)
SELECT text_id, 0, smsc, message_id, message_id, number, 'submitted', ''
  FROM unnest(%(texts)s::bigint[], %(smscs)s::text[], %(ids)s::text[], %(numbers)s::text[])
    AS given (text_id, smsc, message_id, number)
    ON CONFLICT (text_id, seq) DO NOTHING
"""

# Unique index part_once. A part is final once.
FINISH_PARTS: Final = """
UPDATE texts_part AS p SET state = given.state, error = given.error
  FROM unnest(%(texts)s::bigint[], %(seqs)s::int[], %(states)s::text[], %(errors)s::text[])
    AS given (text_id, seq, state, error)
 WHERE p.text_id = given.text_id AND p.seq = given.seq AND p.state = 'submitted'
"""

# Primary key, and part_once for the parts of each text.
FINISH_TEXTS: Final = """
UPDATE texts_text AS t
   SET state = CASE WHEN s.worst IS NULL THEN 'delivered' ELSE 'failed' END,
       error = coalesce(s.worst, ''), final_at = %(now)s, lease_until = NULL,
       submitted_at = coalesce(t.submitted_at, %(now)s)
  FROM (SELECT p.text_id, count(*) FILTER (WHERE p.state = 'delivered') AS delivered,
               max(p.state) FILTER (WHERE p.state NOT IN ('submitted', 'delivered')) AS worst
          FROM texts_part AS p WHERE p.text_id = ANY(%(ids)s) GROUP BY p.text_id) AS s
 WHERE t.id = s.text_id AND t.state IN ('queued', 'sending', 'submitted')
   AND (s.worst IS NOT NULL OR s.delivered >= t.parts)
RETURNING t.id, t.kind, t.alert_id, t.recipient, t.state, t.error
"""

# Appends only.
KEEP_ORPHANS: Final = """
INSERT INTO texts_orphanreceipt (smsc, message_id, recipient, state, error, at)
SELECT * FROM unnest(%(smscs)s::text[], %(ids)s::text[], %(numbers)s::text[], %(states)s::text[],
                     %(errors)s::text[], %(at)s::timestamptz[])
"""

# Index orphan_message.
TAKE_ORPHANS: Final = """
DELETE FROM texts_orphanreceipt AS o
 USING unnest(%(ids)s::text[]) AS given (message_id)
 WHERE o.smsc = %(smsc)s AND o.message_id = given.message_id
RETURNING o.message_id, o.recipient, o.state, o.error, o.at
"""

# Index orphan_at.
PURGE_ORPHANS: Final = "DELETE FROM texts_orphanreceipt WHERE at < %(before)s"


class _Finish(msgspec.Struct, frozen=True):
    text_id: int
    seq: int
    receipt: TextReceipt


async def take_turns(connection: Connection, smscs: Collection[str]) -> None:
    """Wait for, and keep until the end of the transaction, the turn to store responses or receipts.

    To be called before either is stored.
    """
    await connection.execute(TAKE_TURNS, {"smscs": sorted(smscs)})


async def apply_receipts(
    connection: Connection, receipts: Sequence[TextReceipt], now: datetime
) -> list[TextChange]:
    """Bring parts and texts to their final states; ids are in comparable form. Part of a transaction.

    A receipt may come twice, or before its response: the result is the same.
    """
    final = list({(r.smsc, r.message_id, r.number): r for r in receipts if r.state in FINAL_STATES}.values())
    if not final:
        return []
    await take_turns(connection, {receipt.smsc for receipt in final})
    matched = await _by_id(connection, final)
    missing = [n for n in range(len(final)) if n not in matched]
    matched.update(await _by_reference(connection, final, missing))
    orphans = [final[n] for n in range(len(final)) if n not in matched]
    await _keep_orphans(connection, orphans)
    return await _finish(connection, [item for items in matched.values() for item in items], now)


async def adopt_orphans(
    connection: Connection, smsc: str, message_ids: Sequence[str], now: datetime
) -> list[TextChange]:
    """Apply the receipts that had come before these responses were stored; after ``take_turns``."""
    if not message_ids:
        return []
    cursor = await connection.execute(TAKE_ORPHANS, {"smsc": smsc, "ids": list(message_ids)})
    waiting = [
        TextReceipt(
            id="",
            smsc=smsc,
            message_id=row[0],
            number=row[1],
            state=ReceiptState(row[2]),
            error=row[3],
            at=row[4],
        )
        for row in await cursor.fetchall()
    ]
    return await apply_receipts(connection, waiting, now)


async def purge_orphans(connection: Connection, now: datetime) -> None:
    """Forget receipts of messages that were never ours."""
    await connection.execute(PURGE_ORPHANS, {"before": now - _ORPHANS_KEPT})


async def _by_id(connection: Connection, receipts: Sequence[TextReceipt]) -> dict[int, list[_Finish]]:
    cursor = await connection.execute(
        BY_ID,
        {
            "smscs": [receipt.smsc for receipt in receipts],
            "ids": [receipt.message_id for receipt in receipts],
            "numbers": [receipt.number for receipt in receipts],
        },
    )
    matched: dict[int, list[_Finish]] = {}
    for n, text_id, seq in await cursor.fetchall():
        matched.setdefault(n - 1, []).append(_Finish(text_id, seq, receipts[n - 1]))
    return matched


async def _by_reference(
    connection: Connection, receipts: Sequence[TextReceipt], missing: Sequence[int]
) -> dict[int, list[_Finish]]:
    asked = [n for n in missing if receipts[n].reference is not None]
    if not asked:
        return {}
    cursor = await connection.execute(
        BY_REFERENCE,
        {
            "numbers": [receipts[n].number for n in asked],
            "references": [receipts[n].reference for n in asked],
        },
    )
    found = {asked[n - 1]: text_id for n, text_id in await cursor.fetchall()}
    await connection.execute(
        ADD_PART,
        {
            "texts": list(found.values()),
            "smscs": [receipts[n].smsc for n in found],
            "ids": [receipts[n].message_id for n in found],
            "numbers": [receipts[n].number for n in found],
        },
    )
    return {n: [_Finish(text_id, 0, receipts[n])] for n, text_id in found.items()}


async def _keep_orphans(connection: Connection, orphans: Sequence[TextReceipt]) -> None:
    if orphans:
        await connection.execute(
            KEEP_ORPHANS,
            {
                "smscs": [orphan.smsc for orphan in orphans],
                "ids": [orphan.message_id for orphan in orphans],
                "numbers": [orphan.number for orphan in orphans],
                "states": [orphan.state for orphan in orphans],
                "errors": [orphan.error for orphan in orphans],
                "at": [orphan.at for orphan in orphans],
            },
        )


async def _finish(connection: Connection, done: Sequence[_Finish], now: datetime) -> list[TextChange]:
    if not done:
        return []
    await connection.execute(
        FINISH_PARTS,
        {
            "texts": [item.text_id for item in done],
            "seqs": [item.seq for item in done],
            "states": [item.receipt.state for item in done],
            "errors": [item.receipt.error for item in done],
        },
    )
    cursor = await connection.execute(FINISH_TEXTS, {"ids": [item.text_id for item in done], "now": now})
    said_at = {item.text_id: item.receipt.at for item in done}
    return [
        TextChange(
            text_id=text_id, kind=TextKind(kind), alert_id=alert_id, recipient=recipient,
            state=TextState(state), error=error, at=said_at.get(text_id, now),
        )
        for text_id, kind, alert_id, recipient, state, error in await cursor.fetchall()
    ]  # fmt: skip
