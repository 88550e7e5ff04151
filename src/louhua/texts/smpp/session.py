"""One SMPP session, either side, without sockets and clocks: octets and times in, events and octets out.

It numbers requests and matches responses, keeps the window and the timers (SMPP 3.4, section 7.2), enforces
the state table, and answers by itself only what needs no decision: enquire_link, unbind, and what is
malformed or out of place. Everything else waits for its owner: a deliver_sm is answered when the owner says.
"""

from typing import Any, Final

import msgspec

from louhua.texts.smpp.codec import HEADER, RESPONSE, RESPONSES, decode, encode, kind_of
from louhua.texts.smpp.errors import PduError, ProtocolError, WindowFull
from louhua.texts.smpp.frames import LONGEST, FrameDecoder
from louhua.texts.smpp.pdu import EnquireLink, EnquireLinkResp, GenericNack, Pdu, Unbind, UnbindResp
from louhua.texts.smpp.states import ALLOWED, BINDS, BOUND, CONTROL, TRANSITIONS, Role, State
from louhua.texts.smpp.status import Status

_LAST_SEQUENCE: Final = 0x7FFFFFFF


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Figures both sides choose for themselves; times are in seconds."""

    window: int = 100
    """Requests of ours that may wait for responses."""
    unanswered: int = 10_000
    """Requests of the peer that may wait for our answers; more are refused for now."""
    response_timeout: float = 10.0
    enquire_link: float = 30.0
    """How long the peer may be silent before it is asked for a sign of life."""
    init_timeout: float = 10.0
    """How long a connection may stay without a bind."""
    longest_pdu: int = LONGEST


class Faults(msgspec.Struct):
    """How often a peer sent what could not be taken. Sessions may share one."""

    malformed: int = 0
    """PDUs that cannot be read, unknown commands among them."""
    misplaced: int = 0
    """PDUs that the peer may not send in this state."""
    too_many: int = 0
    """Requests refused because so many wait for our answers."""
    strays: int = 0
    """Responses that matched no request: late, repeated, or invented."""
    broken: int = 0
    """Streams with an impossible length."""


class Received(msgspec.Struct, frozen=True, gc=False):
    """A request (or outbind, alert_notification) from the peer; ``respond`` when it is dealt with."""

    pdu: Pdu


class Answered(msgspec.Struct, frozen=True):
    """The response to a request of ours, or generic_nack; ``token`` is what came with the request."""

    pdu: Pdu
    token: Any


class Expired(msgspec.Struct, frozen=True):
    """No response came in time: whether the peer acted on the request is unknown."""

    token: Any


class PeerUnbound(msgspec.Struct, frozen=True):
    """The peer sent unbind and has its response; close the connection once that is written."""


class Broken(msgspec.Struct, frozen=True):
    """The session cannot go on; write what is left and close the connection."""

    why: str


Event = Received | Answered | Expired | PeerUnbound | Broken


class _Pending(msgspec.Struct, frozen=True):
    deadline: float
    response: type[Pdu]
    token: Any


_SIGN_OF_LIFE: Final = object()
"""The token of our own enquire_link."""


class Session:
    """The session on one connection that has just been opened at ``now`` (seconds of a monotonic clock)."""

    def __init__(self, role: Role, now: float, limits: Limits, faults: Faults | None = None) -> None:
        self.role = role
        self.state = State.OPEN
        self.faults = faults or Faults()
        self._limits = limits
        self._mine = ALLOWED[role]
        self._theirs = ALLOWED[role.peer]
        self._frames = FrameDecoder(limits.longest_pdu)
        self._opened_at = self._heard_at = now
        self._asked_at: float | None = None
        self._sequence = 0
        self._pending: dict[int, _Pending] = {}
        self._in_window = 0
        self._due: set[int] = set()
        self._out: list[bytes] = []

    @property
    def room(self) -> int:
        """How many more requests the window takes."""
        return self._limits.window - self._in_window

    @property
    def outstanding(self) -> int:
        """Requests in the window that wait for their responses."""
        return self._in_window

    @property
    def unanswered(self) -> int:
        """Requests of the peer that wait for our answer."""
        return len(self._due)

    def data_to_send(self) -> bytes:
        """What has to be written, once."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def request(self, pdu: Pdu, now: float, token: object = None) -> int:
        """Send a request (or a PDU without response) and return its sequence number.

        ``token`` comes back with ``Answered`` or ``Expired``. Raises ``ProtocolError``, ``WindowFull`` or
        ``PduError``, and has then done nothing.
        """
        kind = pdu.__class__
        if self.state not in self._mine[kind]:
            raise ProtocolError(f"{self.role} may not send {kind.__name__} in state {self.state}")
        counted = kind not in CONTROL
        if counted and self._in_window >= self._limits.window:
            raise WindowFull(f"{self._in_window} requests are waiting for their responses")
        sequence = self._next_sequence()
        self._out.append(encode(pdu, sequence))
        response = RESPONSES.get(kind)
        if response is not None:
            self._pending[sequence] = _Pending(now + self._limits.response_timeout, response, token)
            self._in_window += counted
        return sequence

    def respond(self, pdu: Pdu) -> bool:
        """Answer the request that ``pdu.sequence`` names; false if it was answered already or never came.

        Raises ``PduError`` when the response cannot be written.
        """
        if pdu.sequence not in self._due or self.state not in self._mine[pdu.__class__]:
            return False
        self._answer(pdu)
        self._due.remove(pdu.sequence)
        return True

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take octets from the peer and return what they mean."""
        self._heard_at = now
        self._asked_at = None
        frames, error = self._frames.feed(data)
        events: list[Event] = []
        for frame in frames:
            if self.state is State.CLOSED:
                return events
            event = self._read(frame)
            if event is not None:
                events.append(event)
        if error is not None and self.state is not State.CLOSED:
            self.faults.broken += 1
            self._out.append(encode(GenericNack(0, Status.ESME_RINVCMDLEN)))
            events.append(self._break(str(error)))
        return events

    def tick(self, now: float) -> list[Event]:
        """Let time pass: requests expire, a silent peer is asked for a sign of life or given up."""
        events: list[Event] = []
        while self._pending:
            sequence, pending = next(iter(self._pending.items()))
            if pending.deadline > now:
                break
            self._forget(sequence)
            if pending.token is not _SIGN_OF_LIFE:
                events.append(Expired(pending.token))
        if self.state is State.OPEN and now - self._opened_at >= self._limits.init_timeout:
            events.append(self._break("no bind in time"))
        elif self.state in BOUND:
            events += self._listen(now)
        return events

    def next_tick(self) -> float:
        """When ``tick`` has something to do, if nothing happens before."""
        if self.state is State.OPEN:
            moment = self._opened_at + self._limits.init_timeout
        elif self._asked_at is not None:
            moment = self._asked_at + self._limits.response_timeout
        else:
            moment = self._heard_at + self._limits.enquire_link
        if self._pending:
            moment = min(moment, next(iter(self._pending.values())).deadline)
        return moment

    def lost(self) -> list[Event]:
        """The connection is gone: every request that waits for a response has expired."""
        self.state = State.CLOSED
        expired: list[Event] = [
            Expired(pending.token) for pending in self._pending.values() if pending.token is not _SIGN_OF_LIFE
        ]
        self._pending.clear()
        self._due.clear()
        self._in_window = 0
        return expired

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % _LAST_SEQUENCE + 1
        while self._sequence in self._pending:
            self._sequence = self._sequence % _LAST_SEQUENCE + 1
        return self._sequence

    def _listen(self, now: float) -> list[Event]:
        """Ask a silent peer for a sign of life; any octet is one."""
        if self._asked_at is not None:
            if now - self._asked_at >= self._limits.response_timeout:
                return [self._break("the peer is silent")]
        elif now - self._heard_at >= self._limits.enquire_link:
            self.request(EnquireLink(), now, _SIGN_OF_LIFE)
            self._asked_at = now
        return []

    def _break(self, why: str) -> Broken:
        self.state = State.CLOSED
        return Broken(why)

    def _forget(self, sequence: int) -> _Pending | None:
        pending = self._pending.pop(sequence, None)
        if pending is not None and pending.response in _COUNTED:
            self._in_window -= 1
        return pending

    def _read(self, frame: bytes) -> Event | None:
        try:
            pdu = decode(frame)
        except PduError as error:
            self._refuse_malformed(frame, error.status)
            return None
        kind = pdu.__class__
        if kind in RESPONSES:
            return self._requested(pdu, kind)
        if kind in _RESPONSE_KINDS:
            return self._answered(pdu, kind)
        if self.state in self._theirs[kind]:
            return Received(pdu)
        self.faults.misplaced += 1
        return None

    def _requested(self, pdu: Pdu, kind: type[Pdu]) -> Event | None:
        if kind is EnquireLink and self.state is not State.UNBOUND:
            self._out.append(encode(EnquireLinkResp(pdu.sequence)))
            return None
        refusal = self._refusal(kind)
        if refusal is not None:
            self._out.append(encode(RESPONSES[kind](pdu.sequence, refusal)))
            return None
        if kind is Unbind:
            self._answer(UnbindResp(pdu.sequence))
            return PeerUnbound()
        self._due.add(pdu.sequence)
        return Received(pdu)

    def _refusal(self, kind: type[Pdu]) -> Status | None:
        """Why a well-formed request cannot be taken now."""
        if self.state not in self._theirs[kind]:
            self.faults.misplaced += 1
            again = kind in BINDS and self.state in BOUND
            return Status.ESME_RALYBND if again else Status.ESME_RINVBNDSTS
        if len(self._due) >= self._limits.unanswered:
            self.faults.too_many += 1
            return Status.ESME_RX_T_APPN if self.role is Role.ESME else Status.ESME_RTHROTTLED
        return None

    def _answer(self, pdu: Pdu) -> None:
        self._out.append(encode(pdu))
        if pdu.status == 0 and pdu.__class__ in TRANSITIONS:
            self.state = TRANSITIONS[pdu.__class__]

    def _answered(self, pdu: Pdu, kind: type[Pdu]) -> Event | None:
        waiting = self._pending.get(pdu.sequence)
        if waiting is None or (kind not in (waiting.response, GenericNack)):
            self.faults.strays += 1
            return None
        self._forget(pdu.sequence)
        if pdu.status == 0 and kind in TRANSITIONS:
            self.state = TRANSITIONS[kind]
        return None if waiting.token is _SIGN_OF_LIFE else Answered(pdu, waiting.token)

    def _refuse_malformed(self, frame: bytes, status: Status) -> None:
        """A malformed request gets its own response, an unknown one generic_nack (section 4.3)."""
        self.faults.malformed += 1
        _, number, _, sequence = HEADER.unpack_from(frame)
        kind = kind_of(number)
        if kind is None:
            if not number & RESPONSE:
                self._out.append(encode(GenericNack(sequence, status)))
        elif kind in RESPONSES:
            self._out.append(encode(RESPONSES[kind](sequence, status)))


_RESPONSE_KINDS: Final = frozenset(RESPONSES.values()) | {GenericNack}
_COUNTED: Final = frozenset(response for request, response in RESPONSES.items() if request not in CONTROL)
