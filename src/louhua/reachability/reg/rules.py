"""What a registrar's answers mean for a subscription (RFC 6665, sections 4.1.2 and 4.1.3)."""

from enum import StrEnum
from typing import Final


class Answer(StrEnum):
    """What we know of a phone, or that this registrar will not or cannot tell."""

    ACTIVE = "active"
    GAVE_UP = "gave up"
    AWAY = "away"


class Next(StrEnum):
    """What follows when the registrar ends a subscription."""

    AGAIN = "again"
    LATER = "later"
    NEVER = "never"


REFUSALS: Final = frozenset(
    {400, 401, 402, 403, 404, 405, 407, 410, 414, 415, 416, 420, 421, 423, 481, 482, 483, 484, 485, 488, 489, 494}
    | {501, 505, 513, 600, 603, 604, 606}
)
"""The same request would be refused again: no such number, no such event, not for us. Whatever else is no success
may pass (408, 480, 486, 500, 503, 504, redirections that we do not follow). 423 and 481 come here only when they
make no sense; 401 and 407 because we have no password to answer with."""

ENDINGS: Final = {
    "deactivated": Next.AGAIN,
    "timeout": Next.AGAIN,
    "probation": Next.LATER,
    "giveup": Next.LATER,
    "rejected": Next.NEVER,
    "noresource": Next.NEVER,
    "invariant": Next.NEVER,
}
"""By the reason in Subscription-State. Other reasons, and none: again, or later if a time is given."""

_SOONEST: Final = 0.75
_SPREAD: Final = 0.15


def answer_of(status: int) -> Answer:
    """What a final response that is no success means."""
    return Answer.GAVE_UP if status in REFUSALS else Answer.AWAY


def after_ending(reason: str, retry_after: float) -> Next:
    """Whether to subscribe again; ``retry_after`` is in seconds, 0 for none."""
    return ENDINGS.get(reason.lower(), Next.LATER if retry_after else Next.AGAIN)


def refresh_after(expires: float, spread: float) -> float:
    """Seconds until a subscription of ``expires`` seconds is refreshed; ``spread`` from 0 to 1 parts them.

    What is left is time to try again for the 32 s a request lasts, with the shortest usual expiry of 130 s.
    """
    return expires * (_SOONEST + _SPREAD * spread)


def seconds(value: str, most: int = 7 * 86400) -> int:
    """A number of seconds in a header, 0 where there is none or it makes no sense."""
    digits = value.partition(";")[0].partition("(")[0].strip()
    return min(int(digits), most) if digits.isascii() and digits.isdecimal() and len(digits) <= 10 else 0
