"""The errors of the SMPP package: nothing else is raised for what a peer sends."""

from louhua.texts.smpp.status import Status


class SmppError(Exception):
    """Something about SMPP went wrong; the subclasses say what."""


class PduError(SmppError):
    """A PDU that cannot be written or read; ``status`` is the command_status to answer with."""

    def __init__(self, message: str, status: Status) -> None:
        super().__init__(message)
        self.status = status


class FrameError(SmppError):
    """A command_length that no PDU has: where the next one begins is lost, and with it the connection."""


class ProtocolError(SmppError):
    """We were about to send a PDU that this side may not send in this state."""


class WindowFull(SmppError):
    """As many requests as agreed are waiting for their responses."""


class NotBound(SmppError):
    """No connection to the SMSC is bound for this."""


class Refused(SmppError):
    """The SMSC refused an operation; ``status`` is its command_status."""

    def __init__(self, status: int, name: str) -> None:
        super().__init__(f"the SMSC answered {name}")
        self.status = status


class Unanswered(SmppError):
    """No response came in time, or the connection went first."""
