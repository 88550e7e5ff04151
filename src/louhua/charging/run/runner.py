"""Goes through all subscribers and collects the rentals of a month: every day, as some come and some owe.

What is done with a chunk of subscribers is done in transactions that each leave the books right, so a kill leaves
nothing half-done; the next run begins anew and finds what is done. One run works on a database (an advisory lock).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from math import inf
from typing import Final

import msgspec
import psycopg
import structlog

from louhua.charging.catalogue import Catalogue
from louhua.charging.credit import Ask, Debits, Verdict
from louhua.charging.months import last_month, local_day, midnight_after
from louhua.charging.run import store
from louhua.charging.run.collecting import collect, told
from louhua.charging.run.rules import Rental, months_to_run, oldest, overdue, paid, refused, rental_of
from louhua.charging.store import Charge, add_charges, write_ledger
from louhua.config import Config
from louhua.db import locks
from louhua.db.locks import Lock
from louhua.db.pool import Connection, connect
from louhua.subscribers.store import hold

log = structlog.get_logger()

CHUNK: Final = 2000
_RETRY_S: Final = 60.0
_UNANSWERED_S: Final = 600.0
_AFTER_MIDNIGHT_S: Final = 5.0
_CLOCKS_DIFFER: Final = timedelta(hours=1)
"""The node's clock says when a run was, the database's when somebody came."""


class Tally(msgspec.Struct):
    """How far a run is, and what it did: ``amount`` in thousandths of a yuan; ``subscribers`` are all that were
    gone through, ``owing`` those of them who owe something still, ``unanswered`` the rentals that whoever keeps
    the money was asked for and said nothing."""

    subscribers: int = 0
    registered: int = 0
    collected: int = 0
    free: int = 0
    owing: int = 0
    suspended: int = 0
    resumed: int = 0
    unanswered: int = 0
    amount: int = 0

    def add(self, charges: Iterable[Charge]) -> None:
        """Count rows of the ledger."""
        for charge in charges:
            self.amount += charge.amount
            self.collected += charge.amount > 0
            self.free += charge.amount == 0


class Ending(StrEnum):
    """How a day's run ended."""

    DONE = "done"
    UNANSWERED = "unanswered"
    """Whoever keeps the money elsewhere did not answer to all."""
    BUSY = "busy"
    """Another run is at work."""


_AGAIN_S: Final = {Ending.UNANSWERED: _UNANSWERED_S, Ending.BUSY: _RETRY_S}

Progress = Callable[[Tally], None]


class RentalRun:
    """Collects rentals of one database. ``credit`` is asked where prepaid money is kept elsewhere; without it the
    rentals of these subscribers are owed until somebody comes who has it."""

    def __init__(self, config: Config, credit: Debits | None = None) -> None:
        self._config = config
        self._settings = config.charging
        self._credit = credit
        self._catalogue = Catalogue()

    async def run(self) -> None:
        """Run now, and soon after each midnight, until cancelled."""
        while True:
            wait_s, began = _RETRY_S, datetime.now(UTC)
            try:
                ending = await self.daily(began)
                # A run that ends on another day than it began on leaves this day to be run at once.
                left = midnight_after(began, self._config.service.zone) - datetime.now(UTC)
                wait_s = min(_AGAIN_S.get(ending, inf), max(0.0, left.total_seconds()) + _AFTER_MIDNIGHT_S)
            except psycopg.Error as error:
                log.warning("rental.waits", error=str(error))
            await asyncio.sleep(wait_s)

    async def daily(self, now: datetime) -> Ending:
        """Collect what is to be collected today."""
        today = local_day(now, self._config.service.zone)
        unanswered = 0
        async with self._locked() as connection:
            if connection is None:
                return Ending.BUSY
            before = await store.ran_on(connection, last_month(today))
            for month in months_to_run(today, before):
                since = await store.ran_on(connection, month)
                tally = await self._month(connection, month, now, since)
                if tally.collected or tally.free or tally.suspended or tally.resumed or tally.unanswered:
                    log.info("rental.collected", month=f"{month:%Y-%m}", **msgspec.to_builtins(tally))
                unanswered = tally.unanswered
        return Ending.UNANSWERED if unanswered else Ending.DONE

    async def month(
        self, month: date, now: datetime, progress: Progress = lambda _: None, *, everybody: bool = False
    ) -> Tally | None:
        """Collect the rentals of a month, named by its first day; ``None`` when another run is at work.

        Where the month was gone through before, only who is served since that day owes anything new: all others
        have been considered, and may have another plan by now. ``everybody``: they are considered again.
        """
        async with self._locked() as connection:
            if connection is None:
                return None
            since = None if everybody else await store.ran_on(connection, month)
            return await self._month(connection, month, now, since, progress)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[Connection | None]:
        async with connect(self._config) as connection:
            yield connection if await locks.take(connection, Lock.RENTALS) else None

    async def _month(
        self,
        connection: Connection,
        month: date,
        now: datetime,
        since: date | None,
        progress: Progress = lambda _: None,
    ) -> Tally:
        """Go through all subscribers; ``since``: only who is served from that day on owes anything new."""
        zone = self._config.service.zone
        tally = Tally()
        chunk = _Chunk(
            connection=connection,
            config=self._config,
            catalogue=self._catalogue,
            credit=self._credit,
            tally=tally,
            month=month,
            now=now,
            since=None if since is None else datetime.combine(since, time(0), zone) - _CLOCKS_DIFFER,
        )
        after = ""
        while numbers := await store.next_range(connection, after, CHUNK):
            await chunk.collect(numbers)
            after = numbers.upto
            progress(tally)
        await store.note_run(connection, month, local_day(now, zone))
        return tally


class _Chunk:
    """What is done with each chunk of subscribers."""

    def __init__(
        self,
        *,
        connection: Connection,
        config: Config,
        catalogue: Catalogue,
        credit: Debits | None,
        tally: Tally,
        month: date,
        now: datetime,
        since: datetime | None,
    ) -> None:
        self._connection = connection
        self._settings = config.charging
        self._zone = config.service.zone
        self._catalogue = catalogue
        self._credit = credit
        self._tally = tally
        self._month = month
        self._begins = datetime.combine(month, time(0), self._zone)
        self._now = now
        self._today = local_day(now, self._zone)
        self._since = since

    async def collect(self, numbers: store.Range) -> None:
        """Collect what is owed and end or begin suspensions; then charge what the month costs the others.

        In this order nobody is suspended for what he was not asked for before, and who is served again owes his
        month at once. Each is a transaction, which locks balances once, as reservations do.
        """
        refused = await self._debts_elsewhere(numbers)
        debtors = await store.owing(self._connection, numbers)
        resting = await store.resting(self._connection, numbers)
        if debtors or resting:
            await self._old(debtors, resting, refused)
        await self._month_elsewhere(await self._new(numbers))
        self._tally.subscribers += numbers.subscribers
        self._tally.registered += numbers.registered
        self._tally.owing += len(await store.owing(self._connection, numbers))

    async def _old(self, debtors: dict[str, bool], resting: list[str], refused: set[str]) -> None:
        """Debts and suspensions. Money that is kept elsewhere was asked for before: who was ``refused`` owes."""
        connection = self._connection
        async with connection.transaction():
            await write_ledger(connection)
            old = await collect(connection, debtors, self._settings, self._now)
            await hold(connection, sorted({*debtors, *resting}))
            resumed = await store.resume(connection, resting, self._now)
            before = overdue(self._today, self._settings.grace)
            midnight = datetime.combine(self._today, time(0), self._zone)
            suspended = await store.suspend(connection, {*old.owing, *refused}, before, midnight)
        told(old.charges, suspended, resumed)
        self._tally.add(old.charges)
        self._tally.suspended += len(suspended)
        self._tally.resumed += len(resumed)

    async def _new(self, numbers: store.Range) -> list[str]:
        """What the month costs those who have no rental of it yet; who of them is to pay beforehand."""
        connection, now = self._connection, self._now
        rows, charges, prepaid = [], [], []
        async with connection.transaction():
            await write_ledger(connection)
            await self._catalogue.refresh(connection)
            for payer, contract in await store.uncharged(
                connection, numbers, self._month, self._begins, self._since
            ):
                rental = rental_of(
                    payer, contract, self._month, self._today, self._catalogue, self._settings, self._zone
                )
                if rental is None:
                    continue
                if contract.prepaid and rental.due:
                    prepaid.append(payer)
                else:
                    rental, charge = paid(rental, rental.due, now, prepaid=contract.prepaid)
                    charges.append(charge)
                rows.append(rental)
            await store.add_rentals(connection, rows)
            await add_charges(connection, charges)
            of_balances = await collect(connection, dict.fromkeys(prepaid, True), self._settings, now)
        told([*charges, *of_balances.charges])
        self._tally.add([*charges, *of_balances.charges])
        return prepaid

    async def _debts_elsewhere(self, numbers: store.Range) -> set[str]:
        """Ask whoever keeps the money elsewhere for what is owed, of each payer one month after another, as long
        as it is granted; who has not enough.

        What was refused today is not asked for again before tomorrow. Of who pays afterwards by now only that is
        asked for to which an answer is awaited.
        """
        if self._credit is None:
            return set()
        prepaid = await store.owing(self._connection, numbers)
        payers, poor = list(prepaid), set()
        while payers:
            rentals = [
                rental
                for rental in oldest(await store.owed(self._connection, payers, lock=False))
                if prepaid[rental.payer] or rental.asking
            ]
            asked = [rental for rental in rentals if rental.refused_on != self._today]
            verdicts = await self._debit(self._credit, asked)
            poor |= {rental.payer for rental in rentals if rental.refused_on == self._today}
            poor |= {payer for payer, verdict in verdicts.items() if verdict is Verdict.REFUSED}
            payers = [payer for payer, verdict in verdicts.items() if verdict is Verdict.GRANTED]
        return poor

    async def _month_elsewhere(self, payers: Sequence[str]) -> None:
        """Ask for the month of those to whom it is new; who owes for an earlier one was asked for that today."""
        if self._credit is None or not payers:
            return
        rentals = oldest(await store.owed(self._connection, payers, lock=False))
        new = [rental for rental in rentals if rental.month == self._month]
        await self._debit(self._credit, new)

    async def _debit(self, credit: Debits, rentals: Sequence[Rental]) -> dict[str, Verdict]:
        """Ask for these, one of each payer; the answers.

        That they are asked for is written before, the answers when they are there: no transaction waits for them.
        What was granted before a kill is granted again by its session, and written then.
        """
        if not rentals:
            return {}
        await store.asking(self._connection, [rental for rental in rentals if not rental.asking])
        answers = await credit.debit([_ask(rental, self._now) for rental in rentals])
        verdicts = {(rental.payer, rental.month): said for rental, said in zip(rentals, answers, strict=True)}
        async with self._connection.transaction():
            await write_ledger(self._connection)
            charges, changed = [], []
            for rental in await store.owed(self._connection, {payer for payer, _ in verdicts}, lock=True):
                match verdicts.get((rental.payer, rental.month)):
                    case Verdict.GRANTED:
                        after, charge = paid(rental, rental.owed, self._now, prepaid=True)
                        changed.append(after)
                        charges.append(charge)
                    case Verdict.REFUSED:
                        changed.append(refused(rental, self._today))
                    case Verdict.AWAY:
                        self._tally.unanswered += 1
                    case _:
                        pass
            await add_charges(self._connection, charges)
            await store.change_rentals(self._connection, changed)
        told(charges)
        self._tally.add(charges)
        return {payer: said for (payer, _), said in verdicts.items()}


def _ask(rental: Rental, now: datetime) -> Ask:
    return Ask(
        session=rental.session,
        payer=rental.payer,
        item="rental",
        amount=rental.owed,
        at=now,
        again=rental.asking,
    )
