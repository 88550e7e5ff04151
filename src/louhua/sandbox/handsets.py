"""The phones of the sandbox and the store behind them: what an SMSC knows, without a network.

A message for a phone that is off is kept until the phone returns or its validity ends, never tried in
between, as a network does that is told when a phone is back (3GPP TS 23.040, messages waiting). A phone is
on unless it was said to be off. Pure: times are arguments, in seconds since the epoch; what has to be told
to the sender comes back as effects.
"""

import heapq
from collections import deque
from datetime import UTC, datetime
from typing import Final

import msgspec

from louhua.bus.events import ReceiptState
from louhua.texts.encoding import Concatenation, Reassembler, decode_text
from louhua.texts.smpp.addresses import Address

TYPE_0: Final = 0x40
"""TP-PID of a message that the phone acknowledges and does not show (3GPP TS 23.040, 9.2.3.9)."""
REPLACE: Final = range(0x41, 0x48)
"""TP-PIDs of messages that take the place of an earlier one from the same sender."""
ABSENT: Final = 6
"""Error code of a phone that is off: absentSubscriberSM of MAP (3GPP TS 29.002)."""

_INTERMEDIATE: Final = 0x10
_RECEIPTS: Final = 0x03
_ALWAYS: Final = 1
_ON_FAILURE: Final = 2
_INBOX: Final = 1000
"""Texts that a phone has room for; the oldest give way."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A short message in the centre. ``owner`` is the system_id of who submitted it.

    ``sender`` and ``recipient`` are canonical; ``source`` and ``destination`` are the addresses as submitted.
    ``part`` says which part of a longer text this is; ``body`` is without header.
    """

    id: str
    owner: str
    sender: str
    recipient: str
    source: Address
    destination: Address
    data_coding: int
    body: bytes
    submitted_at: float
    expires_at: float
    part: Concatenation | None = None
    protocol_id: int = 0
    priority: int = 0
    registered_delivery: int = 0
    reference: int | None = None
    wants_alert: bool = False

    @property
    def text(self) -> str:
        """What it says (of a part: as far as it can be read alone)."""
        return decode_text(self.data_coding, self.body)


class Text(msgspec.Struct, frozen=True):
    """A text as the person reads it, put together from its parts."""

    sender: str
    body: str
    at: datetime
    protocol_id: int = 0


class Delivered(msgspec.Struct, frozen=True):
    """A phone took a message, shown or not."""

    message: Message
    at: float


class Report(msgspec.Struct, frozen=True):
    """The sender of a message is to be told its state. ``error`` is a GSM error code, 0 for none."""

    message: Message
    state: ReceiptState
    at: float
    error: int = 0
    intermediate: bool = False


class Alert(msgspec.Struct, frozen=True):
    """A phone is back for which ``owner`` asked to be told (set_dpf); addresses as it submitted them."""

    owner: str
    phone: Address
    esme: Address


Effect = Delivered | Report | Alert


class Record(msgspec.Struct):
    """A message and what became of it so far."""

    message: Message
    state: ReceiptState = ReceiptState.ENROUTE
    final_at: float | None = None
    error: int = 0


class Handsets:
    """All phones and the messages for them. The last ``keep`` finished messages can still be asked for."""

    def __init__(self, keep: int = 100_000) -> None:
        self._keep = keep
        self._off: set[str] = set()
        self._inboxes: dict[str, list[Text]] = {}
        self._parts = Reassembler()
        self._records: dict[str, Record] = {}
        self._finished: deque[str] = deque()
        self._waiting: dict[str, list[str]] = {}
        self._expiries: list[tuple[float, str]] = []
        self._alerts: dict[str, dict[tuple[str, Address], Alert]] = {}

    def is_on(self, number: str) -> bool:
        """Whether the phone is on; one never heard of is."""
        return number not in self._off

    def inbox(self, number: str) -> list[Text]:
        """What the person can read, oldest first."""
        return list(self._inboxes.get(number, ()))

    def waiting(self, number: str) -> int:
        """How many messages wait for the phone."""
        return len(self._waiting.get(number, ()))

    def submit(self, message: Message, now: float) -> list[Effect]:
        """Take a message: deliver it, or keep it for a phone that is off."""
        record = self._records[message.id] = Record(message)
        if message.recipient not in self._off:
            return self._deliver(record, now)
        self._waiting.setdefault(message.recipient, []).append(message.id)
        heapq.heappush(self._expiries, (message.expires_at, message.id))
        if message.wants_alert:
            alert = Alert(message.owner, message.destination, message.source)
            self._alerts.setdefault(message.recipient, {})[(message.owner, message.source)] = alert
        if message.registered_delivery & _INTERMEDIATE:
            return [Report(message, ReceiptState.ENROUTE, now, ABSENT, intermediate=True)]
        return []

    def phone_off(self, number: str) -> None:
        """The phone is switched off, or out of cover."""
        self._off.add(number)

    def phone_on(self, number: str, now: float) -> list[Effect]:
        """The phone is back: it gets what waits for it, urgent messages first, else in order."""
        if number not in self._off:
            return []
        effects = self.tick(now)
        self._off.remove(number)
        effects += self._alerts.pop(number, {}).values()
        records = [self._records[message_id] for message_id in self._waiting.pop(number, ())]
        records.sort(key=lambda record: -record.message.priority)
        for record in records:
            effects += self._deliver(record, now)
        return effects

    def tick(self, now: float) -> list[Effect]:
        """End the validity of what waited too long."""
        effects: list[Effect] = []
        while self._expiries and self._expiries[0][0] <= now:
            _, message_id = heapq.heappop(self._expiries)
            record = self._waiting_record(message_id)
            if record is not None and record.message.expires_at <= now:
                effects += self._give_up(record, ReceiptState.EXPIRED, now, ABSENT)
        return effects

    def query(self, message_id: str) -> Record | None:
        """A message's state, if it is known."""
        return self._records.get(message_id)

    def cancel(self, message_id: str, now: float) -> list[Effect] | None:
        """Forget a message that waits; ``None`` when none does by this id."""
        record = self._waiting_record(message_id)
        return None if record is None else self._give_up(record, ReceiptState.DELETED, now, 0)

    def waiting_between(self, sender: str, recipient: str) -> list[str]:
        """The ids of the messages from one number that wait for another."""
        ids = self._waiting.get(recipient, ())
        return [message_id for message_id in ids if self._records[message_id].message.sender == sender]

    def replace(self, message_id: str, body: bytes, registered: int, expires_at: float | None) -> bool:
        """Change a message that waits; false when none does by this id."""
        record = self._waiting_record(message_id)
        if record is None:
            return False
        old = record.message
        record.message = msgspec.structs.replace(
            old, body=body, registered_delivery=registered, expires_at=expires_at or old.expires_at
        )
        if expires_at is not None:
            heapq.heappush(self._expiries, (expires_at, message_id))
        return True

    def _waiting_record(self, message_id: str) -> Record | None:
        record = self._records.get(message_id)
        return record if record is not None and record.state is ReceiptState.ENROUTE else None

    def _deliver(self, record: Record, now: float) -> list[Effect]:
        message = record.message
        self._finish(record, ReceiptState.DELIVERED, now, 0)
        self._show(message, now)
        effects: list[Effect] = [Delivered(message, now)]
        if message.registered_delivery & _RECEIPTS == _ALWAYS:
            effects.append(Report(message, ReceiptState.DELIVERED, now))
        return effects

    def _give_up(self, record: Record, state: ReceiptState, now: float, error: int) -> list[Effect]:
        message = record.message
        waiting = self._waiting[message.recipient]
        waiting.remove(message.id)
        if not waiting:
            del self._waiting[message.recipient]
        self._finish(record, state, now, error)
        wanted = message.registered_delivery & _RECEIPTS in (_ALWAYS, _ON_FAILURE)
        return [Report(message, state, now, error)] if wanted else []

    def _finish(self, record: Record, state: ReceiptState, now: float, error: int) -> None:
        record.state, record.final_at, record.error = state, now, error
        self._finished.append(record.message.id)
        if len(self._finished) > self._keep:
            self._records.pop(self._finished.popleft(), None)

    def _show(self, message: Message, now: float) -> None:
        if message.protocol_id == TYPE_0:
            return
        body: str | None = message.text
        if message.part is not None:
            body = self._parts.add(
                message.sender, message.recipient, message.part, message.data_coding, message.body, now
            )
        if body is None:
            return
        inbox = self._inboxes.setdefault(message.recipient, [])
        if message.protocol_id in REPLACE:
            _remove(inbox, message)
        inbox.append(Text(message.sender, body, datetime.fromtimestamp(now, UTC), message.protocol_id))
        del inbox[:-_INBOX]


def _remove(inbox: list[Text], message: Message) -> None:
    """Take away what a message replaces: same sender, same TP-PID."""
    for text in inbox:
        if text.sender == message.sender and text.protocol_id == message.protocol_id:
            inbox.remove(text)
            return
