"""What happened: the events that travel by NATS, and their wire form.

A message on the bus carries a JSON array of events of one type, so that a busy node publishes a batch at a
time. Every event has an ``id`` that is the same however often it is published: consumers count it once.
Numbers are canonical (see ``louhua.numbers``); times are aware and in UTC.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

import msgspec


class Reason(StrEnum):
    """Why the network forwarded the call (RFC 5806 reasons, RFC 4458 causes; design: *A call*)."""

    UNREACHABLE = "unreachable"
    NO_ANSWER = "no-answer"
    BUSY = "busy"
    UNCONDITIONAL = "unconditional"
    DEFLECTION = "deflection"
    UNKNOWN = "unknown"


class Treatment(StrEnum):
    """What the caller is given."""

    BLOCK = "block"
    RELEASE = "release"
    ANNOUNCE = "announce"
    MENU = "menu"


class Choice(StrEnum):
    """What the caller asked for; ``NONE`` is hanging up or pressing nothing."""

    NONE = "none"
    MESSAGE = "message"
    CALL_BACK = "call_back"
    CALL_OTHER = "call_other"
    POWER_ON = "power_on"


class Outcome(StrEnum):
    """How the call ended, for statistics."""

    COMPLETED = "completed"
    ABANDONED = "abandoned"
    RELEASED = "released"
    FAILED = "failed"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What every event has: ``id`` is unique to what happened, not to its publication."""

    id: str


class CallEnded(Event, frozen=True, kw_only=True):
    """A forwarded call is over. ``caller`` is empty when withheld; ``recording`` names the stored object.

    ``recording_ms`` is in milliseconds. ``answered_at`` is ``None`` for a call released without answer.
    """

    node: str
    trunk: str
    sip_call_id: str
    callee: str
    caller: str
    reason: Reason
    treatment: Treatment
    choice: Choice
    outcome: Outcome
    started_at: datetime
    ended_at: datetime
    answered_at: datetime | None = None
    other_number: str = ""
    recording: str = ""
    recording_ms: int = 0


class Source(StrEnum):
    """Who says that a phone is back."""

    PROBE = "probe"
    ALERT_NOTIFICATION = "alert_notification"
    REG = "reg"
    TEXT = "text"
    CALL = "call"
    API = "api"


class PhoneReachable(Event, frozen=True, kw_only=True):
    """The phone with this number was on at ``at`` or, where its source cannot say when, at some time after it."""

    number: str
    source: Source
    at: datetime


class ReceiptState(StrEnum):
    """Message states of SMPP 3.4, section 5.2.28."""

    ENROUTE = "enroute"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    DELETED = "deleted"
    UNDELIVERABLE = "undeliverable"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    REJECTED = "rejected"


class TextReceipt(Event, frozen=True, kw_only=True):
    """An SMSC reported the state of one message (one part of a text).

    ``message_id`` is in comparable form, as that of the submit response is stored; ``reference`` is the
    user_message_reference (SMPP 5.3.2.17) that came back, if any; ``number`` is the phone it was for.
    """

    smsc: str
    message_id: str
    number: str
    state: ReceiptState
    at: datetime
    reference: int | None = None
    error: str = ""


class TextReceived(Event, frozen=True, kw_only=True):
    """A phone sent us a text."""

    smsc: str
    sender: str
    recipient: str
    body: str
    at: datetime


SUBJECTS: Final[dict[type[Event], str]] = {
    CallEnded: "call.ended",
    PhoneReachable: "phone.reachable",
    TextReceipt: "text.receipt",
    TextReceived: "text.received",
}
"""The subject of each event type. Subjects are public: other systems may listen."""

E = TypeVar("E", bound=Event)

_encoder = msgspec.json.Encoder()
_decoders: Final = {kind: msgspec.json.Decoder(tuple[kind, ...]) for kind in SUBJECTS}  # type: ignore[valid-type]


def encode(events: Sequence[Event]) -> bytes:
    """The payload of a message: a JSON array of events of one type."""
    return _encoder.encode(events)


def decode(kind: type[E], payload: bytes) -> tuple[E, ...]:
    """Read the payload of a message on ``SUBJECTS[kind]``.

    Raises ``msgspec.ValidationError`` or ``msgspec.DecodeError`` when it is not one.
    """
    events: tuple[E, ...] = _decoders[kind].decode(payload)
    return events
