"""What the outbox hands to an SMSC client and what it gets back: plain values, no I/O.

``SmppClient`` (``client``) turns them into PDUs; another protocol would take and give the same.
"""

from datetime import timedelta
from typing import Any

import msgspec

from louhua.texts.encoding import Concatenation, Segment, decode_text
from louhua.texts.smpp.receipts import Receipt
from louhua.texts.smpp.status import Outcome
from louhua.texts.smpp.tlv import Tlvs


class Submit(msgspec.Struct, frozen=True, kw_only=True):
    """A text to submit: one short message for each segment, each with its own result.

    ``key`` is the owner's and comes back untouched. ``source`` and ``destination`` are canonical numbers,
    short codes or (source only) names. ``registered_delivery``: 0 none, 1 receipt, +0x10 also *absent now*
    (SMPP 3.4, section 5.2.17). ``priority`` is 0 to 3.
    """

    key: Any
    source: str
    destination: str
    segments: tuple[Segment, ...]
    validity: timedelta | None = None
    registered_delivery: int = 1
    priority: int = 0
    protocol_id: int = 0
    tlvs: Tlvs = ()


class SubmitResult(msgspec.Struct, frozen=True, gc=False):
    """What became of segment ``part`` (from 0) of the text ``key``.

    ``status`` is the response's command_status; ``None`` when there was none: ``UNKNOWN`` means that the
    segment was sent and no answer came, ``RETRY_LATER`` without a status that it was never sent.
    """

    key: Any
    part: int
    outcome: Outcome
    message_id: str = ""
    status: int | None = None
    detail: str = ""


class Handle(msgspec.Struct, frozen=True):
    """Which request of which connection is to be answered with ``respond_many``."""

    connection: Any
    sequence: int
    data_sm: bool

    @property
    def gone(self) -> bool:
        """Whether the connection is over, so that no answer can reach the SMSC."""
        return bool(self.connection.closed.done())


class ReceiptArrived(msgspec.Struct, frozen=True):
    """A receipt; answer it when its event is stored."""

    handle: Handle
    receipt: Receipt


class TextArrived(msgspec.Struct, frozen=True):
    """A text from a phone, or a part of one; answer it when its event is stored.

    ``body`` is without user data header. Numbers are canonical.
    """

    handle: Handle
    sender: str
    recipient: str
    data_coding: int
    body: bytes
    part: Concatenation | None = None

    @property
    def text(self) -> str:
        """What it says (of a part: as far as it can be read alone)."""
        return decode_text(self.data_coding, self.body)


class PhoneAvailable(msgspec.Struct, frozen=True):
    """alert_notification: a phone for which set_dpf was asked. There is nothing to answer.

    ``available`` is false only where ms_availability_status says so (SMPP 3.4, section 5.3.2.30).
    """

    number: str
    available: bool


Inbound = ReceiptArrived | TextArrived | PhoneAvailable
