"""Which PDU may be sent by which side in which state (SMPP 3.4, sections 2.2 and 2.3, table 2-1), as data.

Beyond the table, as version 5.0 allows and peers do: enquire_link and generic_nack before a bind.
``docs/smpp.md`` shows these tables; a test holds the two together.
"""

from enum import StrEnum
from typing import Final

from louhua.texts.smpp.pdu import (
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)


class State(StrEnum):
    """Session states of section 2.2; UNBOUND lasts from unbind_resp until the connection is closed."""

    OPEN = "OPEN"
    BOUND_TX = "BOUND_TX"
    BOUND_RX = "BOUND_RX"
    BOUND_TRX = "BOUND_TRX"
    UNBOUND = "UNBOUND"
    CLOSED = "CLOSED"


class Role(StrEnum):
    """The two sides of a session."""

    ESME = "ESME"
    SMSC = "SMSC"

    @property
    def peer(self) -> "Role":
        """The other side."""
        return Role.SMSC if self is Role.ESME else Role.ESME


_States = frozenset[State]
_NEVER: Final[_States] = frozenset()
_OPEN: Final = frozenset((State.OPEN,))
TX: Final = frozenset((State.BOUND_TX, State.BOUND_TRX))
RX: Final = frozenset((State.BOUND_RX, State.BOUND_TRX))
BOUND: Final = TX | RX
_ALIVE: Final = BOUND | _OPEN

_TABLE: Final[dict[type[Pdu], tuple[_States, _States]]] = {
    BindTransmitter: (_OPEN, _NEVER),
    BindTransmitterResp: (_NEVER, _OPEN),
    BindReceiver: (_OPEN, _NEVER),
    BindReceiverResp: (_NEVER, _OPEN),
    BindTransceiver: (_OPEN, _NEVER),
    BindTransceiverResp: (_NEVER, _OPEN),
    Outbind: (_NEVER, _OPEN),
    Unbind: (BOUND, BOUND),
    UnbindResp: (BOUND, BOUND),
    SubmitSm: (TX, _NEVER),
    SubmitSmResp: (_NEVER, TX),
    DataSm: (TX, RX),
    DataSmResp: (RX, TX),
    DeliverSm: (_NEVER, RX),
    DeliverSmResp: (RX, _NEVER),
    QuerySm: (TX, _NEVER),
    QuerySmResp: (_NEVER, TX),
    CancelSm: (TX, _NEVER),
    CancelSmResp: (_NEVER, TX),
    ReplaceSm: (TX, _NEVER),
    ReplaceSmResp: (_NEVER, TX),
    EnquireLink: (_ALIVE, _ALIVE),
    EnquireLinkResp: (_ALIVE, _ALIVE),
    AlertNotification: (_NEVER, RX),
    GenericNack: (_ALIVE, _ALIVE),
}

ALLOWED: Final[dict[Role, dict[type[Pdu], _States]]] = {
    Role.ESME: {kind: states[0] for kind, states in _TABLE.items()},
    Role.SMSC: {kind: states[1] for kind, states in _TABLE.items()},
}
"""The states in which each side may send each PDU."""

TRANSITIONS: Final[dict[type[Pdu], State]] = {
    BindTransmitterResp: State.BOUND_TX,
    BindReceiverResp: State.BOUND_RX,
    BindTransceiverResp: State.BOUND_TRX,
    UnbindResp: State.UNBOUND,
}
"""The state that a PDU with command_status 0 leads to, on both sides."""

BINDS: Final = frozenset((BindTransmitter, BindReceiver, BindTransceiver))
CONTROL: Final = BINDS | {Outbind, Unbind, EnquireLink, AlertNotification, GenericNack}
"""PDUs that take no place in the window."""
