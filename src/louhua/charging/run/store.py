"""Rentals, who is asked for them, and suspensions, in PostgreSQL: the subscribers are gone through by number.

Who changes several kinds of rows locks them in this order, those of one kind by number: the ledger, balances,
rentals, subscribers.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final

import msgspec

from louhua.charging.run.rules import Rental
from louhua.db.pool import Connection
from louhua.subscribers.profiles import Contract
from louhua.subscribers.store import contract_of

# Index-only, from its beginning.
COUNT: Final = "SELECT count(*) FROM subscribers_subscriber"

# Primary key from %(after)s on.
NEXT_RANGE: Final = """
SELECT max(number), count(*), count(*) FILTER (WHERE status = 'registered')
  FROM (SELECT number, status FROM subscribers_subscriber
         WHERE number > %(after)s ORDER BY number LIMIT %(limit)s) AS following
"""

# A range of the primary key; primary key of the rentals. Who has left, or is suspended, since the month began has
# been served in it. Of rows older than the columns, what is not known began with the row.
UNCHARGED: Final = """
SELECT s.number, s.plan, s.next_plan, s.next_plan_on, s.prepaid, coalesce(s.activated_at, s.created_at),
       coalesce(s.served_since, s.created_at)
  FROM subscribers_subscriber AS s
 WHERE s.number > %(after)s AND s.number <= %(upto)s
   AND (s.status = 'registered' OR s.served_until > %(begins)s)
   AND (%(since)s::timestamptz IS NULL OR coalesce(s.served_since, s.created_at) >= %(since)s)
   AND NOT EXISTS (SELECT 1 FROM charging_rental AS r WHERE r.payer = s.number AND r.month = %(month)s)
 ORDER BY s.number
"""

# Primary key.
ADD_RENTALS: Final = """
INSERT INTO charging_rental (payer, month, plan, version, price, due, why, days, since, collected, parts, refusals,
                             refused_on, asking)
SELECT payer, month, plan, version, price, due, why, days, since, collected, parts, refusals, refused_on, asking
  FROM json_to_recordset(%(rows)s::json)
    AS given (payer text, month date, plan text, version int, price bigint, due bigint, why text, days int,
              since date, collected bigint, parts int, refusals int, refused_on date, asking bool)
 ORDER BY payer
"""

# A range of the partial index rental_owing; primary key.
OWING: Final = """
SELECT DISTINCT r.payer, s.prepaid
  FROM charging_rental AS r JOIN subscribers_subscriber AS s ON s.number = r.payer
 WHERE r.payer > %(after)s AND r.payer <= %(upto)s AND r.collected < r.due
"""

# Partial index rental_owing, in the order of the payers and months.
OWED: Final = """
SELECT r.payer, r.month, r.plan, r.version, r.price, r.due, r.why, r.days, r.since, r.collected, r.parts,
       r.refusals, r.refused_on, r.asking
  FROM charging_rental AS r
 WHERE r.payer = ANY(%(payers)s) AND r.collected < r.due
 ORDER BY r.payer, r.month
"""
LOCK_OWED: Final = OWED + "FOR UPDATE"

# Primary key; the rows are locked by LOCK_OWED.
CHANGE_RENTALS: Final = """
UPDATE charging_rental AS r
   SET collected = given.collected, parts = given.parts, refusals = given.refusals, refused_on = given.refused_on,
       asking = given.asking
  FROM unnest(%(payers)s::text[], %(months)s::date[], %(collected)s::bigint[], %(parts)s::int[],
              %(refusals)s::int[], %(refused_on)s::date[], %(asking)s::bool[])
    AS given (payer, month, collected, parts, refusals, refused_on, asking)
 WHERE r.payer = given.payer AND r.month = given.month
"""

# Primary key.
ASKING: Final = """
UPDATE charging_rental AS r SET asking = true
  FROM unnest(%(payers)s::text[], %(months)s::date[]) AS given (payer, month)
 WHERE r.payer = given.payer AND r.month = given.month
"""

# Primary-key look-ups of rows that are held; partial index rental_owing. Who owes since before %(before)s is
# suspended, and not served on this day any more: on the first of a month he owes nothing for it.
SUSPEND: Final = """
UPDATE subscribers_subscriber AS s SET status = 'owing', served_until = %(midnight)s, updated_at = now()
 WHERE s.number = ANY(%(payers)s) AND s.status = 'registered'
   AND EXISTS (SELECT 1 FROM charging_rental AS r
                WHERE r.payer = s.number AND r.collected < r.due AND r.since < %(before)s)
RETURNING s.number
"""

# A range of the primary key.
RESTING: Final = """
SELECT number FROM subscribers_subscriber WHERE number > %(after)s AND number <= %(upto)s AND status = 'owing'
"""

# Primary-key look-ups of rows that are held; partial index rental_owing. Whom staff has suspended stays so.
RESUME: Final = """
UPDATE subscribers_subscriber AS s
   SET status = 'registered', served_since = %(now)s, served_until = NULL, updated_at = now()
 WHERE s.number = ANY(%(payers)s) AND s.status = 'owing'
   AND NOT EXISTS (SELECT 1 FROM charging_rental AS r WHERE r.payer = s.number AND r.collected < r.due)
RETURNING s.number
"""

# Primary key.
RAN: Final = "SELECT ran_on FROM charging_rentalrun WHERE month = %(month)s"
NOTE_RUN: Final = """
INSERT INTO charging_rentalrun AS r (month, ran_on) VALUES (%(month)s, %(day)s)
    ON CONFLICT (month) DO UPDATE SET ran_on = greatest(r.ran_on, excluded.ran_on)
"""


class Range(msgspec.Struct, frozen=True):
    """Subscribers whose numbers follow each other: those after ``after`` up to ``upto``."""

    after: str
    upto: str
    subscribers: int
    registered: int


async def count(connection: Connection) -> int:
    """How many subscribers are known."""
    row = await (await connection.execute(COUNT)).fetchone()
    return int(row[0]) if row else 0


async def next_range(connection: Connection, after: str, limit: int) -> Range | None:
    """The next subscribers; ``None`` when there are no more."""
    row = await (await connection.execute(NEXT_RANGE, {"after": after, "limit": limit})).fetchone()
    return Range(after, row[0], row[1], row[2]) if row and row[0] else None


async def uncharged(
    connection: Connection, numbers: Range, month: date, begins: datetime, since: datetime | None
) -> list[tuple[str, Contract]]:
    """Who was served in this month, which ``begins`` then, and has no rental of it; ``since``: only those who are
    served from then on."""
    parameters = {
        "after": numbers.after, "upto": numbers.upto, "month": month, "begins": begins, "since": since,
    }  # fmt: skip
    cursor = await connection.execute(UNCHARGED, parameters)
    return [(number, contract_of(True, *columns)) for number, *columns in await cursor.fetchall()]


async def add_rentals(connection: Connection, rentals: Sequence[Rental]) -> None:
    """Store rentals that are not there."""
    if rentals:
        await connection.execute(ADD_RENTALS, {"rows": msgspec.json.encode(rentals).decode()})


async def owing(connection: Connection, numbers: Range) -> dict[str, bool]:
    """Who owes something, and whether he pays beforehand."""
    cursor = await connection.execute(OWING, {"after": numbers.after, "upto": numbers.upto})
    return dict(await cursor.fetchall())


async def owed(connection: Connection, payers: Collection[str], *, lock: bool) -> list[Rental]:
    """What these owe, by payer and month; ``lock``: nobody else changes it before the end of the transaction."""
    statement = LOCK_OWED if lock else OWED
    cursor = await connection.execute(statement.encode(), {"payers": sorted(payers)})
    return [
        Rental(
            payer=payer, month=month, plan=plan, version=version, price=price, due=due, why=why, days=days,
            since=since, collected=collected, parts=parts, refusals=refusals, refused_on=refused_on,
            asking=asking,
        )
        for (
            payer, month, plan, version, price, due, why, days, since, collected, parts, refusals, refused_on,
            asking,
        ) in await cursor.fetchall()
    ]  # fmt: skip


async def change_rentals(connection: Connection, rentals: Sequence[Rental]) -> None:
    """Store what was collected, or refused, of rentals that are locked."""
    if rentals:
        await connection.execute(
            CHANGE_RENTALS,
            {
                "payers": [rental.payer for rental in rentals],
                "months": [rental.month for rental in rentals],
                "collected": [rental.collected for rental in rentals],
                "parts": [rental.parts for rental in rentals],
                "refusals": [rental.refusals for rental in rentals],
                "refused_on": [rental.refused_on for rental in rentals],
                "asking": [rental.asking for rental in rentals],
            },
        )


async def asking(connection: Connection, rentals: Sequence[Rental]) -> None:
    """Whoever keeps the money is being asked for these."""
    if rentals:
        await connection.execute(
            ASKING,
            {
                "payers": [rental.payer for rental in rentals],
                "months": [rental.month for rental in rentals],
            },
        )


async def suspend(connection: Connection, payers: Collection[str], before: date, midnight: datetime) -> list[str]:
    """Suspend those of these, who are held, who owe since before a day, from the last ``midnight`` on; who was."""
    if not payers:
        return []
    parameters = {"payers": sorted(payers), "before": before, "midnight": midnight}
    return [row[0] for row in await (await connection.execute(SUSPEND, parameters)).fetchall()]


async def resting(connection: Connection, numbers: Range) -> list[str]:
    """Who is suspended for what is owed."""
    cursor = await connection.execute(RESTING, {"after": numbers.after, "upto": numbers.upto})
    return [row[0] for row in await cursor.fetchall()]


async def resume(connection: Connection, payers: Collection[str], now: datetime) -> list[str]:
    """End the suspensions of those of these, who are held, who owe nothing any more; who is registered again."""
    if not payers:
        return []
    parameters = {"payers": sorted(payers), "now": now}
    return [row[0] for row in await (await connection.execute(RESUME, parameters)).fetchall()]


async def ran_on(connection: Connection, month: date) -> date | None:
    """When the rentals of a month were gone through to the end last."""
    row = await (await connection.execute(RAN, {"month": month})).fetchone()
    return row[0] if row else None


async def note_run(connection: Connection, month: date, day: date) -> None:
    """The rentals of a month were gone through to the end today."""
    await connection.execute(NOTE_RUN, {"month": month, "day": day})
