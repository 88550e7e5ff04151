"""What a probe's fate says about the phone, and when to ask again.

A probe is a Type 0 short message (3GPP TS 23.040, 9.2.3.9): the phone acknowledges and shows nothing, so its
receipt says that the phone is back. An SMSC keeps it for a day while the phone is off.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Final

from louhua.texts.ladder import retry_after
from louhua.texts.outbox import OUTCOME_UNKNOWN, SILENCE
from louhua.texts.smpp.status import RETRY_LATER

TYPE_0: Final = 0x40
PROBE_VALIDITY: Final = timedelta(hours=24)
NEXT_UNLESS_HEARD: Final = PROBE_VALIDITY + 2 * SILENCE
"""Should nothing at all be heard of a probe; before that the outbox takes it for expired."""
NOTIFIED_PROBE_VALIDITY: Final = timedelta(minutes=5)
"""With set_dpf the SMSC notifies us later, so it need not keep the probe."""


class Verdict(StrEnum):
    """What a finished probe means."""

    REACHABLE = "reachable"
    TRY_LATER = "try later"
    GIVE_UP = "give up"
    WAIT = "wait"


VERDICTS: Final = {
    "delivered": Verdict.REACHABLE,
    "undeliverable": Verdict.TRY_LATER,
    "rejected": Verdict.GIVE_UP,
    "expired": Verdict.WAIT,
    "deleted": Verdict.WAIT,
    OUTCOME_UNKNOWN: Verdict.TRY_LATER,
    **dict.fromkeys((status.name for status in RETRY_LATER), Verdict.TRY_LATER),
}
"""By final state of the receipt, or by what ended the submit without one: nobody knows, or the SMSC had no room
for as long as the outbox tries. Anything else is a refusal for good: give up."""


def verdict_of(outcome: str) -> Verdict:
    """What ``delivered``, or a failed probe's error, means."""
    return VERDICTS.get(outcome, Verdict.GIVE_UP)


def next_probe_after(outcome: str, probes: int) -> timedelta | None:
    """How long until the next probe after the last of ``probes`` ended so; ``None``: no more."""
    match verdict_of(outcome):
        case Verdict.TRY_LATER:
            return retry_after(probes) or PROBE_VALIDITY
        case Verdict.WAIT:
            return timedelta(minutes=1)
        case _:
            return None
