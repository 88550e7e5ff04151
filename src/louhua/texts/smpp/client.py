"""The connections to one SMSC: an asyncio edge around ``Session``.

Texts are handed over in batches and their results come back in batches; what the SMSC sends comes in batches
too and is answered when the owner says so. Nothing is kept: a segment that was not sent when the last
connection went is reported as to be retried, one that was sent and not answered as unknown.
"""

import asyncio
import copy
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

import msgspec
import structlog

from louhua.bus.events import ReceiptState
from louhua.config import Smsc
from louhua.texts.smpp.addresses import to_address
from louhua.texts.smpp.errors import NotBound, Refused
from louhua.texts.smpp.link import Counters, Job, Link
from louhua.texts.smpp.messages import Handle, Inbound, Submit, SubmitResult
from louhua.texts.smpp.pace import Pace
from louhua.texts.smpp.pdu import (
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    CancelSm,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
)
from louhua.texts.smpp.receipts import STATES
from louhua.texts.smpp.session import Limits
from louhua.texts.smpp.states import BOUND
from louhua.texts.smpp.status import Outcome, status_name
from louhua.texts.smpp.translate import inbound, validity

log = structlog.get_logger()

_FIRST_RETRY_S: Final = 0.5
_LONGEST_RETRY_S: Final = 30.0
_SETTLED_S: Final = 10.0
"""A connection that was bound so long was a good one: the next attempt follows soon."""
_SHORTEST_WAIT_S: Final = 0.002
_TICK_S: Final = 0.5
_UNSENT: Final = "not sent: no connection is bound"

_Bind = BindTransceiver | BindTransmitter | BindReceiver
_BINDS: Final[dict[str, tuple[type[_Bind], ...]]] = {
    "transceiver": (BindTransceiver,),
    "transmitter-receiver": (BindTransmitter, BindReceiver),
}


class LinkHealth(msgspec.Struct, frozen=True):
    """One connection: what it binds as, whether it is bound, and why not."""

    kind: str
    bound: bool
    outstanding: int
    rate: float
    problem: str = ""


class Health(msgspec.Struct, frozen=True):
    """A client at a glance. ``bound``: every configured connection is."""

    smsc: str
    links: tuple[LinkHealth, ...]
    queued: int
    counters: Counters

    @property
    def bound(self) -> bool:
        """Whether every connection is bound."""
        return all(link.bound for link in self.links)


class MessageState(msgspec.Struct, frozen=True):
    """The answer to ``query``: state, final date as the SMSC writes it, and its error code."""

    state: ReceiptState
    final_date: str
    error_code: int


class _Slot:
    """A place for a connection; connections come and go."""

    def __init__(self, kind: type[_Bind], pace: Pace) -> None:
        self.kind = kind
        self.pace = pace
        self.link: Link | None = None
        self.problem = "not connected yet"

    def health(self) -> LinkHealth:
        """How the connection is, or why there is none."""
        bound = self.link is not None and self.link.session.state in BOUND
        outstanding = self.link.session.outstanding if self.link else 0
        problem = "" if bound else self.problem
        return LinkHealth(self.kind.__name__, bound, outstanding, self.pace.rate, problem)


class SmppClient:
    """All connections to one SMSC, kept bound.

    ``on_results`` and ``on_inbound`` are called in the event loop with lists, at most once a turn; they must
    not block. ``country`` is that of the SMSC's national numbers. ``clock`` is monotonic, in seconds.
    """

    def __init__(
        self,
        config: Smsc,
        on_results: Callable[[list[SubmitResult]], None],
        on_inbound: Callable[[list[Inbound]], None],
        *,
        country: str = "CN",
        ssl_context: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = config.name
        self.counters = Counters()
        self._config = config
        self._on_results = on_results
        self._on_inbound = on_inbound
        self._country = country
        self._ssl = ssl_context or (ssl.create_default_context() if config.tls else None)
        self._clock = clock
        self._chance = chance
        self._slots = [
            _Slot(kind, Pace(config.rate, clock()))
            for _ in range(config.connections)
            for kind in _BINDS[config.bind]
        ]
        self._queue: deque[Job] = deque()
        self._calls: deque[tuple[Pdu, asyncio.Future[Pdu]]] = deque()
        self._results: list[SubmitResult] = []
        self._inbound: list[Inbound] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = False
        self._next = 0
        self._limits = Limits(
            window=config.window,
            response_timeout=config.response_timeout.total_seconds(),
            enquire_link=config.enquire_link.total_seconds(),
            init_timeout=2 * config.response_timeout.total_seconds(),
        )

    async def start(self) -> None:
        """Begin to connect; returns at once. ``wait_bound`` waits for the result."""
        self._tasks = [asyncio.create_task(self._keep(slot)) for slot in self._slots]
        self._tasks.append(asyncio.create_task(self._tick()))

    async def stop(self, drain: float = 2.0) -> None:
        """Let responses come for ``drain`` seconds, unbind, close. What is not answered then is reported."""
        self._stopping = True
        self._give_back()
        links = self._links()
        try:
            async with asyncio.timeout(drain):
                while any(link.session.outstanding for link in links):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            log.warning("smsc_drain_over", smsc=self.name)
        for link in links:
            link.leave()
        if links:
            await asyncio.wait([link.closed for link in links], timeout=1.0)
        for link in links:
            link.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._deliver()

    async def failed(self) -> None:
        """Wait until something in here fails that never should, and raise it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def wait_bound(self) -> None:
        """Wait until every connection is bound."""
        while not self.health().bound:
            self._changed.clear()
            await self._changed.wait()

    @property
    def transmits(self) -> bool:
        """Whether any connection takes requests; ``Health.bound`` says whether all do."""
        return bool(self._transmitting())

    @property
    def room(self) -> int:
        """How many more segments keep the connections busy; 0 while none is bound."""
        busy = self._transmitting()
        if not busy or self._stopping:
            return 0
        waiting = sum(link.session.outstanding for link in busy)
        return max(0, 2 * self._config.window * len(busy) - len(self._queue) - waiting)

    async def wait_room(self) -> int:
        """Wait until a good number of segments is wanted (see ``room``), and return how many."""
        while self.room < self._config.window // 2 + 1:
            self._changed.clear()
            await self._changed.wait()
        return self.room

    def submit_many(self, messages: Iterable[Submit]) -> None:
        """Send texts in this order; each segment's result comes to ``on_results`` once."""
        for message in messages:
            for part in range(len(message.segments)):
                self._queue.append(Job(message, part))
        if self._stopping or not self._transmitting():
            self._give_back()
        self._soon()

    def respond_many(self, handles: Iterable[Handle], status: int = 0) -> None:
        """Answer what came to ``on_inbound``; what came on a connection that is gone will come again."""
        for handle in handles:
            handle.connection.respond(handle, status)

    async def query(self, message_id: str, source: str) -> MessageState:
        """Ask for the state of a message (SMPP 3.4, section 4.8); ``source`` as it was submitted.

        Raises ``Refused``, ``NotBound`` or ``Unanswered``, as do ``cancel`` and ``replace``.
        """
        answer = await self._call(QuerySm(0, 0, message_id, *to_address(source)))
        if not isinstance(answer, QuerySmResp):
            raise Refused(answer.status, status_name(answer.status))
        state = STATES.get(answer.message_state, ReceiptState.UNKNOWN)
        return MessageState(state, answer.final_date, answer.error_code)

    async def cancel(self, message_id: str, source: str, destination: str) -> None:
        """Have a message forgotten that is not delivered yet (section 4.9)."""
        await self._call(CancelSm(0, 0, "", message_id, *to_address(source), *to_address(destination)))

    async def replace(
        self,
        message_id: str,
        source: str,
        body: bytes,
        *,
        length: timedelta | None = None,
        registered_delivery: int = 1,
    ) -> None:
        """Give a waiting message another body, in the data_coding it was submitted with (section 4.10).

        ``length`` is its new validity; by default that stays as it is.
        """
        origin = to_address(source)
        asked = registered_delivery
        await self._call(ReplaceSm(0, 0, message_id, *origin, "", validity(length), asked, 0, body))

    def health(self) -> Health:
        """Each connection's state and all counters."""
        counters = copy.deepcopy(self.counters)
        return Health(self.name, tuple(slot.health() for slot in self._slots), len(self._queue), counters)

    def results_came(self, results: list[SubmitResult]) -> None:
        """Keep results for the end of this turn (called by links)."""
        self._results += results
        self._soon()

    def requests_came(self, link: Link, pdus: list[Pdu]) -> None:
        """Keep what the SMSC sent for the end of this turn (called by links)."""
        told = (inbound(pdu, link, self._country) for pdu in pdus)
        self._inbound += [arrived for arrived in told if arrived is not None]
        self._soon()

    def link_bound(self, link: Link) -> None:
        """A connection is ready (called by links)."""
        self.counters.connects += 1
        log.info("smsc_bound", smsc=self.name, state=link.session.state)
        self._soon()

    def link_writable(self) -> None:
        """A connection takes octets again (called by links)."""
        self._soon()

    def _links(self) -> list[Link]:
        return [slot.link for slot in self._slots if slot.link is not None]

    def _transmitting(self) -> list[Link]:
        return [link for link in self._links() if link.transmits]

    def _soon(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Once a turn of the event loop: keep the wires busy, then tell the owner."""
        self._scheduled = False
        self._changed.set()
        self._pump()
        self._deliver()

    def _deliver(self) -> None:
        results, self._results = self._results, []
        arrived, self._inbound = self._inbound, []
        try:
            if results:
                self._on_results(results)
        finally:
            if arrived:
                self._on_inbound(arrived)

    def _pump(self) -> None:
        """Send what windows and paces allow, the connections taking turns to be first."""
        now = self._clock()
        links = [link for link in self._links() if link.ready]
        self._next += 1
        wait: float | None = None
        for place in range(len(links)):
            link = links[(place + self._next) % len(links)]
            self._send(link, now)
            link.flush()
            if self._queue and link.session.room:
                pause = link.pace.wait(now)
                wait = pause if wait is None else min(wait, pause)
        if wait is not None and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(wait, _SHORTEST_WAIT_S), self._timer_rang)

    def _timer_rang(self) -> None:
        self._timer = None
        self._soon()

    def _send(self, link: Link, now: float) -> None:
        while self._calls and link.session.room:
            link.call(*self._calls.popleft(), now)
        room = link.session.room
        if not self._queue or room <= 0:
            return
        for _ in range(link.pace.take(min(len(self._queue), room), now)):
            refused = link.submit(self._queue.popleft(), now)
            if refused is not None:
                self._results.append(refused)

    def _give_back(self) -> None:
        """Report what was never sent, for want of a connection."""
        self._results += [job.result(Outcome.RETRY_LATER, _UNSENT) for job in self._queue]
        self._queue.clear()
        for _, answer in self._calls:
            if not answer.done():
                answer.set_exception(NotBound(_UNSENT))
        self._calls.clear()
        if self._results:
            self._soon()

    async def _call(self, pdu: Pdu) -> Pdu:
        """Send one request of another kind, and return its response if that is good."""
        if self._stopping or not self._transmitting():
            raise NotBound(f"no connection to {self.name} is bound")
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._calls.append((pdu, answer))
        self._soon()
        response = await answer
        if response.status:
            raise Refused(response.status, status_name(response.status))
        return response

    async def _tick(self) -> None:
        """Run the timers of all connections."""
        pause = min(_TICK_S, self._limits.response_timeout / 4, self._limits.enquire_link / 4)
        while True:
            await asyncio.sleep(pause)
            now = self._clock()
            for link in self._links():
                link.tick(now)

    async def _keep(self, slot: _Slot) -> None:
        """Keep one connection: bind, wait for its end, wait longer after each failure, again."""
        failures = 0
        while True:
            slot.problem = await self._connect(slot)
            link, slot.link = slot.link, None
            if not self._transmitting():
                self._give_back()
            self._changed.set()
            good = link is not None and link.bound_at is not None and self._clock() - link.bound_at > _SETTLED_S
            failures = 0 if good else failures + 1
            if self._stopping:
                return
            pause = back_off(failures, self._chance())
            log.warning("smsc_down", smsc=self.name, why=slot.problem, retry_in_s=round(pause, 1))
            await asyncio.sleep(pause)

    async def _connect(self, slot: _Slot) -> str:
        """Connect and bind; return why it is over when it is."""
        config = self._config
        bind = slot.kind(system_id=config.system_id, password=config.password, system_type=config.system_type)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.response_timeout):
                _, link = await loop.create_connection(
                    lambda: Link(self, bind, self._limits, slot.pace, self._clock),
                    config.host,
                    config.port,
                    ssl=self._ssl,
                )
        except (OSError, TimeoutError) as error:
            return f"cannot connect: {error or 'no answer in time'}"
        slot.link = link
        return await link.closed


def back_off(failures: int, chance: float) -> float:
    """Seconds until the next attempt: doubled by each failure, up to half a minute, and spread by chance."""
    longest = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(max(failures - 1, 0), 10))
    return longest * (0.5 + chance / 2)
