"""What a Result-Code means for a text and its money; pure.

RFC 8506, section 9 (credit-control results), RFC 6733, section 7.1 (all others), 3GPP TS 32.299, 6.3 and 6.4.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import msgspec

from louhua.charging.credit import Settled, Settlement, Verdict


class Code(IntEnum):
    """Result-Codes that are known here."""

    SUCCESS = 2001
    UNABLE_TO_DELIVER = 3002
    TOO_BUSY = 3004
    END_USER_SERVICE_DENIED = 4010
    CREDIT_CONTROL_NOT_APPLICABLE = 4011
    CREDIT_LIMIT_REACHED = 4012
    UNKNOWN_SESSION_ID = 5002
    AUTHORIZATION_REJECTED = 5003
    USER_UNKNOWN = 5030
    RATING_FAILED = 5031


VERDICTS: Final[Mapping[int, Verdict]] = {
    Code.SUCCESS: Verdict.GRANTED,
    # The service can be granted and needs no credit control, for instance because it is free (RFC 8506, 9.1).
    Code.CREDIT_CONTROL_NOT_APPLICABLE: Verdict.FREE,
    Code.END_USER_SERVICE_DENIED: Verdict.REFUSED,
    Code.CREDIT_LIMIT_REACHED: Verdict.REFUSED,
    Code.AUTHORIZATION_REJECTED: Verdict.REFUSED,
    Code.USER_UNKNOWN: Verdict.REFUSED,
    Code.RATING_FAILED: Verdict.REFUSED,
    Code.TOO_BUSY: Verdict.AWAY,
    Code.UNABLE_TO_DELIVER: Verdict.AWAY,
}
"""All other codes are ``AWAY``: they speak of the message or the way, not of the subscriber's money."""

ENDED: Final[frozenset[int]] = frozenset({
    Code.SUCCESS,
    Code.UNKNOWN_SESSION_ID,  # it was ended before, by us or by its time; see ``settled``
    Code.CREDIT_CONTROL_NOT_APPLICABLE,  # nothing was reserved
    # The server took the end of the session and says what it thinks of the subscriber (RFC 8506, 7); asking again
    # would not change it.
    Code.END_USER_SERVICE_DENIED,
    Code.CREDIT_LIMIT_REACHED,
    Code.USER_UNKNOWN,
})  # fmt: skip
"""Answers to a settlement after which the reservation is over."""


class Answer(msgspec.Struct, frozen=True):
    """What a credit-control answer says."""

    code: int
    granted: int | None = None
    """Thousandths of a yuan; ``None`` where no money is named."""
    opened: bool = False
    """Whether the message as a whole succeeded, so that the server has a session."""


def reserved(answer: Answer, amount: int) -> Verdict:
    """What an answer to a reservation of ``amount`` means; all or nothing.

    A server that names no money rates the item itself, and has granted it (TS 32.299, centralised rating). One
    that refuses within a message that succeeded has a session, which has to be ended.
    """
    if is_less(answer, amount):
        return Verdict.LESS
    said = VERDICTS.get(answer.code, Verdict.AWAY)
    return Verdict.LESS if said is Verdict.REFUSED and answer.opened else said


def debited(answer: Answer, amount: int) -> Verdict:
    """What an answer to a debit of ``amount`` means. Less, or another currency, is money that was taken all the
    same: nobody may take the rest of it by a new session, so it is not refused. What is free of charge is had."""
    said = Verdict.AWAY if is_less(answer, amount) else VERDICTS.get(answer.code, Verdict.AWAY)
    return Verdict.GRANTED if said is Verdict.FREE else said


def is_less(answer: Answer, amount: int) -> bool:
    """Whether money was granted, and not all that was asked for."""
    return answer.code == Code.SUCCESS and answer.granted is not None and answer.granted < amount


def settled(answer: Answer, about: Settlement) -> Settled:
    """What an answer to a settlement means.

    A session that the server does not know has ended by its time, or was another server's: what was used of it is
    still to be taken. Of one that is settled again nobody knows: the answer that was lost may have said that the
    money was taken, and a session is forgotten after that. Who is refused has nothing to be given back where
    nothing was used.
    """
    if is_lost(answer, about) and not about.again:
        return Settled.LATE
    over = answer.code in ENDED or (not about.used and VERDICTS.get(answer.code) is Verdict.REFUSED)
    return Settled.DONE if over else Settled.AGAIN


def is_lost(answer: Answer, about: Settlement) -> bool:
    """Whether there is something to be taken of a session that the server does not know."""
    return answer.code == Code.UNKNOWN_SESSION_ID and about.used > 0


def settled_late(answer: Answer | None, amount: int) -> Settled:
    """What an answer means to a debit of what was used of a session that the server does not know.

    What is refused, or less, would be so for ever.
    """
    if answer is None or (debited(answer, amount) is Verdict.AWAY and not is_less(answer, amount)):
        return Settled.LATE
    return Settled.DONE
