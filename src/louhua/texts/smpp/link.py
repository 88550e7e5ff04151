"""One TCP connection of an ESME: octets between a socket and a ``Session``, no rule of its own.

Writes are gathered and go out once a turn of the event loop.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import msgspec
import structlog

from louhua.texts.smpp.errors import PduError, SmppError, Unanswered
from louhua.texts.smpp.messages import Handle, Submit, SubmitResult
from louhua.texts.smpp.pace import Pace
from louhua.texts.smpp.pdu import DataSmResp, DeliverSmResp, Pdu, Unbind
from louhua.texts.smpp.session import Answered, Broken, Expired, Faults, Limits, PeerUnbound, Received, Session
from louhua.texts.smpp.states import BOUND, TX, Role, State
from louhua.texts.smpp.status import SLOW_DOWN, Outcome, status_name
from louhua.texts.smpp.translate import submit_result, submit_sm

log = structlog.get_logger()

UNREAD: Final = 32 * 1024 * 1024
"""Octets that may wait for a peer to read them. Reading on is what keeps two full sockets from waiting for each
other; so a peer that asks and never reads is left when they are too many."""
_UNANSWERED: Final = "no answer in time"
_BIND: Final = object()
_UNBIND: Final = object()
_CLOSE_LIMIT_S: Final = 2.0
"""A peer that does not read keeps a closing connection no longer."""


class Counters(msgspec.Struct):
    """What went over the connections of a client since it was made; results are counted by outcome."""

    submitted: int = 0
    accepted: int = 0
    retry_later: int = 0
    permanent: int = 0
    unknown: int = 0
    received: int = 0
    slowed_down: int = 0
    connects: int = 0
    faults: Faults = msgspec.field(default_factory=Faults)


class LinkOwner(Protocol):
    """What a link tells the client that made it."""

    counters: Counters

    def results_came(self, results: list[SubmitResult]) -> None:
        """Segments have their results, or the window has room again."""

    def requests_came(self, link: "Link", pdus: list[Pdu]) -> None:
        """The SMSC sent requests."""

    def link_bound(self, link: "Link") -> None:
        """The bind was accepted."""

    def link_writable(self) -> None:
        """The socket takes octets again."""


class Job(msgspec.Struct, frozen=True):
    """One segment on its way."""

    message: Submit
    part: int

    def result(self, verdict: Outcome, detail: str) -> SubmitResult:
        """A result that no response gave."""
        return SubmitResult(self.message.key, self.part, verdict, detail=detail)


class Link(asyncio.Protocol):
    """A connection from TCP to close. ``closed`` is done when it is over, with the reason."""

    def __init__(
        self, owner: LinkOwner, bind: Pdu, limits: Limits, pace: Pace, clock: Callable[[], float]
    ) -> None:
        self.pace = pace
        self.session = Session(Role.ESME, clock(), limits, owner.counters.faults)
        self.bound_at: float | None = None
        loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[str] = loop.create_future()
        self._loop = loop
        self._owner = owner
        self._bind = bind
        self._clock = clock
        self._transport: asyncio.Transport | None = None
        self._writable = True
        self._flushing = False
        self._leaving = False
        self._why = "closed by the SMSC"

    @property
    def transmits(self) -> bool:
        """Whether it is bound for submits."""
        return self.session.state in TX and not self._leaving

    @property
    def ready(self) -> bool:
        """Whether submits may go out now: the SMSC reads what was sent."""
        return self._writable and self.transmits

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bind."""
        self._transport = cast(asyncio.Transport, transport)
        self.session.request(self._bind, self._clock(), _BIND)
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand over what came, all at once."""
        self._handle(self.session.receive(data, self._clock()))
        if self._transport is not None and self._transport.get_write_buffer_size() > UNREAD:
            self._why = "the SMSC asks and does not read the answers"
            self.abort()

    def pause_writing(self) -> None:
        """The peer reads slowly: send nothing new."""
        self._writable = False

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self._writable = True
        self._owner.link_writable()

    def connection_lost(self, error: Exception | None) -> None:
        """What waits for responses has an unknown outcome."""
        if error is not None:
            self._why = str(error)
        self._handle(self.session.lost())
        if not self.closed.done():
            self.closed.set_result(self._why)

    def tick(self, now: float) -> None:
        """Let timers run."""
        self._handle(self.session.tick(now))

    def submit(self, job: Job, now: float) -> SubmitResult | None:
        """Send a segment; return a result only if it cannot be written at all."""
        try:
            self.session.request(submit_sm(job.message, job.part), now, job)
        except PduError as error:
            return job.result(Outcome.PERMANENT, str(error))
        self._owner.counters.submitted += 1
        return None

    def call(self, pdu: Pdu, answer: "asyncio.Future[Pdu]", now: float) -> None:
        """Send another request; its response, or ``Unanswered``, goes to ``answer``."""
        try:
            self.session.request(pdu, now, answer)
        except SmppError as error:
            answer.set_exception(error)

    def respond(self, handle: Handle, status: int) -> None:
        """Answer a deliver_sm or data_sm."""
        kind = DataSmResp if handle.data_sm else DeliverSmResp
        if self.session.respond(kind(handle.sequence, status)):
            self.flush_soon()

    def leave(self) -> None:
        """Unbind; the connection closes when the SMSC has agreed or does not answer."""
        self._leaving = True
        self._why = "unbound by us"
        if self.session.state in BOUND:
            self.session.request(Unbind(), self._clock(), _UNBIND)
            self.flush()
        else:
            self.close()

    def close(self, why: str | None = None) -> None:
        """Write what is left and close."""
        self._why = why or self._why
        self.flush()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            self._loop.call_later(_CLOSE_LIMIT_S, self._transport.abort)

    def abort(self) -> None:
        """Close without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    def flush_soon(self) -> None:
        """Write at the end of this turn of the event loop."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what the session has to send."""
        self._flushing = False
        data = self.session.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def _handle(self, events: list[Any]) -> None:
        results: list[SubmitResult] = []
        requests: list[Pdu] = []
        for event in events:
            if event.__class__ is Answered:
                self._answered(event.pdu, event.token, results)
            elif event.__class__ is Received:
                requests.append(event.pdu)
            elif event.__class__ is Expired:
                self._expired(event.token, results)
            elif event.__class__ is Broken:
                self.close(event.why)
            elif event.__class__ is PeerUnbound:
                self.close("unbound by the SMSC")
        self.flush()
        if requests:
            self._owner.counters.received += len(requests)
            self._owner.requests_came(self, requests)
        if results:
            self._owner.results_came(results)

    def _answered(self, pdu: Pdu, token: Any, results: list[SubmitResult]) -> None:
        if token.__class__ is Job:
            result = submit_result(token.message.key, token.part, pdu)
            self._count(result)
            results.append(result)
        elif isinstance(token, asyncio.Future):
            if not token.done():
                token.set_result(pdu)
        elif token is _BIND:
            self._bind_answered(pdu)
        else:
            self.close()

    def _count(self, result: SubmitResult) -> None:
        counters = self._owner.counters
        if result.outcome is Outcome.ACCEPTED:
            counters.accepted += 1
            self.pace.accepted()
            return
        if result.outcome is Outcome.RETRY_LATER:
            counters.retry_later += 1
        else:
            counters.permanent += 1
        if result.status is not None and result.status in SLOW_DOWN:
            counters.slowed_down += 1
            if self.pace.refused(self._clock()):
                log.warning("smsc_slows_us_down", status=status_name(result.status), rate=round(self.pace.rate))

    def _expired(self, token: Any, results: list[SubmitResult]) -> None:
        if token.__class__ is Job:
            self._owner.counters.unknown += 1
            results.append(token.result(Outcome.UNKNOWN, _UNANSWERED))
        elif isinstance(token, asyncio.Future):
            if not token.done():
                token.set_exception(Unanswered(_UNANSWERED))
        else:
            self.close("the bind was not answered" if token is _BIND else None)

    def _bind_answered(self, pdu: Pdu) -> None:
        if self.session.state is State.OPEN:
            self.close(f"the bind was refused: {status_name(pdu.status)}")
            return
        self.bound_at = self._clock()
        self._owner.link_bound(self)
