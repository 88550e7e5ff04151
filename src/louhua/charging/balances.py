"""Prepaid money that is kept here: a balance for each payer, parts of which are set aside for texts on their way.

The balance is what the prepaid rows of the ledger leave, and what was delivered and is not settled yet.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from louhua.charging.credit import Ask, Settled, Settlement, Verdict
from louhua.db.pool import Connection, Pool

# Primary key, in the order of the payers, as every writer goes.
LOCK_BALANCES: Final = """
SELECT b.payer, b.balance, b.reserved
  FROM charging_balance AS b WHERE b.payer = ANY(%(payers)s) ORDER BY b.payer FOR UPDATE
"""

# Primary key.
BALANCE: Final = "SELECT b.balance, b.reserved FROM charging_balance AS b WHERE b.payer = %(payer)s"

# Primary-key look-ups; the rows are locked by LOCK_BALANCES.
CHANGE_BALANCES: Final = """
UPDATE charging_balance AS b
   SET balance = b.balance + given.balance, reserved = b.reserved + given.reserved, updated_at = now()
  FROM unnest(%(payers)s::text[], %(balances)s::bigint[], %(reserved)s::bigint[])
    AS given (payer, balance, reserved)
 WHERE b.payer = given.payer
"""

# Primary key.
OPEN_BALANCE: Final = """
INSERT INTO charging_balance (payer, balance, reserved, updated_at) VALUES (%(payer)s, 0, 0, now())
    ON CONFLICT (payer) DO NOTHING
"""

# Primary-key look-ups.
HELD: Final = "SELECT session FROM charging_hold WHERE session = ANY(%(sessions)s)"

# Appends only.
HOLD: Final = """
INSERT INTO charging_hold (session, payer, amount)
SELECT session, payer, amount
  FROM unnest(%(sessions)s::text[], %(payers)s::text[], %(amounts)s::bigint[]) AS given (session, payer, amount)
"""

# Primary-key look-ups.
RELEASE: Final = "DELETE FROM charging_hold WHERE session = ANY(%(sessions)s) RETURNING session, payer, amount"


class Money(msgspec.Struct, frozen=True):
    """What a payer has, in thousandths of a yuan: ``reserved`` is a part of ``balance``."""

    balance: int = 0
    reserved: int = 0

    @property
    def available(self) -> int:
        """What can be spent now."""
        return self.balance - self.reserved


NOTHING: Final = Money()


class Balances:
    """``Credit`` for money in PostgreSQL. It raises ``psycopg.OperationalError`` when that is away: then nobody is
    told of texts either, and the same is asked again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reserve(self, asks: Sequence[Ask]) -> list[Verdict]:
        """Set money aside, all or nothing for each, one after another."""
        if not asks:
            return []
        async with self._pool.connection() as connection, connection.transaction():
            money = await lock(connection, {ask.payer for ask in asks})
            # Whoever asked the same at this moment has committed now that its payer's row is ours.
            cursor = await connection.execute(HELD, {"sessions": [ask.session for ask in asks]})
            verdicts, new = judged(asks, money, {row[0] for row in await cursor.fetchall()})
            if new:
                await connection.execute(
                    HOLD,
                    {
                        "sessions": [ask.session for ask in new],
                        "payers": [ask.payer for ask in new],
                        "amounts": [ask.amount for ask in new],
                    },
                )
                await change(connection, [(ask.payer, Money(0, ask.amount)) for ask in new])
        return verdicts

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """End reservations; one that is not there has ended before."""
        if settlements:
            used = {given.session: given.used for given in settlements}
            async with self._pool.connection() as connection, connection.transaction():
                await lock(connection, {given.payer for given in settlements})
                cursor = await connection.execute(RELEASE, {"sessions": list(used)})
                await change(
                    connection,
                    [
                        (payer, Money(-used[session], -amount))
                        for session, payer, amount in await cursor.fetchall()
                    ],
                )
        return [Settled.DONE] * len(settlements)


def judged(
    asks: Sequence[Ask], money: Mapping[str, Money], held: Collection[str]
) -> tuple[list[Verdict], list[Ask]]:
    """The answers to asks of which some are ``held`` already, and those that are newly granted."""
    left = {payer: has.available for payer, has in money.items()}
    known, verdicts, new = set(held), [], []
    for ask in asks:
        if ask.session in known:
            verdicts.append(Verdict.GRANTED)
        elif ask.payer in left and ask.amount <= left[ask.payer]:
            left[ask.payer] -= ask.amount
            known.add(ask.session)
            verdicts.append(Verdict.GRANTED)
            new.append(ask)
        else:
            verdicts.append(Verdict.REFUSED)
    return verdicts, new


async def balance_of(connection: Connection, payer: str) -> Money | None:
    """What a payer has; ``None``: there is no balance."""
    row = await (await connection.execute(BALANCE, {"payer": payer})).fetchone()
    return None if row is None else Money(row[0], row[1])


async def lock(connection: Connection, payers: Iterable[str]) -> dict[str, Money]:
    """What those have who have a balance; nobody else changes it before the end of the transaction."""
    cursor = await connection.execute(LOCK_BALANCES, {"payers": sorted(set(payers))})
    return {payer: Money(balance, reserved) for payer, balance, reserved in await cursor.fetchall()}


async def lock_one(connection: Connection, payer: str) -> Money:
    """What a payer has, who has a balance from now on."""
    await connection.execute(OPEN_BALANCE, {"payer": payer})
    return (await lock(connection, [payer]))[payer]


async def change(connection: Connection, changes: Iterable[tuple[str, Money]]) -> None:
    """Add to balances (less than nothing is taken off) whose rows are locked; a payer may come several times."""
    sums: dict[str, Money] = {}
    for payer, more in changes:
        has = sums.get(payer, NOTHING)
        sums[payer] = Money(has.balance + more.balance, has.reserved + more.reserved)
    if sums:
        await connection.execute(
            CHANGE_BALANCES,
            {
                "payers": list(sums),
                "balances": [has.balance for has in sums.values()],
                "reserved": [has.reserved for has in sums.values()],
            },
        )
