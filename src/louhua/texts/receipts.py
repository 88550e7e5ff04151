"""Receipts find their texts, whichever comes first: the receipt or the submit response.

A receipt is matched by the reference we gave its text (user_message_reference) where it carries one that leads
to an open text of the phone, and by the SMSC's message id and the phone's number. Of several texts with one id
(some SMSCs give all the same, or none) it is the one with the receipt's reference, else the oldest one still
waiting. The reference alone also finds texts of one part whose response never came. What matches nothing waits as
an orphan for a response still to be stored.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

import msgspec

from louhua.bus.events import ReceiptState, TextReceipt
from louhua.db.pool import Connection
from louhua.texts.outbox import Tag, TextChange, TextKind, TextState
from louhua.texts.retries import Retries

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

_NO_IDS: Final = frozenset({"", "0"})
"""What SMSCs write that give no ids: it leads nowhere when the receipt has a reference that leads elsewhere."""

# A receipt and its response may be stored in the same moment by two transactions, neither of which sees what
# the other adds. Taking turns for each SMSC, one of them comes second and sees it.
TAKE_TURNS: Final = """
SELECT pg_advisory_xact_lock(key)
  FROM (SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest(%(names)s::text[]) AS given (name)
         ORDER BY key) AS keys
"""

# Index part_message, then primary keys. The best comes first for each receipt.
BY_ID: Final = """
SELECT given.n, p.text_id, p.seq, coalesce(t.reference = given.reference, false) AS ours
  FROM unnest(%(smscs)s::text[], %(ids)s::text[], %(numbers)s::text[], %(references)s::int[]) WITH ORDINALITY
    AS given (smsc, message_id, number, reference, n)
  JOIN texts_part AS p
    ON p.smsc = given.smsc AND p.message_id = given.message_id AND p.recipient = given.number
  JOIN texts_text AS t ON t.id = p.text_id
 ORDER BY given.n, ours DESC, p.state = 'submitted' DESC, p.text_id, p.seq
"""

# Index text_open_recipient: the few open texts of a phone.
BY_REFERENCE: Final = """
SELECT given.n, t.id, t.parts
  FROM unnest(%(numbers)s::text[], %(references)s::int[]) WITH ORDINALITY AS given (number, reference, n)
  JOIN texts_text AS t ON t.recipient = given.number AND t.reference = given.reference
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
               max(p.state) FILTER (WHERE p.state NOT IN ('submitted', 'delivered')) AS worst,
               (array_agg(ARRAY[p.smsc, p.error] ORDER BY p.state DESC, p.seq)
                FILTER (WHERE p.state NOT IN ('submitted', 'delivered')))[1:1] AS why
          FROM texts_part AS p WHERE p.text_id = ANY(%(ids)s) GROUP BY p.text_id) AS s
 WHERE t.id = s.text_id AND t.state IN ('queued', 'sending', 'submitted')
   AND (s.worst IS NOT NULL OR s.delivered >= t.parts)
RETURNING t.id, t.kind, t.alert_ids, t.recipient, t.item, t.payer, t.party, t.state, t.error, s.why
"""

# Appends only.
KEEP_ORPHANS: Final = """
INSERT INTO texts_orphanreceipt (smsc, message_id, recipient, reference, state, error, at)
SELECT * FROM unnest(%(smscs)s::text[], %(ids)s::text[], %(numbers)s::text[], %(references)s::int[],
                     %(states)s::text[], %(errors)s::text[], %(at)s::timestamptz[])
"""

# Unique index part_once, then index orphan_message; in the order in which they came.
TAKE_ORPHANS: Final = """
WITH taken AS (
    DELETE FROM texts_orphanreceipt AS o
     USING texts_part AS p
     WHERE p.text_id = ANY(%(texts)s) AND o.smsc = %(smsc)s AND o.message_id = p.message_id
       AND o.recipient = p.recipient
    RETURNING o.id, o.message_id, o.recipient, o.reference, o.state, o.error, o.at
)
SELECT message_id, recipient, reference, state, error, at FROM taken ORDER BY id
"""


class _Finish(msgspec.Struct, frozen=True):
    text_id: int
    seq: int
    receipt: TextReceipt


class _Found(msgspec.Struct, frozen=True):
    """The best text an id leads to, its parts with that id; ``ours``: the receipt has its reference too."""

    text_id: int
    ours: bool
    parts: list[_Finish]


async def take_turns(connection: Connection, names: Collection[str]) -> None:
    """Wait for, and keep until the end of the transaction, the turn to store what comes from these.

    To be called before responses or receipts of an SMSC, or texts of a phone, are stored.
    """
    await connection.execute(TAKE_TURNS, {"names": sorted(names)})


async def apply_receipts(
    connection: Connection, receipts: Sequence[TextReceipt], now: datetime, retries: Retries
) -> list[TextChange]:
    """Bring parts and texts to their final states; ids are in comparable form. Part of a transaction.

    A receipt may come twice, or before its response: the result is the same. Of several that contradict each
    other the first counts, as it would if they came one by one.
    """
    said: dict[tuple[str, str, str, int | None], TextReceipt] = {}
    for receipt in receipts:
        if receipt.state in FINAL_STATES:
            said.setdefault((receipt.smsc, receipt.message_id, receipt.number, receipt.reference), receipt)
    final = list(said.values())
    if not final:
        return []
    await take_turns(connection, {receipt.smsc for receipt in final})
    matched = await _match(connection, final)
    await _keep_orphans(connection, [final[n] for n in range(len(final)) if n not in matched])
    return await _finish(connection, [item for items in matched.values() for item in items], now, retries)


async def adopt_orphans(
    connection: Connection, smsc: str, text_ids: Sequence[int], now: datetime, retries: Retries
) -> list[TextChange]:
    """Apply the receipts that had come before the responses of these texts were stored; after ``take_turns``."""
    if not text_ids:
        return []
    cursor = await connection.execute(TAKE_ORPHANS, {"smsc": smsc, "texts": list(text_ids)})
    waiting = [
        TextReceipt(
            id="",
            smsc=smsc,
            message_id=row[0],
            number=row[1],
            reference=row[2],
            state=ReceiptState(row[3]),
            error=row[4],
            at=row[5],
        )
        for row in await cursor.fetchall()
    ]
    return await apply_receipts(connection, waiting, now, retries)


async def _match(connection: Connection, receipts: Sequence[TextReceipt]) -> dict[int, list[_Finish]]:
    """The parts each receipt finishes; a receipt that finds none is not among the keys."""
    by_id = await _by_id(connection, receipts)
    asked = [
        n
        for n, receipt in enumerate(receipts)
        if receipt.reference is not None and not (n in by_id and by_id[n].ours)
    ]
    by_reference = await _by_reference(connection, receipts, asked)
    vague = {n for n in asked if receipts[n].message_id in _NO_IDS}
    matched = {n: found.parts for n, found in by_id.items() if n not in vague}
    matched.update(by_reference)
    return {n: parts for n, parts in matched.items() if parts}


async def _by_id(connection: Connection, receipts: Sequence[TextReceipt]) -> dict[int, _Found]:
    cursor = await connection.execute(
        BY_ID,
        {
            "smscs": [receipt.smsc for receipt in receipts],
            "ids": [receipt.message_id for receipt in receipts],
            "numbers": [receipt.number for receipt in receipts],
            "references": [receipt.reference for receipt in receipts],
        },
    )
    matched: dict[int, _Found] = {}
    for n, text_id, seq, ours in await cursor.fetchall():
        found = matched.setdefault(n - 1, _Found(text_id, ours, []))
        if found.text_id == text_id:
            found.parts.append(_Finish(text_id, seq, receipts[n - 1]))
    return matched


async def _by_reference(
    connection: Connection, receipts: Sequence[TextReceipt], asked: Sequence[int]
) -> dict[int, list[_Finish]]:
    """Open texts by our reference; no part where the text has several: which one its response must tell."""
    if not asked:
        return {}
    cursor = await connection.execute(
        BY_REFERENCE,
        {
            "numbers": [receipts[n].number for n in asked],
            "references": [receipts[n].reference for n in asked],
        },
    )
    found = {asked[n - 1]: (text_id, parts) for n, text_id, parts in await cursor.fetchall()}
    alone = {n: text_id for n, (text_id, parts) in found.items() if parts == 1}
    await connection.execute(
        ADD_PART,
        {
            "texts": list(alone.values()),
            "smscs": [receipts[n].smsc for n in alone],
            "ids": [receipts[n].message_id for n in alone],
            "numbers": [receipts[n].number for n in alone],
        },
    )
    return {n: [_Finish(alone[n], 0, receipts[n])] if n in alone else [] for n in found}


async def _keep_orphans(connection: Connection, orphans: Sequence[TextReceipt]) -> None:
    if orphans:
        await connection.execute(
            KEEP_ORPHANS,
            {
                "smscs": [orphan.smsc for orphan in orphans],
                "ids": [orphan.message_id for orphan in orphans],
                "numbers": [orphan.number for orphan in orphans],
                "references": [orphan.reference for orphan in orphans],
                "states": [orphan.state for orphan in orphans],
                "errors": [orphan.error for orphan in orphans],
                "at": [orphan.at for orphan in orphans],
            },
        )


async def _finish(
    connection: Connection, done: Sequence[_Finish], now: datetime, retries: Retries
) -> list[TextChange]:
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
    codes = {item.text_id: item.receipt.error for item in done}
    return [
        TextChange(
            text_id=text_id, kind=TextKind(kind), alert_ids=tuple(alert_ids), recipient=recipient,
            state=TextState(state), error=error, at=said_at.get(text_id, now),
            retry=retries.failed(why[0][0], error, why[0][1]) if why else None,
            network_error=codes.get(text_id, ""), tag=Tag(item, payer, party),
        )
        for text_id, kind, alert_ids, recipient, item, payer, party, state, error, why in await cursor.fetchall()
    ]  # fmt: skip
