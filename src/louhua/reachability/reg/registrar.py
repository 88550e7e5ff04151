"""The source that subscribes to registrations: a UDP socket, and the watches that are its own.

A watch it works on is claimed for a while and kept by renewing; when this process dies, another claims it. Watches
that have ended meanwhile are noticed by the same renewal, and unsubscribed.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import structlog

from louhua.bus.events import Event, PhoneReachable
from louhua.bus.events import Source as NewsSource
from louhua.bus.nats import BusAway
from louhua.config import split_address
from louhua.db.pool import Connection
from louhua.health import Check
from louhua.informants import Registrar
from louhua.numbers import masked
from louhua.reachability import store
from louhua.reachability.metrics import REG_ANSWERS, REG_STRANGERS, SUBSCRIPTIONS
from louhua.reachability.reg.rules import Answer
from louhua.reachability.reg.subscriber import Said, Subscriber
from louhua.reachability.sources import Sources, Step
from louhua.sip import parse

log = structlog.get_logger()

KEPT_FOR: Final = timedelta(seconds=60)
"""A watch that a dead process had claimed waits so long."""
_RENEW_EVERY: Final = timedelta(seconds=20)
_TICK_S: Final = 0.05
_RETRY_S: Final = 5.0
_AT_ONCE: Final = 500

Publish = Callable[[Sequence[Event]], Awaitable[None]]
"""Stores events on the bus; raises ``BusAway``."""


class RegistrarSource(asyncio.DatagramProtocol):
    """One registrar. ``run`` speaks SIP; ``ask`` brings watches in and answers out."""

    def __init__(self, config: Registrar, sources: Sources, publish: Publish) -> None:
        self._config = config
        self.name = config.name
        self._source = f"reg:{config.name}"
        self._sources = sources
        self._publish = publish
        self._address = split_address(config.address)
        self._peers = [ipaddress.ip_network(peer) for peer in (self._address[0], *config.peers)]
        self._subscriber = Subscriber(config)
        self._untold: list[tuple[datetime, Said]] = []
        self._renewed_at: datetime | None = None
        self._wire: asyncio.DatagramTransport | None = None
        self._deaf = False

    def health(self) -> Check:
        """Whether the socket is open. A registrar that does not answer is not this node's illness."""
        if self._wire is None:
            return Check(ok=False, detail=f"cannot listen on {self._config.listen}")
        return Check(ok=True, detail="no answer" if self._subscriber.silent else "")

    async def run(self) -> None:
        """Speak SIP until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                if self._wire is None:
                    await self._open(loop)
                self._subscriber.tick(loop.time())
                self._collect()
                await asyncio.sleep(_TICK_S)
        finally:
            if self._wire is not None:
                self._wire.close()

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._wire is None:
            try:
                await loop.create_datagram_endpoint(lambda: self, local_addr=split_address(self._config.listen))
                self._deaf = False
            except OSError as error:
                self._deaf = True
                log.error("reg.cannot_listen", registrar=self.name, error=str(error))
                await asyncio.sleep(_RETRY_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket (asyncio calls this)."""
        self._wire = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """Have ``run`` open another (asyncio calls this)."""
        self._wire = None

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        """Take a message, from the registrar only (asyncio calls this)."""
        address = ipaddress.ip_address(source[0])
        if not any(address in network for network in self._peers):
            REG_STRANGERS.labels(self.name).inc()
            return
        message = parse(data)
        if message is None:
            return
        answer = self._subscriber.receive(message, asyncio.get_running_loop().time())
        if answer is not None and self._wire is not None:
            self._wire.sendto(answer.encode(), source)
        self._collect()

    def _collect(self) -> None:
        now = datetime.now(UTC)
        self._untold += [(now, said) for said in self._subscriber.said]
        self._subscriber.said.clear()
        if self._wire is not None:
            for message in self._subscriber.outbox:
                self._wire.sendto(message.encode(), self._address)
            self._subscriber.outbox.clear()

    async def ask(self, connection: Connection, now: datetime) -> int:
        """Tell what was heard, keep what is still watched, and subscribe to what is due; how many."""
        await self._tell(connection, now)
        if self._renewed_at is None or now - self._renewed_at >= _RENEW_EVERY:
            await self._keep(connection, now)
        if self._wire is None and not self._deaf:
            return 0
        most = _AT_ONCE if self._deaf or self._subscriber.silent else self._config.rate
        callees = await store.claim(connection, self._source, now, now + KEPT_FOR, most)
        if self._deaf:
            self._untold += [(now, Said("", callee, Answer.AWAY, "cannot listen")) for callee in callees]
        else:
            for callee in callees:
                self._subscriber.subscribe(callee)
        return len(callees)

    async def _tell(self, connection: Connection, now: datetime) -> None:
        """Publish, then move the watches on. What cannot be stored is told again: the events' ids are the same."""
        untold = self._untold[:_AT_ONCE]
        if not untold:
            return
        news: list[Event] = [
            PhoneReachable(id=f"{self._source}:{said.id}", number=said.number, source=NewsSource.REG, at=at)
            for at, said in untold
            if said.answer is Answer.ACTIVE
        ]
        try:
            if news:
                await self._publish(news)
        except BusAway as error:
            log.warning("reg.bus_away", registrar=self.name, error=str(error))
            return
        watched = await store.asked(connection, [said.number for _, said in untold])
        steps = {
            said.number: self._step(said, watched[said.number].given_up, now)
            for _, said in untold
            if said.number in watched
        }
        await store.move(connection, list(steps.values()))
        del self._untold[: len(untold)]
        for _, said in untold:
            REG_ANSWERS.labels(self.name, said.answer).inc()
            log.info(
                "reg.answer", registrar=self.name, number=masked(said.number), answer=said.answer,
                detail=said.detail,
            )  # fmt: skip

    def _step(self, said: Said, given_up: Sequence[str], now: datetime) -> Step:
        match said.answer:
            case Answer.ACTIVE:
                return self._sources.again(said.number, self._source, now)
            case Answer.GAVE_UP:
                return self._sources.gave_up(said.number, self._source, given_up, now)
            case Answer.AWAY:
                wait = timedelta(seconds=said.retry_after)
                return self._sources.away(said.number, self._source, given_up, now, wait)

    async def _keep(self, connection: Connection, now: datetime) -> None:
        numbers = self._subscriber.numbers
        kept = await store.keep(connection, self._source, sorted(numbers), now + KEPT_FOR)
        for number in numbers:
            if number not in kept:
                self._subscriber.unsubscribe(number)
        self._renewed_at = now
        SUBSCRIPTIONS.labels(self.name).set(self._subscriber.live)
