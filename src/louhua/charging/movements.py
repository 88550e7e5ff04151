"""Money that staff moves: top-ups, adjustments, refunds.

Each is a row of the ledger that says why and by whom, and never changes; with it the balance moves.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from louhua.charging import balances
from louhua.charging.balances import Money
from louhua.charging.months import local_day, month_of
from louhua.charging.run import store as rentals
from louhua.charging.run.collecting import collect, told
from louhua.charging.store import Charge, add_charges, write_ledger
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.money import yuan
from louhua.subscribers.profiles import STRANGER
from louhua.subscribers.store import contracts, hold

LONGEST_KEY: Final = 60
LONGEST_REASON: Final = 200

Kind = Literal["top_up", "adjustment", "refund"]

# Unique index charge_once.
MOVED: Final = "SELECT kind, payer, amount, refunds FROM charging_charge WHERE event = %(event)s"

# Primary key. Whoever gives back of a row waits for who does already.
LOCK_CHARGE: Final = """
SELECT payer, kind, amount, prepaid FROM charging_charge WHERE id = %(id)s FOR NO KEY UPDATE
"""

# Index charge_payer, one payer's range of it.
GIVEN_BACK: Final = """
SELECT coalesce(-sum(amount), 0)::bigint FROM charging_charge WHERE payer = %(payer)s AND refunds = %(id)s
"""


class CannotMove(Exception):
    """The money cannot be moved so; says the way out."""


class Moved(msgspec.Struct, frozen=True):
    """What became of a movement: ``done`` is false when its key has been used for the very same before.

    Amounts in thousandths of a yuan: ``amount`` as the ledger has it, what comes in or back is negative;
    ``rentals`` is what a top-up paid at once of rentals that were owed.
    """

    payer: str
    amount: int
    done: bool
    rentals: int = 0
    resumed: bool = False


def to_give_back(charge_id: int, kind: str, left: int, wanted: int | None) -> int:
    """How much of a charge is given back: what is ``wanted``, or all that is ``left``; raises ``CannotMove``."""
    if kind not in ("usage", "rental"):
        raise CannotMove(f"charge {charge_id} is of the kind {kind}; only usage and rentals are given back")
    given = left if wanted is None else wanted
    if given > left or given <= 0:
        raise CannotMove(f"of charge {charge_id} {yuan(left)} yuan are left to give back")
    return given


def _is_plain(text: str) -> bool:
    """Whether it can be stored and shown: no control characters, nothing that was not UTF-8.

    The wide blank of Chinese texts is as good as any.
    """
    return text.replace("\u3000", " ").isprintable()


class Movements:
    """Moves money of one platform's subscribers; every method is a transaction of its own on the connection.

    ``now`` is when; ``author`` is who is logged in, ``reason`` for people; the same ``key`` moves the money once.
    """

    def __init__(self, config: Config, now: datetime) -> None:
        self._settings = config.charging
        self._zone = config.service.zone
        self._now = now

    async def top_up(
        self, connection: Connection, number: str, amount: int, author: str, reason: str, key: str
    ) -> Moved:
        """Put money on a prepaid subscriber's balance; what he owes of rentals is taken of it at once.

        Raises ``CannotMove``.
        """
        if amount <= 0:
            raise CannotMove("a top-up is more than nothing; to take money off use: louhua billing adjust")
        self._check(reason, key)
        async with connection.transaction():
            await write_ledger(connection)
            if not await self._prepaid(connection, number):
                raise CannotMove(f"{number} pays afterwards and has no balance; to credit the bill use: adjust")
            self._check_kept_here()
            row = self._row("top_up", number, -amount, author, reason, key, prepaid=True)
            if not await self._write(connection, row):
                return Moved(number, -amount, done=False)
            paid = await collect(connection, {number: True}, self._settings, self._now)
            await hold(connection, [number])
            resumed = await rentals.resume(connection, [number], self._now)
        told(paid.charges, resumed=resumed)
        taken = sum(charge.amount for charge in paid.charges)
        return Moved(number, -amount, done=True, rentals=taken, resumed=bool(resumed))

    async def adjust(
        self, connection: Connection, number: str, amount: int, author: str, reason: str, key: str
    ) -> Moved:
        """Charge a subscriber an amount, or credit it where it is negative: off or on the balance, or on the bill.

        Raises ``CannotMove``, also for more than is available of a balance.
        """
        if not amount:
            raise CannotMove("an adjustment of nothing changes nothing; name an amount, as 5.00 or -5.00")
        self._check(reason, key)
        async with connection.transaction():
            await write_ledger(connection)
            prepaid = await self._prepaid(connection, number)
            if prepaid:
                self._check_kept_here()
            row = self._row("adjustment", number, amount, author, reason, key, prepaid=prepaid)
            return Moved(number, amount, done=await self._write(connection, row))

    async def refund(
        self, connection: Connection, charge_id: int, amount: int | None, author: str, reason: str, key: str
    ) -> Moved:
        """Give back an amount of a charge, or all that is left of it; raises ``CannotMove``."""
        self._check(reason, key)
        async with connection.transaction():
            await write_ledger(connection)
            found = await (await connection.execute(LOCK_CHARGE, {"id": charge_id})).fetchone()
            if found is None:
                raise CannotMove(f"there is no charge {charge_id}; louhua billing explain shows their numbers")
            payer, kind, charged, prepaid = found
            if prepaid:
                self._check_kept_here()
            before = await self._known(connection, f"refund:{key}")
            if before is not None and before[3] == charge_id and amount in (None, -before[2]):
                return Moved(payer, before[2], done=False)
            row = await (await connection.execute(GIVEN_BACK, {"payer": payer, "id": charge_id})).fetchone()
            given = to_give_back(charge_id, kind, charged - (row[0] if row else 0), amount)
            charge = self._row("refund", payer, -given, author, reason, key, prepaid=prepaid, of=charge_id)
            return Moved(payer, -given, done=await self._write(connection, charge))

    def _check(self, reason: str, key: str) -> None:
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise CannotMove(f"say why: a reason of 1 to {LONGEST_REASON} characters")
        if not key or len(key) > LONGEST_KEY:
            raise CannotMove(f"a key has 1 to {LONGEST_KEY} characters")
        for name, text in (("reason", reason), ("key", key)):
            if not _is_plain(text):
                raise CannotMove(f"a {name} is one line of plain text in UTF-8, without control characters")

    def _check_kept_here(self) -> None:
        if self._settings.keeper != "here":
            raise CannotMove(
                "prepaid money is kept elsewhere (charging.keeper): move it in the online charging system"
            )

    async def _prepaid(self, connection: Connection, number: str) -> bool:
        """Whether somebody pays beforehand: who is not known pays afterwards."""
        return (await contracts(connection, [number])).get(number, STRANGER).prepaid

    def _row(
        self,
        kind: Kind,
        payer: str,
        amount: int,
        author: str,
        reason: str,
        key: str,
        *,
        prepaid: bool,
        of: int | None = None,
    ) -> Charge:
        return Charge(
            event=f"{kind}:{key}",
            kind=kind,
            payer=payer,
            month=month_of(local_day(self._now, self._zone)),
            at=self._now,
            price=amount,
            amount=amount,
            why="",
            prepaid=prepaid,
            refunds=of,
            reason=reason.strip(),
            author=author,
        )

    async def _write(self, connection: Connection, row: Charge) -> bool:
        """Write a row and move the balance; false when just this was done before."""
        money = await balances.lock_one(connection, row.payer) if row.prepaid else None
        if not await add_charges(connection, [row]):
            before = await self._known(connection, row.event)
            if before != (row.kind, row.payer, row.amount, row.refunds):
                raise CannotMove("this key was used for another movement; use another, or none")
            return False
        if money is not None:
            if row.amount > 0 and row.amount > money.available:
                raise CannotMove(f"only {yuan(money.available)} yuan are available; charge no more")
            await balances.change(connection, [(row.payer, Money(-row.amount))])
        return True

    async def _known(self, connection: Connection, event: str) -> tuple[str, str, int, int | None] | None:
        found = await (await connection.execute(MOVED, {"event": event})).fetchone()
        return None if found is None else (found[0], found[1], found[2], found[3])
