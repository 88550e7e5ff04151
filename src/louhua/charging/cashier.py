"""Asks whoever keeps prepaid money: before a text goes, and when it was delivered or was not.

Questions are rows, claimed for a while and asked again when their process died; whoever keeps the money knows what
comes again by its session.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from louhua.charging import reservations
from louhua.charging.credit import Ask, Credit, Settlement, Verdict
from louhua.charging.metrics import CREDIT
from louhua.charging.policy import Fate, fate_of, settle_again_after
from louhua.charging.reservations import Reservation, State
from louhua.config import Config
from louhua.db.pool import Connection, Pool
from louhua.texts.outbox import Listener
from louhua.texts.sender import Publish, announce
from louhua.texts.store import Failed, mark_failed, paid_for
from louhua.together import run_together

log = structlog.get_logger()

_AT_ONCE: Final = 500
_LOOK_EVERY_S: Final = 1.0
_CLAIMED_FOR: Final = timedelta(seconds=60)


class Cashier:
    """Of one process; several may work on one database. ``wake`` is called when texts may go."""

    def __init__(
        self,
        config: Config,
        pool: Pool,
        credit: Credit,
        listener: Listener,
        publish: Publish,
        wake: Callable[[], None],
    ) -> None:
        self._settings = config.charging
        self._pool = pool
        self._credit = credit
        self._listener = listener
        self._publish = publish
        self._wake = wake
        self._asks_came = asyncio.Event()
        self._ends_came = asyncio.Event()

    def look(self) -> None:
        """There may be something to ask."""
        self._asks_came.set()
        self._ends_came.set()

    async def run(self) -> None:
        """Work until cancelled."""
        await run_together(
            self._loop(self._asks_came, self.reserve_some), self._loop(self._ends_came, self.settle_some)
        )

    async def _loop(self, came: asyncio.Event, work: Callable[[], Awaitable[int]]) -> None:
        while True:
            try:
                while await work() == _AT_ONCE:
                    pass
            except psycopg.OperationalError as error:
                log.warning("cashier.database_away", error=str(error))
            came.clear()
            try:
                await asyncio.wait_for(came.wait(), _LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def reserve_some(self) -> int:
        """Ask for the money of some texts, and let them go or not; how many."""
        asked = await self._claim(State.ASKED)
        if not asked:
            return 0
        costly = [item for item in asked if item.amount]
        verdicts = dict.fromkeys((item.text_id for item in asked), Verdict.GRANTED)
        answers = await self._credit.reserve([_ask(item) for item in costly])
        verdicts.update(zip((item.text_id for item in costly), answers, strict=True))
        fates = {item.text_id: fate_of(verdicts[item.text_id], item.item, self._settings) for item in asked}
        now = datetime.now(UTC)
        async with self._pool.connection() as connection, connection.transaction():
            # Whoever took longer than its claim finds that somebody else has asked and stored the answer. Where
            # that is over even, what was set aside just now is given back.
            there = await reservations.of_texts(connection, list(fates))
            open_ = {text for text, item in there.items() if item.state is State.ASKED}
            fates = {text: fate for text, fate in fates.items() if text in open_}
            await self._let_go(connection, fates, there, now)
            await reservations.give_back(connection, [item for item in costly if item.text_id not in there], now)
            ending = [text for text, item in there.items() if item.amount and item.state is State.SETTLING]
            await reservations.asked_late(connection, ending)
            unsent = [Failed(text, fate.error, fate.retry) for text, fate in fates.items() if fate.retry]
            changes = await mark_failed(connection, unsent, now)
            events = await announce(connection, changes, self._listener)
        for verdict, count in Counter(verdicts[text] for text in fates).items():
            CREDIT.labels(verdict).inc(count)
        await self._publish(events)
        self._wake()
        return len(asked)

    async def _let_go(
        self, connection: Connection, fates: dict[int, Fate], there: Mapping[int, Reservation], now: datetime
    ) -> None:
        granted = [text for text, fate in fates.items() if fate.goes and not fate.given]
        given = {text: fate.given for text, fate in fates.items() if fate.given}
        unsent = {
            text: fate.unsure or there[text].asked_by_others for text, fate in fates.items() if not fate.goes
        }
        await reservations.granted(connection, granted)
        await reservations.waived(connection, given)
        await paid_for(connection, [*granted, *given], now)
        await reservations.settle(connection, {text: 0 for text, unsure in unsent.items() if unsure}, now)
        await reservations.remove(connection, [text for text, unsure in unsent.items() if not unsure])

    async def settle_some(self) -> int:
        """Tell what became of some reservations; how many."""
        ended = await self._claim(State.SETTLING)
        if not ended:
            return 0
        known = await self._credit.settle([_settlement(item) for item in ended])
        now = datetime.now(UTC)
        async with self._pool.connection() as connection, connection.transaction():
            done = [item.text_id for item, sure in zip(ended, known, strict=True) if sure]
            await reservations.settled(connection, done, now)
            later = {
                item.text_id: now + settle_again_after(item.attempts)
                for item, sure in zip(ended, known, strict=True)
                if not sure
            }
            await reservations.again(connection, later)
        return len(ended)

    async def _claim(self, state: State) -> list[Reservation]:
        now = datetime.now(UTC)
        async with self._pool.connection() as connection:
            return await reservations.claim(connection, state, now, now + _CLAIMED_FOR, _AT_ONCE)


def _ask(item: Reservation) -> Ask:
    return Ask(
        session=item.session,
        payer=item.payer,
        item=item.item,
        amount=item.amount,
        at=item.created_at,
        again=item.attempts > 1,
    )


def _settlement(item: Reservation) -> Settlement:
    return Settlement(
        session=item.session,
        payer=item.payer,
        item=item.item,
        used=item.used,
        at=item.created_at,
        again=item.attempts > 1,
    )
