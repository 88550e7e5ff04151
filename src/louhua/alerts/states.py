"""The life of an alert as a table. SQL makes the transitions, a batch at a time; this says which there are.

``docs/alerts.md`` shows the same table; tests compare both, and record that the store makes no other move.
"""

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What an alert tells."""

    MISSED = "missed"
    TEASER = "teaser"
    DETAIL = "detail"
    CALL_BACK = "call_back"
    CALL_OTHER = "call_other"
    MESSAGE = "message"
    POWER_ON = "power_on"


class State(StrEnum):
    """Where an alert is."""

    HELD = "held"
    OFFERED = "offered"
    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    DROPPED = "dropped"


class Happened(StrEnum):
    """What can happen to an alert."""

    CALLED = "called again"
    CALLED_WHILE_OFF = "called again, phone off"
    PHONE_ON = "phone on"
    QUIET = "quiet time over"
    WATCH_OVER_SEND = "watch over, policy send"
    WATCH_OVER_DROP = "watch over, policy drop"
    ENQUIRED = "D received"
    EXPIRY = "offer over"
    WORDED = "text worded"
    FORBIDDEN = "privacy forbids"
    SUBMITTED = "text submitted"
    DELIVERY = "text delivered"
    TRY_AGAIN = "text failed, phone may be off"
    TRY_LATER = "text failed, try later"
    GIVEN_UP = "text failed for good"
    UNPAID = "details not paid for"


OPEN: Final = frozenset({State.HELD, State.OFFERED, State.DUE})
"""States in which another call merges: one open alert per callee, caller and kind."""

ON_THEIR_WAY: Final = OPEN | {State.SENDING, State.SENT}

FINAL: Final = frozenset({State.DELIVERED, State.FAILED, State.EXPIRED, State.DROPPED})

TRANSITIONS: Final[dict[tuple[State, Happened], State]] = {
    (State.HELD, Happened.CALLED): State.HELD,
    (State.HELD, Happened.CALLED_WHILE_OFF): State.HELD,
    (State.HELD, Happened.PHONE_ON): State.DUE,
    (State.HELD, Happened.QUIET): State.DUE,
    (State.HELD, Happened.WATCH_OVER_SEND): State.DUE,
    (State.HELD, Happened.WATCH_OVER_DROP): State.EXPIRED,
    (State.HELD, Happened.ENQUIRED): State.DROPPED,
    (State.HELD, Happened.WORDED): State.SENDING,
    (State.HELD, Happened.FORBIDDEN): State.DROPPED,
    (State.DUE, Happened.CALLED): State.DUE,
    (State.DUE, Happened.CALLED_WHILE_OFF): State.HELD,
    (State.DUE, Happened.ENQUIRED): State.DROPPED,
    (State.DUE, Happened.WORDED): State.SENDING,
    (State.DUE, Happened.FORBIDDEN): State.DROPPED,
    (State.OFFERED, Happened.CALLED): State.OFFERED,
    (State.OFFERED, Happened.CALLED_WHILE_OFF): State.OFFERED,
    (State.OFFERED, Happened.ENQUIRED): State.DUE,
    (State.OFFERED, Happened.EXPIRY): State.EXPIRED,
    (State.SENDING, Happened.SUBMITTED): State.SENT,
    (State.SENDING, Happened.DELIVERY): State.DELIVERED,
    (State.SENDING, Happened.TRY_AGAIN): State.HELD,
    (State.SENDING, Happened.TRY_LATER): State.DUE,
    (State.SENDING, Happened.GIVEN_UP): State.FAILED,
    (State.SENDING, Happened.UNPAID): State.OFFERED,
    (State.SENT, Happened.DELIVERY): State.DELIVERED,
    (State.SENT, Happened.TRY_AGAIN): State.HELD,
    (State.SENT, Happened.TRY_LATER): State.DUE,
    (State.SENT, Happened.GIVEN_UP): State.FAILED,
}
"""What follows when something happens in a state; anything else changes nothing.

A due teaser and a held one are dropped by D: the answer tells more. An alert that goes back to ``held``, ``due``
or ``offered`` while another one with its key is open adds its calls to that one and ends as ``failed``.
"""


def after(state: State, happened: Happened) -> State:
    """The state that follows."""
    return TRANSITIONS.get((state, happened), state)
