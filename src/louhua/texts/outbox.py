"""What the outbox takes and tells: drafts of texts, and the changes of their state.

Whoever wants a text sent writes a row (``store.enqueue``) in the transaction that made it necessary. Whoever
must know what became of it is a listener: called in the transaction that changes the text's state.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from louhua.bus.events import Event
from louhua.db.pool import Connection
from louhua.texts.smpp.status import Retry


class TextKind(StrEnum):
    """What a text is for; rows of the outbox carry it."""

    ALERT = "alert"
    REPLY = "reply"
    NOTICE = "notice"
    PROBE = "probe"


class TextState(StrEnum):
    """Where a text is."""

    RESERVING = "reserving"
    QUEUED = "queued"
    SENDING = "sending"
    SUBMITTED = "submitted"
    DELIVERED = "delivered"
    FAILED = "failed"


PRIORITY: Final = {TextKind.REPLY: 1, TextKind.ALERT: 2, TextKind.NOTICE: 3, TextKind.PROBE: 4}
"""The lower, the sooner: who asked is waiting. Probes, the most of all, have a share of their own besides."""

AFTER_ALERTS: Final = frozenset({TextKind.NOTICE, TextKind.PROBE})
"""Kinds that wait for alerts which are due and not worded yet."""

NO_CREDIT: Final = "no credit"
"""The error of a text whose payer has not enough money for it."""

CREDIT_AWAY: Final = "credit away"
"""The error of a text while nobody answers for its payer's money."""

UNPAID: Final = frozenset({NO_CREDIT, CREDIT_AWAY})
"""The errors of texts that never went."""

OUTCOME_UNKNOWN: Final = "outcome unknown"
"""The error of a text that was sent twice without anybody knowing what came of it."""

VALIDITY: Final = timedelta(hours=72)
"""How long an SMSC keeps trying to deliver an ordinary text."""

SILENCE: Final = timedelta(hours=1)
"""A text nobody has heard of so long after its validity is taken for expired."""


class Tag(msgspec.Struct, frozen=True):
    """What is charged for a text (empty: nothing), whom, and whom it tells him of.

    The text of a ``prepaid`` payer waits for his money.
    """

    item: str = ""
    payer: str = ""
    party: str = ""
    prepaid: bool = False


FREE: Final = Tag()


class TextDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A text to send; ``alert_ids`` are the alerts it tells, several where it is a digest.

    ``protocol_id`` is TP-PID (3GPP TS 23.040, 9.2.3.9); ``smsc`` empty: any.
    """

    kind: TextKind
    sender: str
    recipient: str
    body: str
    alert_ids: tuple[int, ...] = ()
    protocol_id: int = 0
    set_dpf: bool = False
    validity: timedelta = VALIDITY
    smsc: str = ""
    tag: Tag = FREE


class TextChange(msgspec.Struct, frozen=True, kw_only=True):
    """A text came into another state.

    Of a failed one ``error`` is a receipt's state or an SMSC's refusal, and ``retry`` what may be done about it.
    ``network_error`` is what the receipt says of the network, as ``3:31``: its type and its code.
    """

    text_id: int
    kind: TextKind
    alert_ids: tuple[int, ...]
    recipient: str
    state: TextState
    at: datetime
    error: str = ""
    retry: Retry | None = None
    network_error: str = ""
    tag: Tag = FREE


Listener = Callable[[Connection, Sequence[TextChange]], Awaitable[Sequence[Event]]]
"""Called inside the transaction; the events it returns are published after the commit."""
