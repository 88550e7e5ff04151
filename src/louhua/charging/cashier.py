"""Asks whoever keeps prepaid money: before a text goes, and when it was delivered or was not.

Questions are rows, claimed for a while and asked again when their process died; whoever keeps the money knows what
comes again by its session.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from louhua.charging import reservations
from louhua.charging.credit import Ask, Credit, Settled, Settlement, Verdict
from louhua.charging.metrics import CREDIT
from louhua.charging.policy import TELL_ANEW_AFTER, Fate, fate_of, settle_again_after
from louhua.charging.reservations import Reservation, State
from louhua.config import Config
from louhua.creditors import Charging
from louhua.db.pool import Connection, Pool
from louhua.texts.outbox import Listener
from louhua.texts.sender import Publish, announce
from louhua.texts.store import Failed, mark_failed, paid_for
from louhua.together import run_together

log = structlog.get_logger()

_LOOK_EVERY_S: Final = 1.0
_CLAIMED_FOR: Final = timedelta(seconds=60)
_AT_ONCE: Final = {"here": 500, "diameter": 100}
_SIDE_BY_SIDE: Final = {"here": 1, "diameter": 5}
"""By keeper: in a batch all wait for the slowest answer, so where one may be lost few wait together."""


def at_once(settings: Charging) -> int:
    """How many texts a batch has: not more than have their turn soon where only so many may be without answer."""
    most = _AT_ONCE[settings.keeper]
    if settings.keeper == "here" or settings.diameter is None:
        return most
    return max(1, min(most, settings.diameter.window // 5))


class _Queue:
    """What is to be asked or told. One of those who work on it waits at a time, so that nobody looks in vain."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.came = asyncio.Event()
        self.turn = asyncio.Lock()
        self.more = True
        """Whether there may be something without having come."""


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
        self._at_once = at_once(config.charging)
        self._asks = _Queue(State.ASKED)
        self._ends = _Queue(State.SETTLING)

    def look(self) -> None:
        """There may be something to ask."""
        self._asks.came.set()
        self._ends.came.set()

    async def run(self) -> None:
        """Work until cancelled."""
        side_by_side = range(_SIDE_BY_SIDE[self._settings.keeper])
        await run_together(
            *(self._work(self._asks, self._reserve) for _ in side_by_side),
            *(self._work(self._ends, self._settle) for _ in side_by_side),
        )

    async def _work(self, queue: _Queue, work: Callable[[list[Reservation]], Awaitable[None]]) -> None:
        while True:
            try:
                await work(await self._next(queue))
            except psycopg.OperationalError as error:
                log.warning("cashier.database_away", error=str(error))

    async def _next(self, queue: _Queue) -> list[Reservation]:
        """The next batch, as soon as there is one."""
        async with queue.turn:
            while True:
                if not queue.more:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(queue.came.wait(), _LOOK_EVERY_S)
                queue.came.clear()  # before the look: what comes meanwhile is seen by the next one
                queue.more = False
                items = await self._claim(queue.state)
                queue.more = len(items) == self._at_once
                if items:
                    return items

    async def _reserve(self, asked: list[Reservation]) -> None:
        """Ask for the money of these texts, and let them go or not."""
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

    async def _settle(self, ended: list[Reservation]) -> None:
        """Tell what became of these reservations."""
        known = await self._credit.settle([_settlement(item) for item in ended])
        now = datetime.now(UTC)
        told = list(zip(ended, known, strict=True))
        done = [item.text_id for item, said in told if said is Settled.DONE]
        late = [item.text_id for item, said in told if said is Settled.LATE and not item.late]
        # What nobody was told is as new, so that an unknown session is known to have taken nothing.
        new = [
            item.text_id for item, said in told
            if said is Settled.UNSENT and item.used and item.attempts == 1
        ]  # fmt: skip
        over = {*done, *late, *new}
        again = [item for item in ended if item.text_id not in over]
        async with self._pool.connection() as connection, connection.transaction():
            await reservations.settled(connection, done, now)
            await reservations.late(connection, late, now + settle_again_after(1))
            await reservations.anew(connection, new, now + TELL_ANEW_AFTER)
            await reservations.again(
                connection, {item.text_id: now + settle_again_after(item.attempts) for item in again}
            )

    async def _claim(self, state: State) -> list[Reservation]:
        now = datetime.now(UTC)
        async with self._pool.connection() as connection:
            return await reservations.claim(connection, state, now, now + _CLAIMED_FOR, self._at_once)


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
        again=item.attempts > 1 or item.late,
        late=item.late,
    )
