"""Prepaid money at an online charging system: reservations, settlements and debits as Diameter requests."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import structlog

from louhua.charging.credit import Ask, Settled, Settlement, Verdict
from louhua.charging.diameter.breaker import Breaker
from louhua.charging.diameter.link import BREATH, Link, Silence
from louhua.charging.diameter.messages import debit, read, reservation, termination
from louhua.charging.diameter.metrics import HANGS, REQUESTS, UNKNOWN_SESSIONS
from louhua.charging.diameter.results import Answer, debited, is_less, is_lost, reserved, settled, settled_late
from louhua.creditors import Diameter
from louhua.health import Check
from louhua.numbers import masked
from louhua.together import run_together

log = structlog.get_logger()

_SILENT: Final = 20
"""Requests in a row without answer, or as many as the window has, after which the others are held back."""
_TURN_S: Final = 8.0
"""A text, or a settlement, that has no place in the window by then is away. Two such waits and two of the longest
``timeout`` are over within the minute for which whoever asks has claimed it."""
_UNSENT: Final = frozenset({Silence.NO_PEER, Silence.NO_TURN, Silence.HELD_BACK})
"""Of a settlement these mean that nobody has it."""


class _Lane:
    """Requests that wait for each other: a part of the window, and what is known of the silence in it."""

    def __init__(self, window: int) -> None:
        self.window = asyncio.Semaphore(window)
        self.breaker = Breaker(min(window, _SILENT))


class OnlineCharging:
    """``Credit`` over Diameter Credit-Control. ``run`` keeps the connections; without one everybody is away."""

    def __init__(self, config: Diameter) -> None:
        self._config = config
        self._timeout_s = config.timeout.total_seconds()
        debits = max(1, config.window // 4)
        self._texts, self._debited = _Lane(max(1, config.window - debits)), _Lane(debits)
        self._connected = asyncio.Event()
        numbers = _identifiers()
        self._links = [Link(peer, config, numbers, self._changed) for peer in config.peers]

    async def run(self) -> None:
        """Stay connected to every peer until cancelled."""
        await run_together(*(link.run() for link in self._links))

    async def connected(self) -> None:
        """Wait until a peer takes requests."""
        await self._connected.wait()

    def _changed(self) -> None:
        if any(link.up for link in self._links):
            self._connected.set()
        else:
            self._connected.clear()

    def health(self) -> Check:
        """The detail names the peers that take no requests, and why.

        The role is well without them: what becomes of texts meanwhile is a policy.
        """
        away = [f"{link.address}: {link.why}" for link in self._links if not link.up]
        hangs = [
            f"no {what} is answered; one a second is tried"
            for what, lane in (("reservation", self._texts), ("debit", self._debited))
            if lane.breaker.open
        ]
        return Check(ok=True, detail="; ".join(away + hangs))

    async def reserve(self, asks: Sequence[Ask]) -> list[Verdict]:
        """Set money aside, all or nothing for each."""
        questions = [(reservation, ask) for ask in asks]
        return _judged(reserved, asks, _heard(await self._exchange("reserve", questions, _TURN_S)))

    async def debit(self, asks: Sequence[Ask]) -> list[Verdict]:
        """Take money at once."""
        return _judged(debited, asks, await self._debits(asks))

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """End reservations; what was used of a session that the server does not know is debited."""
        known = [given for given in settlements if not given.late]
        answers = await self._exchange("settle", [(termination, given) for given in known], _TURN_S)
        said = dict.fromkeys((given.session for given in settlements), Settled.LATE)
        for given, answer in zip(known, answers, strict=True):
            if isinstance(answer, Silence):
                said[given.session] = Settled.UNSENT if answer in _UNSENT else Settled.AGAIN
                continue
            said[given.session] = settled(answer, given)
            if said[given.session] is Settled.AGAIN:
                log.warning("diameter.not_settled", payer=masked(given.payer), code=answer.code)
            if said[given.session] is Settled.DONE and is_lost(answer, given):
                UNKNOWN_SESSIONS.labels("unclear").inc()
        late = [given for given in settlements if said[given.session] is Settled.LATE]
        said.update(zip((given.session for given in late), await self._settle_late(late), strict=True))
        return [said[given.session] for given in settlements]

    async def _settle_late(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """Debit what was used of sessions that the server does not know, each by a session of its own."""
        asks = [_late(given) for given in settlements]
        found = []
        for ask, answer in zip(asks, await self._debits(asks, _TURN_S), strict=True):
            found.append(settled_late(answer, ask.amount))
            if answer is None or found[-1] is Settled.LATE:
                continue
            refused = debited(answer, ask.amount) is Verdict.REFUSED
            UNKNOWN_SESSIONS.labels("refused" if refused else "debited").inc()
            if refused:
                log.warning("diameter.late_refused", payer=masked(ask.payer), amount=ask.amount, code=answer.code)
        return found

    async def _debits(self, asks: Sequence[Ask], within_s: float | None = None) -> list[Answer | None]:
        answers = _heard(await self._exchange("debit", [(debit, ask) for ask in asks], within_s))
        for ask, answer in zip(asks, answers, strict=True):
            if answer is not None and is_less(answer, ask.amount):
                log.warning(
                    "diameter.debited_less", payer=masked(ask.payer), asked=ask.amount, debited=answer.granted
                )
        return answers

    async def _exchange(
        self, kind: str, questions: Sequence[tuple[Any, Ask | Settlement]], within_s: float | None = None
    ) -> list[Answer | Silence]:
        """Ask everything, a window at once; the answers in order.

        Nothing is sent later than ``within_s`` from now.
        """
        until = None if within_s is None else asyncio.get_running_loop().time() + within_s
        futures: list[asyncio.Future[Any]] = []
        for number, (encode, about) in enumerate(questions, 1):
            futures.append(await self._send(kind, encode, about, until))
            if number % BREATH == 0:
                await asyncio.sleep(0)
        silent: Counter[Silence] = Counter()
        answers: list[Answer | Silence] = []
        for result in await asyncio.gather(*futures):
            if isinstance(result, Silence):
                silent[result] += 1
                answers.append(result)
                REQUESTS.labels(kind, result).inc()
            else:
                answer = read(result, self._config.currency)
                answers.append(answer)
                REQUESTS.labels(kind, str(answer.code)).inc()
        del silent[Silence.HELD_BACK]  # it was told when that began
        for why, count in silent.items():
            log.warning("diameter.no_answer", kind=kind, why=why, requests=count)
        return answers

    async def _send(
        self, kind: str, encode: Any, about: Ask | Settlement, until: float | None
    ) -> asyncio.Future[Any]:
        """Send a request when it is its turn; the future is its answer, or a ``Silence``."""
        lane = self._debited if kind == "debit" else self._texts
        if lane.breaker.open and lane.window.locked():
            return _silent(Silence.HELD_BACK)
        if not await _turn(lane, until):
            return _silent(Silence.NO_TURN)
        link = next((link for link in self._links if link.up), self._links[0])
        tries = lane.breaker.open and link.up
        if tries and not lane.breaker.may_try(asyncio.get_running_loop().time()):
            lane.window.release()
            return _silent(Silence.HELD_BACK)
        try:
            future = link.send(encode(self._config, about), self._timeout_s)
        except Exception:
            lane.window.release()
            raise
        future.add_done_callback(partial(self._over, lane))
        # A text does not wait for what is probably not answered: it may be reserved, and is settled with 0.
        return _silent(Silence.HELD_BACK) if tries and kind == "reserve" else future

    def _over(self, lane: _Lane, future: asyncio.Future[Any]) -> None:
        """A request has its answer, or will have none."""
        lane.window.release()
        result = None if future.cancelled() else future.result()
        if result is Silence.TIMEOUT:
            if lane.breaker.timed_out(asyncio.get_running_loop().time()):
                log.warning("diameter.hangs", timeout=self._timeout_s, debits=lane is self._debited)
        elif result is not None and not isinstance(result, Silence) and lane.breaker.answered():
            log.info("diameter.answers", debits=lane is self._debited)
        HANGS.set(int(self._texts.breaker.open or self._debited.breaker.open))


async def _turn(lane: _Lane, until: float | None) -> bool:
    """Wait for a place in the window; whether there was one in time."""
    if until is not None and asyncio.get_running_loop().time() >= until:
        return False
    try:
        async with asyncio.timeout_at(until):
            await lane.window.acquire()
    except TimeoutError:
        return False
    return True


def _heard(answers: Sequence[Answer | Silence]) -> list[Answer | None]:
    return [None if isinstance(answer, Silence) else answer for answer in answers]


def _judged(
    rule: Callable[[Answer, int], Verdict], asks: Sequence[Ask], answers: Sequence[Answer | None]
) -> list[Verdict]:
    """What the answers mean, by a rule of ``results``."""
    verdicts = []
    for ask, answer in zip(asks, answers, strict=True):
        said = Verdict.AWAY if answer is None else rule(answer, ask.amount)
        if answer is not None and said not in {Verdict.GRANTED, Verdict.FREE}:
            log.info("diameter.not_granted", payer=masked(ask.payer), code=answer.code, verdict=said)
        verdicts.append(said)
    return verdicts


def _late(given: Settlement) -> Ask:
    return Ask(
        session=f"{given.session}-late",
        payer=given.payer,
        item=given.item,
        amount=given.used,
        at=given.at,
        again=given.late,
    )


def _silent(why: Silence) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(why)
    return future


def _identifiers() -> Iterator[int]:
    """Hop-by-Hop and End-to-End Identifiers that no earlier process has had lately (RFC 6733, section 3)."""
    number = (int(time.time()) & 0xFFF) << 20 | random.SystemRandom().getrandbits(20)
    while True:
        number = (number + 1) % 2**32
        yield number
