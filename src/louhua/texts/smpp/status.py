"""What the command_status of a response means: its name, and what to do with the message; data.

Names are those of SMPP 3.4, section 5.1.3. What may be done about a refused message is our reading of that table
together with what real SMSCs answer; a status we do not know is taken as final, because SMSCs use their own
numbers for refusals of content and subscriber. ``docs/smpp.md`` shows the table; a test holds the two together.
"""

from enum import IntEnum, StrEnum
from typing import Final


class Status(IntEnum):
    """command_status values of SMPP 3.4, section 5.1.3."""

    ESME_ROK = 0x00
    ESME_RINVMSGLEN = 0x01
    ESME_RINVCMDLEN = 0x02
    ESME_RINVCMDID = 0x03
    ESME_RINVBNDSTS = 0x04
    ESME_RALYBND = 0x05
    ESME_RINVPRTFLG = 0x06
    ESME_RINVREGDLVFLG = 0x07
    ESME_RSYSERR = 0x08
    ESME_RINVSRCADR = 0x0A
    ESME_RINVDSTADR = 0x0B
    ESME_RINVMSGID = 0x0C
    ESME_RBINDFAIL = 0x0D
    ESME_RINVPASWD = 0x0E
    ESME_RINVSYSID = 0x0F
    ESME_RCANCELFAIL = 0x11
    ESME_RREPLACEFAIL = 0x13
    ESME_RMSGQFUL = 0x14
    ESME_RINVSERTYP = 0x15
    ESME_RINVNUMDESTS = 0x33
    ESME_RINVDLNAME = 0x34
    ESME_RINVDESTFLAG = 0x40
    ESME_RINVSUBREP = 0x42
    ESME_RINVESMCLASS = 0x43
    ESME_RCNTSUBDL = 0x44
    ESME_RSUBMITFAIL = 0x45
    ESME_RINVSRCTON = 0x48
    ESME_RINVSRCNPI = 0x49
    ESME_RINVDSTTON = 0x50
    ESME_RINVDSTNPI = 0x51
    ESME_RINVSYSTYP = 0x53
    ESME_RINVREPFLAG = 0x54
    ESME_RINVNUMMSGS = 0x55
    ESME_RTHROTTLED = 0x58
    ESME_RINVSCHED = 0x61
    ESME_RINVEXPIRY = 0x62
    ESME_RINVDFTMSGID = 0x63
    ESME_RX_T_APPN = 0x64
    ESME_RX_P_APPN = 0x65
    ESME_RX_R_APPN = 0x66
    ESME_RQUERYFAIL = 0x67
    ESME_RINVOPTPARSTREAM = 0xC0
    ESME_ROPTPARNOTALLWD = 0xC1
    ESME_RINVPARLEN = 0xC2
    ESME_RMISSINGOPTPARAM = 0xC3
    ESME_RINVOPTPARAMVAL = 0xC4
    ESME_RDELIVERYFAILURE = 0xFE
    ESME_RUNKNOWNERR = 0xFF


class Outcome(StrEnum):
    """What became of a message that was to be submitted.

    ``UNKNOWN``: it was sent, but no answer came; the SMSC may have it or not.
    """

    ACCEPTED = "accepted"
    RETRY_LATER = "retry-later"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


SLOW_DOWN: Final = frozenset((Status.ESME_RMSGQFUL, Status.ESME_RTHROTTLED))
"""The SMSC cannot take so many messages."""


class Retry(StrEnum):
    """What may be done for a text that failed: try again ``LATER`` by the ladder, at once ``ELSEWHERE`` (another
    SMSC), ``WAIT`` for the phone to be back, or nothing, ``FINAL``.
    """

    LATER = "later"
    ELSEWHERE = "elsewhere"
    WAIT = "wait"
    FINAL = "final"


REFUSALS: Final[dict[Status, Retry]] = {
    Status.ESME_RINVBNDSTS: Retry.LATER,  # a connection that the SMSC has given up; the next one will do
    Status.ESME_RSYSERR: Retry.LATER,
    Status.ESME_RINVSRCADR: Retry.ELSEWHERE,
    Status.ESME_RINVDSTADR: Retry.ELSEWHERE,
    Status.ESME_RMSGQFUL: Retry.LATER,
    Status.ESME_RINVSERTYP: Retry.ELSEWHERE,
    Status.ESME_RSUBMITFAIL: Retry.LATER,
    Status.ESME_RINVSRCTON: Retry.ELSEWHERE,
    Status.ESME_RINVSRCNPI: Retry.ELSEWHERE,
    Status.ESME_RINVDSTTON: Retry.ELSEWHERE,
    Status.ESME_RINVDSTNPI: Retry.ELSEWHERE,
    Status.ESME_RTHROTTLED: Retry.LATER,
    Status.ESME_RX_T_APPN: Retry.LATER,
    Status.ESME_ROPTPARNOTALLWD: Retry.ELSEWHERE,
    Status.ESME_RUNKNOWNERR: Retry.LATER,
}
"""What a refused submit means for its text; every other status is final. An SMSC's ``retry`` goes before this.

Elsewhere: what one SMSC does not do for us (a network, a sender, a form of address), another may.
"""

RETRY_LATER: Final = frozenset(status for status, retry in REFUSALS.items() if retry is Retry.LATER)
"""The same SMSC may well take the same message later."""


def outcome(status: int) -> Outcome:
    """What a submit response with this command_status means for the message."""
    if status == 0:
        return Outcome.ACCEPTED
    return Outcome.RETRY_LATER if status in RETRY_LATER else Outcome.PERMANENT


def status_name(status: int) -> str:
    """``ESME_RTHROTTLED`` for 0x58; ``0x00000401`` for what the specification leaves to vendors."""
    try:
        return Status(status).name
    except ValueError:
        return f"0x{status:08x}"
