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
_A_MOMENT: Final = timedelta(minutes=1)
NOTIFIED_PROBE_VALIDITY: Final = timedelta(minutes=5)
"""With set_dpf the SMSC notifies us later, so it need not keep the probe."""


GIVEN_UP_AFTER: Final = timedelta(days=3)
"""Counted from the call that began the watch: so long a phone is probed, and no longer."""

_BUSY: Final = "3:31"
"""network_error_code of GSM: subscriberBusyForMT-SMS (3GPP TS 29.002, 17.6.6): the phone gets another message."""


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


def verdict_of(outcome: str, network_error: str = "") -> Verdict:
    """What ``delivered``, or a failed probe's error, means; ``network_error`` as ``TextChange`` has it."""
    if network_error == _BUSY:
        return Verdict.REACHABLE
    return VERDICTS.get(outcome, Verdict.GIVE_UP)


def next_probe_after(outcome: str, probes: int, watched: timedelta, *, notified: bool = False) -> timedelta | None:
    """How long until the next probe after the last of ``probes`` ended so; ``None``: no more.

    ``watched`` is how long the phone has been awaited; ``notified``: the SMSC will tell of itself.
    """
    match verdict_of(outcome):
        case Verdict.TRY_LATER:
            wait = retry_after(probes) or PROBE_VALIDITY
        case Verdict.WAIT:
            wait = _A_MOMENT if not notified else PROBE_VALIDITY - _A_MOMENT
        case _:
            return None
    return wait if watched + wait < GIVEN_UP_AFTER else None
