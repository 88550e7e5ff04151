"""What the command_status of a response means: its name, and what to do with the message.

Names are those of SMPP 3.4, section 5.1.3. Whether a refused message may be tried again is our reading of
that table together with what real SMSCs answer; a status we do not know is taken as final, because SMSCs use
their own numbers for refusals of content and subscriber.
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

RETRY_LATER: Final = SLOW_DOWN | {
    Status.ESME_RINVBNDSTS,  # a connection that the SMSC has given up; the next one will do
    Status.ESME_RSYSERR,
    Status.ESME_RSUBMITFAIL,
    Status.ESME_RX_T_APPN,
    Status.ESME_RUNKNOWNERR,
}
"""The same message may well be taken later."""


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
