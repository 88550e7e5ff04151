"""The sandbox's SMSC: an SMPP 3.4 server in front of ``Handsets``, on asyncio.

It stores and forwards, reports, alerts and takes texts from phones to whoever is bound. Receipts and texts
are sent again until deliver_sm_resp says that they are safe, also on a later connection of the same system.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from louhua.numbers import canonical
from louhua.sandbox.handsets import Alert, Delivered, Effect, Handsets, Report, Text
from louhua.sandbox.smsc_desk import Desk
from louhua.sandbox.smsc_link import Bind, EsmeLink
from louhua.sandbox.smsc_pdus import alert_notification, from_phone, receipt
from louhua.texts.smpp.pdu import Pdu
from louhua.texts.smpp.status import Status

_TICK_S: Final = 0.1
_RETRY_S: Final = 1.0
_KEPT: Final = 100_000


class HandsetOff(ValueError):
    """A phone that is off cannot send a text."""


class _System:
    """Who binds with one system_id: its connections that receive, and what has to get there."""

    def __init__(self) -> None:
        self.receivers: list[EsmeLink] = []
        self.outbox: deque[Pdu] = deque()
        self._next = 0

    def pump(self) -> None:
        """Send what the windows take, the connections taking turns."""
        while self.outbox:
            ready = [link for link in self.receivers if link.ready]
            if not ready:
                return
            for link in ready:
                link.send_from(self.outbox)


class SandboxSmsc:
    """A short message centre to try things on.

    ``accounts`` maps system_id to password; without it anybody may bind. ``latency`` (seconds) passes before
    a request is looked at. ``on_delivered`` hears of each message that a phone took, Type 0 included;
    ``delivered`` keeps the last hundred thousand.
    """

    def __init__(
        self,
        accounts: Mapping[str, str] | None = None,
        *,
        latency: float = 0.0,
        on_delivered: Callable[[Delivered], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.delivered: deque[Delivered] = deque(maxlen=_KEPT)
        self.latency = latency
        self.on_delivered = on_delivered
        self._accounts = accounts
        self._clock = clock
        self._handsets = Handsets()
        self._systems: dict[str, _System] = {}
        self._unrouted: deque[Pdu] = deque()
        self._connections: set[EsmeLink] = set()
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._desk = Desk(self._handsets, first_id=int(clock() * 1000) * 1000)
        self._reference = 0
        self._changed = asyncio.Event()

    async def start(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> int:
        """Listen; return the port, which is chosen by the system when 0. Raises ``OSError``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: EsmeLink(self), host, port, ssl=tls)
        self._ticking = asyncio.create_task(self._tick())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and drop all connections."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for link in list(self._connections):
            link.drop()
        while self._connections:
            await self.change()

    def drop_connections(self) -> None:
        """Cut all connections, as a network does."""
        for link in list(self._connections):
            link.drop()

    def phone_on(self, number: str) -> None:
        """Switch a phone on: what waits for it is delivered, and who asked is told."""
        self.apply(self._handsets.phone_on(canonical(number), self._clock()))

    def phone_off(self, number: str) -> None:
        """Switch a phone off."""
        self._handsets.phone_off(canonical(number))

    def is_on(self, number: str) -> bool:
        """Whether a phone is on; one never mentioned is."""
        return self._handsets.is_on(canonical(number))

    def inbox(self, number: str) -> list[Text]:
        """What a person can read on the phone, oldest first."""
        return self._handsets.inbox(canonical(number))

    def waiting(self, number: str) -> int:
        """How many messages wait for a phone to return."""
        return self._handsets.waiting(canonical(number))

    def send(self, from_number: str, to: str, body: str) -> None:
        """Have a phone send a text to a service; raises ``HandsetOff``."""
        sender = canonical(from_number)
        if not self._handsets.is_on(sender):
            raise HandsetOff(f"the phone {from_number} is off; switch it on first")
        self._reference += 1
        self._unrouted += from_phone(sender, canonical(to) or to, body, self._reference)
        self._route()

    async def change(self) -> None:
        """Wait until something has happened."""
        self._changed.clear()
        await self._changed.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, looking whenever something has happened."""
        while not condition():
            await self.change()

    def joined(self, link: "EsmeLink") -> None:
        """A connection was opened."""
        self._connections.add(link)
        self._changed.set()

    def left(self, link: "EsmeLink", unsafe: Iterable[Pdu]) -> None:
        """A connection is closed; what it was not told to be safe goes out again."""
        self._connections.discard(link)
        system = self._systems.get(link.system_id)
        if system is not None:
            if link in system.receivers:
                system.receivers.remove(link)
            system.outbox.extendleft(reversed(list(unsafe)))
            system.pump()
        self._changed.set()

    def bind_status(self, pdu: Bind) -> int:
        """Whether this system may bind."""
        if self._accounts is None or self._accounts.get(pdu.system_id) == pdu.password:
            return Status.ESME_ROK
        known = pdu.system_id in self._accounts
        return Status.ESME_RINVPASWD if known else Status.ESME_RINVSYSID

    def bound(self, link: "EsmeLink") -> None:
        """A connection is bound: what waits for its system goes out."""
        system = self._systems.setdefault(link.system_id, _System())
        if link.receives:
            system.receivers.append(link)
            self._route()
            system.pump()
        self._changed.set()

    def pump(self, system_id: str) -> None:
        """A connection of this system can take more."""
        self._systems[system_id].pump()

    def unsafe(self, system_id: str, pdu: Pdu) -> None:
        """A system could not store what it was sent: send it again a little later."""
        asyncio.get_running_loop().call_later(_RETRY_S, self._again, system_id, pdu)

    def safe(self, pdu: Pdu) -> None:
        """What a system was sent is safe there: nothing is left to do."""

    def apply(self, effects: Iterable[Effect]) -> None:
        """Tell the ESMEs, and whoever listens here."""
        touched: set[str] = set()
        for effect in effects:
            if effect.__class__ is Delivered:
                self.delivered.append(effect)
                if self.on_delivered is not None:
                    self.on_delivered(effect)
            elif isinstance(effect, Report):
                touched.add(self._post(effect.message.owner, receipt(effect)))
            elif isinstance(effect, Alert):
                touched.add(self._post(effect.owner, alert_notification(effect)))
        for system_id in touched:
            self._systems[system_id].pump()
        self._changed.set()

    def answer(self, pdu: Pdu, system_id: str) -> tuple[Pdu, list[Effect]]:
        """The response to a request, and what happens because of it."""
        return self._desk.answer(pdu, system_id, self._clock())

    def _post(self, system_id: str, pdu: Pdu) -> str:
        self._systems.setdefault(system_id, _System()).outbox.append(pdu)
        return system_id

    def _again(self, system_id: str, pdu: Pdu) -> None:
        self._post(system_id, pdu)
        self._systems[system_id].pump()

    def _route(self) -> None:
        """Texts from phones go to the first system that receives."""
        for system in self._systems.values():
            if system.receivers and self._unrouted:
                system.outbox += self._unrouted
                self._unrouted.clear()
                system.pump()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            effects = self._handsets.tick(self._clock())
            if effects:
                self.apply(effects)
            for link in list(self._connections):
                link.tick()
