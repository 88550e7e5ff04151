"""One ESME's connection to the sandbox's SMSC: octets between a socket and a ``Session``."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Final, Protocol, cast

import structlog

from louhua.sandbox.handsets import Effect
from louhua.texts.smpp import tlv
from louhua.texts.smpp.codec import RESPONSES
from louhua.texts.smpp.pdu import BindReceiver, BindTransceiver, BindTransmitter, Pdu
from louhua.texts.smpp.session import Answered, Broken, Event, Expired, Limits, PeerUnbound, Received, Session
from louhua.texts.smpp.states import RX, Role
from louhua.texts.smpp.status import Status
from louhua.texts.smpp.tlv import Tag

log = structlog.get_logger()

_NAME: Final = "sandbox"
_VERSION: Final = tlv.octet(Tag.SC_INTERFACE_VERSION, 0x34)
_LIMITS: Final = Limits(window=1000, unanswered=100_000)
_GIVEN_UP: Final = frozenset((Status.ESME_RX_P_APPN, Status.ESME_RX_R_APPN))
"""Answers to a deliver_sm after which it is not sent again."""

Bind = BindReceiver | BindTransmitter | BindTransceiver


class Centre(Protocol):
    """What a connection asks of the SMSC and tells it."""

    latency: float

    def joined(self, link: "EsmeLink") -> None:
        """A connection was opened."""

    def left(self, link: "EsmeLink", unsafe: Iterable[Pdu]) -> None:
        """A connection is closed; ``unsafe`` was sent on it and not answered."""

    def bind_status(self, pdu: Bind) -> int:
        """Whether this system may bind: 0, or the status that refuses it."""

    def bound(self, link: "EsmeLink") -> None:
        """A connection is bound."""

    def pump(self, system_id: str) -> None:
        """A connection of this system can take more."""

    def unsafe(self, system_id: str, pdu: Pdu) -> None:
        """A system did not say that what it was sent is safe."""

    def safe(self, pdu: Pdu) -> None:
        """A system said that what it was sent is safe, or that it is not to come again."""

    def answer(self, pdu: Pdu, system_id: str) -> tuple[Pdu, list[Effect]]:
        """The response to a request, and what happens because of it."""

    def apply(self, effects: Iterable[Effect]) -> None:
        """Let it happen, after the responses."""


class EsmeLink(asyncio.Protocol):
    """One ESME's connection."""

    def __init__(self, smsc: Centre) -> None:
        self.system_id = ""
        self._smsc = smsc
        self._loop = asyncio.get_running_loop()
        self._session = Session(Role.SMSC, self._loop.time(), _LIMITS)
        self._transport: asyncio.Transport | None = None
        self._writable = True
        self._flushing = False

    @property
    def receives(self) -> bool:
        """Whether it is bound for receipts and texts."""
        return self._session.state in RX

    @property
    def ready(self) -> bool:
        """Whether it takes one more now."""
        return self._writable and self._session.room > 0 and self.receives

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """An ESME is there; it must bind soon."""
        self._transport = cast(asyncio.Transport, transport)
        self._smsc.joined(self)

    def data_received(self, data: bytes) -> None:
        """Look at it now, or after the latency that was asked for."""
        if self._smsc.latency:
            self._loop.call_later(self._smsc.latency, self._read, data)
        else:
            self._read(data)

    def pause_writing(self) -> None:
        """The ESME does not read: neither do we."""
        self._writable = False
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The ESME reads again."""
        self._writable = True
        if self._transport is not None:
            self._transport.resume_reading()
        if self.receives:
            self._smsc.pump(self.system_id)

    def connection_lost(self, error: Exception | None) -> None:
        """What was not answered goes out again on another connection."""
        expired = [event.token for event in self._session.lost() if isinstance(event, Expired)]
        self._smsc.left(self, expired)

    def tick(self) -> None:
        """Let timers run."""
        self._handle(self._session.tick(self._loop.time()))

    def drop(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def send_from(self, outbox: deque[Pdu]) -> None:
        """Send from the queue what the window takes."""
        now = self._loop.time()
        for _ in range(min(len(outbox), self._session.room)):
            pdu = outbox.popleft()
            self._session.request(pdu, now, pdu)
        self._flush_soon()

    def _read(self, data: bytes) -> None:
        self._handle(self._session.receive(data, self._loop.time()))

    def _handle(self, events: list[Event]) -> None:
        effects: list[Effect] = []
        for event in events:
            if event.__class__ is Received:
                self._requested(event.pdu, effects)
            elif event.__class__ is Answered:
                self._answered(event.pdu.status, event.token)
            elif event.__class__ is Expired:
                self._smsc.unsafe(self.system_id, event.token)
            elif event.__class__ is Broken or event.__class__ is PeerUnbound:
                self._close()
        if effects:
            self._smsc.apply(effects)
        if events and self.receives:
            self._smsc.pump(self.system_id)
        self._flush_soon()

    def _requested(self, pdu: Pdu, effects: list[Effect]) -> None:
        if isinstance(pdu, Bind):
            self._bind(pdu)
            return
        response, caused = self._smsc.answer(pdu, self.system_id)
        self._session.respond(response)
        effects += caused

    def _bind(self, pdu: Bind) -> None:
        status = self._smsc.bind_status(pdu)
        response: Any = RESPONSES[pdu.__class__]
        if status:
            log.warning("sandbox_bind_refused", system_id=pdu.system_id)
            self._session.respond(response(pdu.sequence, status))
            self._close()
            return
        self._session.respond(response(pdu.sequence, 0, _NAME, (_VERSION,)))
        self.system_id = pdu.system_id
        self._smsc.bound(self)

    def _answered(self, status: int, pdu: Pdu) -> None:
        if status and status not in _GIVEN_UP:
            self._smsc.unsafe(self.system_id, pdu)
        else:
            self._smsc.safe(pdu)

    def _close(self) -> None:
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = self._session.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)
