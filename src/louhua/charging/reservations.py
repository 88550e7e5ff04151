"""Texts of prepaid payers in PostgreSQL, from their wording until their money is settled.

```
 asked ── granted ──▶ granted ── delivered, or failed ──▶ settling ── known to be settled ──▶ (gone)
   ├───── sent free ──▶ waived ── delivered, or failed ──▶ settling with 0
   └───── not sent: the text fails ──▶ (gone), or settling with 0 where something may be reserved
```

Settled with 0 is what may be set aside although nobody knows: the keeper did not answer, or was asked by two, of
whom one has stored a refusal. Who asks so late that the row is settling, or gone, has it settled once more.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from louhua.charging.plans import Item
from louhua.charging.rating import Why
from louhua.db.pool import Connection

_LATE: Final = "late"


class State(StrEnum):
    """Where a reservation is."""

    ASKED = "asked"
    GRANTED = "granted"
    WAIVED = "waived"
    SETTLING = "settling"


# Appends only.
ADD: Final = """
INSERT INTO charging_reservation (text_id, payer, item, amount, used, state, why, attempts, due_at, created_at)
SELECT text_id, payer, item, amount, 0, 'asked', '', 0, %(now)s, %(now)s
  FROM unnest(%(texts)s::bigint[], %(payers)s::text[], %(items)s::text[], %(amounts)s::bigint[])
    AS given (text_id, payer, item, amount)
"""

# Primary-key look-ups.
OF_TEXTS: Final = """
SELECT r.text_id, r.payer, r.item, r.amount, r.used, r.state, r.why, r.attempts, r.created_at
  FROM charging_reservation AS r WHERE r.text_id = ANY(%(texts)s) ORDER BY r.text_id FOR UPDATE
"""

# Index reservation_underway, a range of it for each.
UNDERWAY: Final = """
SELECT given.payer, given.item, underway.texts
  FROM unnest(%(payers)s::text[], %(items)s::text[]) AS given (payer, item)
 CROSS JOIN LATERAL (SELECT count(*) AS texts FROM charging_reservation AS r
                      WHERE r.payer = given.payer AND r.item = given.item
                        AND r.state IN ('asked', 'granted')) AS underway
"""

# Appends, of texts whose rows are gone.
GIVE_BACK: Final = """
INSERT INTO charging_reservation (text_id, payer, item, amount, used, state, why, attempts, due_at, created_at)
SELECT text_id, payer, item, amount, 0, 'settling', '', 0, %(now)s, created_at
  FROM unnest(%(texts)s::bigint[], %(payers)s::text[], %(items)s::text[], %(amounts)s::bigint[],
              %(created_at)s::timestamptz[]) AS given (text_id, payer, item, amount, created_at)
 ORDER BY text_id
    ON CONFLICT (text_id) DO NOTHING
"""

# Index reservation_due in its order. Who claims has them until %(until)s; then they are asked about again.
CLAIM: Final = """
UPDATE charging_reservation AS r SET due_at = %(until)s, attempts = least(r.attempts + 1, 1000)
  FROM (SELECT text_id FROM charging_reservation
         WHERE state IN ('asked', 'settling') AND state = %(state)s AND due_at <= %(now)s
         ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS due
 WHERE r.text_id = due.text_id
RETURNING r.text_id, r.payer, r.item, r.amount, r.used, r.state, r.why, r.attempts, r.created_at
"""

# Primary-key look-ups.
CHANGE: Final = """
UPDATE charging_reservation AS r
   SET state = %(state)s, why = %(why)s, used = given.used, due_at = %(due_at)s::timestamptz, attempts = 0
  FROM unnest(%(texts)s::bigint[], %(used)s::bigint[]) AS given (text_id, used)
 WHERE r.text_id = given.text_id
"""

# Primary-key look-ups.
AGAIN: Final = """
UPDATE charging_reservation AS r SET due_at = given.due_at
  FROM unnest(%(texts)s::bigint[], %(due_at)s::timestamptz[]) AS given (text_id, due_at)
 WHERE r.text_id = given.text_id
"""

# Primary-key look-ups. Of what is settling ``why`` is '', 'late', 'asked late', or both.
ASKED_LATE: Final = """
UPDATE charging_reservation SET why = CASE WHEN why LIKE 'late%%' THEN 'late, asked late' ELSE 'asked late' END
 WHERE text_id = ANY(%(texts)s) AND state = 'settling'
"""
LATE: Final = """
UPDATE charging_reservation
   SET why = CASE WHEN why LIKE '%%asked late' THEN 'late, asked late' ELSE 'late' END, attempts = 0,
       due_at = %(due_at)s
 WHERE text_id = ANY(%(texts)s) AND state = 'settling'
"""

# Primary-key look-ups. Who asked late has said so before, or finds no row.
REMOVE_SETTLED: Final = """
DELETE FROM charging_reservation
 WHERE text_id = ANY(%(texts)s) AND why NOT LIKE '%%asked late' RETURNING text_id
"""

# Primary-key look-ups. Where somebody else has claimed it since, he may have told the keeper.
ANEW: Final = """
UPDATE charging_reservation SET attempts = 0, due_at = %(due_at)s
 WHERE text_id = ANY(%(texts)s) AND state = 'settling' AND attempts = 1
"""

# Primary-key look-ups.
REMOVE: Final = "DELETE FROM charging_reservation WHERE text_id = ANY(%(texts)s)"


class Reservation(msgspec.Struct, frozen=True):
    """A text of a prepaid payer; ``amount`` is what is wanted, or reserved, ``used`` what of it is charged."""

    text_id: int
    payer: str
    item: Item
    amount: int
    used: int
    state: State
    why: str
    attempts: int
    created_at: datetime

    @property
    def session(self) -> str:
        """What the keeper of the money knows it by: a database made anew counts its texts anew."""
        return f"text-{self.text_id}-{int(self.created_at.timestamp())}"

    @property
    def late(self) -> bool:
        """Whether its session is over at the keeper with nothing taken, so that the money is taken without one."""
        return self.state is State.SETTLING and self.why.startswith(_LATE)

    @property
    def may_be_kept(self) -> bool:
        """Whether the keeper may have set money aside, and must be told how it ended."""
        return self.amount > 0 and self.state in (State.GRANTED, State.WAIVED)

    @property
    def asked_by_others(self) -> bool:
        """Whether somebody else may have been granted what one was refused: not everybody stores his answer."""
        return self.attempts > 1


Place = tuple[str, Item]
"""(payer, item): whose quota, and of what."""


class Wanted(msgspec.Struct, frozen=True):
    """Money to ask for before a text goes."""

    text_id: int
    payer: str
    item: Item
    amount: int


async def add(connection: Connection, wanted: Sequence[Wanted], now: datetime) -> None:
    """Ask for money; part of the transaction that queues the texts."""
    if wanted:
        await connection.execute(ADD, _given(wanted) | {"now": now})


async def underway(connection: Connection, wanted: Collection[Place]) -> Counter[Place]:
    """How many texts of each may still be delivered and charged; after the payers' usage is locked."""
    if not wanted:
        return Counter()
    parameters = {"payers": [payer for payer, _ in wanted], "items": [item for _, item in wanted]}
    cursor = await connection.execute(UNDERWAY, parameters)
    return Counter({(payer, Item(item)): texts for payer, item, texts in await cursor.fetchall()})


async def give_back(connection: Connection, over: Sequence[Reservation], now: datetime) -> None:
    """These were over when their money was granted: the keeper is to be told that nothing is charged."""
    if over:
        created = [item.created_at for item in over]
        await connection.execute(GIVE_BACK, _given(over) | {"created_at": created, "now": now})


def _given(items: Sequence[Wanted] | Sequence[Reservation]) -> dict[str, Any]:
    """The columns that both begin with."""
    return {
        "texts": [item.text_id for item in items],
        "payers": [item.payer for item in items],
        "items": [item.item for item in items],
        "amounts": [item.amount for item in items],
    }


async def of_texts(connection: Connection, texts: Collection[int]) -> dict[int, Reservation]:
    """The reservations of those of these texts that have one; locked."""
    cursor = await connection.execute(OF_TEXTS, {"texts": list(texts)})
    return {row[0]: _reservation(*row) for row in await cursor.fetchall()}


async def claim(
    connection: Connection, state: State, now: datetime, until: datetime, limit: int
) -> list[Reservation]:
    """Those about which the keeper of the money is to be asked now."""
    parameters = {"state": state, "now": now, "until": until, "limit": limit}
    return [_reservation(*row) for row in await (await connection.execute(CLAIM, parameters)).fetchall()]


def _reservation(
    text_id: int, payer: str, item: str, amount: int, used: int, state: str, why: str, attempts: int, at: datetime
) -> Reservation:
    return Reservation(text_id, payer, Item(item), amount, used, State(state), why, attempts, at)


async def granted(connection: Connection, texts: Sequence[int]) -> None:
    """The money of these is reserved."""
    await _change(connection, texts, State.GRANTED)


async def waived(connection: Connection, texts: Mapping[int, Why]) -> None:
    """These are sent free of charge."""
    for why in sorted(set(texts.values())):
        await _change(connection, [text for text, given in texts.items() if given is why], State.WAIVED, why)


async def settle(connection: Connection, used: Mapping[int, int], now: datetime) -> None:
    """What is charged of these is known: the keeper is to be told."""
    await _change(connection, list(used), State.SETTLING, used=list(used.values()), due_at=now)


async def late(connection: Connection, texts: Sequence[int], due_at: datetime) -> None:
    """The sessions of these are over at the keeper with nothing taken; what is charged of them is taken later."""
    if texts:
        await connection.execute(LATE, {"texts": list(texts), "due_at": due_at})


async def anew(connection: Connection, texts: Sequence[int], due_at: datetime) -> None:
    """Nobody was told of these: they are settled again as if for the first time."""
    if texts:
        await connection.execute(ANEW, {"texts": list(texts), "due_at": due_at})


async def asked_late(connection: Connection, texts: Sequence[int]) -> None:
    """Money may have been set aside for these after the keeper was told how they ended: it is to be told again."""
    if texts:
        await connection.execute(ASKED_LATE, {"texts": list(texts)})


async def settled(connection: Connection, texts: Sequence[int], now: datetime) -> None:
    """The keeper knows how these ended; of what was asked for late it is told again, that nothing is charged."""
    if texts:
        cursor = await connection.execute(REMOVE_SETTLED, {"texts": list(texts)})
        gone = {row[0] for row in await cursor.fetchall()}
        await settle(connection, {text: 0 for text in texts if text not in gone}, now)


async def _change(
    connection: Connection,
    texts: Sequence[int],
    state: State,
    why: str = "",
    used: Sequence[int] = (),
    due_at: datetime | None = None,
) -> None:
    if texts:
        parameters = {"texts": list(texts), "used": list(used) or [0] * len(texts)}
        await connection.execute(CHANGE, parameters | {"state": state, "why": why, "due_at": due_at})


async def again(connection: Connection, due_at: Mapping[int, datetime]) -> None:
    """Ask about these again later."""
    if due_at:
        await connection.execute(AGAIN, {"texts": list(due_at), "due_at": list(due_at.values())})


async def remove(connection: Connection, texts: Collection[int]) -> None:
    """These are over."""
    if texts:
        await connection.execute(REMOVE, {"texts": list(texts)})
