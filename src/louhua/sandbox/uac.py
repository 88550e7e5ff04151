"""The signalling of one call that a sandbox phone places, from INVITE to BYE (RFC 3261).

It decides what is sent and when the call is over; what is heard and said meanwhile is the phone's. Hanging up
is CANCEL or BYE, whichever the moment asks for, also where it crosses the other side's answer.
"""

from typing import Final, Protocol

from louhua.sandbox.sip import Dialog, Transport
from louhua.sip import Headers, Message, answer_to

_OF_THE_TRANSACTION: Final = {"Via", "Route", "Max-Forwards", "From", "To", "Call-ID", "CSeq"}
_CLOSING: Final = {"BYE", "CANCEL"}


class Listener(Protocol):
    """Whom a call tells what happens."""

    def answered(self, status: int, sdp: str) -> None:
        """The INVITE was answered, provisionally (but for 100) or finally; ``sdp`` may be empty."""

    def over(self, by: str) -> None:
        """The call is over; ``by`` is "phone" or "platform". Told once."""

    def changed(self) -> None:
        """A message came: ``Uac.idle`` may be another now."""


class Uac:
    """One call over ``wire``."""

    def __init__(self, wire: Transport, dialog: Dialog, listener: Listener) -> None:
        self._wire = wire
        self._dialog = dialog
        self._listener = listener
        self._invite: Message | None = None
        self._ack: Message | None = None
        self._over = False
        self._cancelled = False
        self.noticed = False
        """Whether the other side has said anything to the INVITE."""
        self.status = 0
        """The latest status of the INVITE, 100 left out."""

    @property
    def idle(self) -> bool:
        """Whether nothing is expected from the other side any more."""
        return self.status >= 200 and not self._wire.repeating & _CLOSING

    def invite(self, sdp: str, extra: Headers) -> None:
        """Place the call."""
        self._invite = self._dialog.request("INVITE", 1, sdp, extra)
        self._wire.repeat("INVITE", self._invite, slow=False)

    def hang_up(self) -> None:
        """End the call: BYE once it is connected, CANCEL before; nothing if it is over."""
        if self._over:
            return
        self._end("phone")
        if self.status >= 200:
            self._bye()
        elif self.noticed:
            self._cancel()

    def receive(self, message: Message) -> None:
        """A message came from the other side."""
        if message.header("Call-ID") != self._dialog.call_id:
            return
        if not message.status:
            self._on_request(message)
        elif message.method == "INVITE":
            self._on_answer(message)
        elif message.status >= 200:
            self._wire.settle(message.method)
        self._listener.changed()

    def _on_answer(self, response: Message) -> None:
        self._wire.settle("INVITE")
        self.noticed = True
        repeated = self.status >= 200
        if response.status >= 200:
            self._acknowledge(response)
        if repeated:
            return
        if response.status > 100:
            self.status = response.status
            self._listener.answered(response.status, response.body)
        if response.status >= 300:
            self._end("platform")
        elif self._over:
            self._leave(response.status)

    def _leave(self, status: int) -> None:
        """We hung up before this answer: CANCEL waits for a provisional one, and too late for it is BYE (9.1)."""
        if status >= 200:
            self._bye()
        elif not self._cancelled:
            self._cancel()

    def _acknowledge(self, response: Message) -> None:
        """ACK: a request of its own after 2xx, else part of the transaction (13.2.2.4, 17.1.1.3)."""
        if self._ack is None and response.status < 300:
            self._dialog.follow(response)
            self._ack = self._dialog.request("ACK", 1)
        elif self._ack is None:
            self._ack = self._in_transaction("ACK", to=response.header("To"))
        self._wire.send(self._ack)

    def _bye(self) -> None:
        self._wire.repeat("BYE", self._dialog.request("BYE", 2), slow=True)

    def _cancel(self) -> None:
        self._cancelled = True
        self._wire.repeat("CANCEL", self._in_transaction("CANCEL"), slow=True)

    def _in_transaction(self, method: str, to: str = "") -> Message:
        """A request that belongs to the INVITE: same URI, Via, numbers, and To unless given."""
        assert self._invite is not None
        changed = {"CSeq": f"1 {method}"} | ({"To": to} if to else {})
        headers = [
            (name, changed.get(name, value)) for name, value in self._invite.headers if name in _OF_THE_TRANSACTION
        ]
        return Message(f"{method} {self._invite.target} SIP/2.0", tuple(headers))

    def _on_request(self, request: Message) -> None:
        match request.method:
            case "BYE":
                self._wire.send(answer_to(request, 200, "OK"))
                self._end("platform")
            case "OPTIONS" | "INFO":
                self._wire.send(answer_to(request, 200, "OK"))
            case "INVITE" | "UPDATE":
                self._wire.send(answer_to(request, 488, "Not Acceptable Here"))
            case "ACK":
                pass
            case _:
                self._wire.send(answer_to(request, 501, "Not Implemented"))

    def _end(self, by: str) -> None:
        if not self._over:
            self._over = True
            self._listener.over(by)
