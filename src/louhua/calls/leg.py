"""The SIP side of one call: sippy's UAS, with what a caller may do inside a dialogue decided here.

sippy keeps the states of the INVITE, its ACK and BYE. Everything else that arrives within the dialogue, also
while it is early, is answered here: re-INVITE (RFC 3261, section 14.2), INFO, OPTIONS, PRACK (RFC 3262);
other methods are refused. A BYE of ours waits for the ACK (section 15), and a 183 with a session is sent
reliably where the caller can do that.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog
from sippy.CCEvents import CCEventDisconnect, CCEventFail, CCEventPreConnect, CCEventRing
from sippy.MsgBody import MsgBody
from sippy.UA import UA

from louhua.calls.keys import TYPES, key_of
from louhua.calls.loop import Timer
from louhua.calls.sdp import NotAcceptable
from louhua.calls.wire import ALLOW, KNOWN, Request, Response, Verdict, Wire, header

log = structlog.get_logger()

_FIRST_REPEAT_S: Final = 0.5
_GIVEN_UP_S: Final = 32.0
"""T1 and 64*T1 of RFC 3261, which RFC 3262, section 3, uses for provisional responses too."""


class Listener(Protocol):
    """What a leg tells its call. Descriptions are SDP texts."""

    def on_gone(self) -> None:
        """The caller is gone: BYE, CANCEL, or the INVITE expired."""

    def on_unacknowledged(self) -> None:
        """The caller never confirmed what we answered; the dialogue is over."""

    def on_key(self, key: str) -> None:
        """A key came by INFO."""

    def on_offer(self, text: str | None) -> str:
        """The caller changes the session, or asks for our offer; returns our description.

        Raises ``NotAcceptable`` when the session is to stay as it is.
        """

    def on_answer(self, text: str) -> None:
        """The caller answered our offer."""

    def on_acknowledged(self) -> None:
        """The caller confirmed our reliable 183."""


def session_of(request: Request) -> str | None:
    """The SDP in the body of a request, alone or as part of ``multipart/mixed``; ``None`` without one."""
    body = request.getBody()
    if body is None:
        return None
    kind = _kind(body)
    if kind == "application/sdp":
        return str(body.content)
    if kind == "multipart/mixed":
        return _session_part(str(body.content), _boundary(body.mtype.params))
    return None


def _kind(body: Any) -> str:
    return str(body.mtype.name).strip().lower()


def _boundary(parameters: dict[str, str]) -> str:
    return next((text.strip('" ') for name, text in parameters.items() if name.strip().lower() == "boundary"), "")


def _session_part(content: str, boundary: str) -> str | None:
    for part in content.split(f"--{boundary}")[1:] if boundary else ():
        head, _, rest = part.lstrip("\r\n").replace("\r\n", "\n").partition("\n\n")
        if "application/sdp" in head.lower():
            return rest
    return None


class Leg(UA):  # type: ignore[misc]
    """One dialogue with a caller."""

    local_ua = "Louhua"
    rCSeq: int  # noqa: N815
    routes: list[Any]
    rAddr: tuple[Any, str]  # noqa: N815

    def __init__(self, wire: Wire, listener: Listener) -> None:
        super().__init__(wire.config, self._on_event)
        self.lContact = wire.contact
        self._wire = wire
        self._listener = listener
        self._transaction: Any = None
        self._acknowledged = False
        self._bye_due = False
        self._sequence = 1
        self._repeat: Timer | None = None

    @property
    def awaits_acknowledgement(self) -> bool:
        """Whether a reliable 183 is still unconfirmed: no 200 may follow yet (RFC 3262, section 3)."""
        return self._repeat is not None

    def begin(self, request: Request, transaction: Any) -> Verdict:
        """Take the INVITE: 100 is sent."""
        self._transaction = transaction
        verdict: Verdict = super().recvRequest(request, transaction)
        self.rAddr = (self.rAddr[0], "udp")  # whatever the Contact or the route says: we speak nothing else
        transaction.r487.getHFBody("to").setTag(self.lTag)
        return verdict

    def progress(self, session: str, *, reliable: bool, headers: tuple[Any, ...]) -> None:
        """Open the voice path before the answer: 183."""
        event = CCEventRing((183, "Session Progress", MsgBody(session)))
        event.extra_headers = (ALLOW, *headers)
        if reliable:
            event.extra_headers += (header("Require", "100rel"), header("RSeq", str(self._sequence)))
        self.recvEvent(event)
        if reliable:
            self._repeat_later(_FIRST_REPEAT_S)

    def connect(self, session: str) -> None:
        """Answer: 200."""
        event = CCEventPreConnect((200, "OK", MsgBody(session)))
        event.extra_headers = (ALLOW,)
        self.recvEvent(event)

    def refuse(self, code: int, phrase: str) -> None:
        """End a call that was not answered with a final response."""
        self._stop_repeating()
        self.recvEvent(CCEventFail((code, phrase)))

    def hang_up(self) -> None:
        """End an answered call with BYE, as soon as its ACK is here."""
        if self._acknowledged:
            self.recvEvent(CCEventDisconnect())
        else:
            self._bye_due = True

    def isYours(self, req: Request, **_: object) -> "Leg | None":  # noqa: N802
        """Whether a request belongs to this dialogue: its tags say so (RFC 3261, section 12.2.2)."""
        theirs = req.getHFBody("to").getTag() == self.lTag and req.getHFBody("from").getTag() == self.rUri.getTag()
        return self if theirs else None

    def recvRequest(self, req: Request, sip_t: Any) -> Verdict:  # noqa: N802
        """Answer a request inside the dialogue."""
        try:
            return self._answer(req, sip_t)
        except Exception:
            log.exception("sip.request_failed", method=req.getMethod()[:20])
            return self._reply(req, 400, "Bad Request")

    def _answer(self, req: Request, sip_t: Any) -> Verdict:
        method = req.getMethod()
        if self.state.sname in {"Failed", "Disconnected"} and method != "BYE":
            return self._reply(req, 481, "Call Does Not Exist")
        if method == "BYE":
            return self._bye(req, sip_t)
        number = req.getHFBody("cseq").getCSeqNum()
        if number <= self.rCSeq:
            return self._reply(req, 500, "Out of Order")
        self.rCSeq = number
        if method == "INVITE":
            return self._change(req, sip_t)
        handler = self._HANDLERS.get(method)
        if handler is not None:
            return handler(self, req)
        return self._reply(req, *_NOT_TAKEN[method in KNOWN], ALLOW)

    def recvACK(self, req: Request) -> None:  # noqa: N802
        """The caller confirmed our 200, with the answer if the offer was ours."""
        self._acknowledged = True
        if self._bye_due:
            self.recvEvent(CCEventDisconnect())
        elif text := session_of(req):
            self._listener.on_answer(text)

    def disconnect(self, rtime: Any = None, origin: Any = None) -> None:
        """sippy calls this when no ACK came: the dialogue is ended with BYE (RFC 3261, section 13.3.1.4)."""
        self.recvEvent(CCEventDisconnect(rtime=rtime))
        self._listener.on_unacknowledged()

    def _on_event(self, event: Any, _ua: object) -> None:
        if isinstance(event, CCEventDisconnect):
            self._stop_repeating()
            self._listener.on_gone()

    def _reply(self, req: Request, code: int, phrase: str, *headers: Any) -> Verdict:
        response = req.genResponse(code, phrase, server=self.local_ua)
        response.appendHeaders(headers)
        return (response, None, None)

    def _bye(self, req: Request, sip_t: Any) -> Verdict:
        if self.state.sname == "Failed":
            return self._reply(req, 481, "Call Does Not Exist")
        verdict: Verdict = super().recvRequest(req, sip_t)
        return verdict

    def _change(self, req: Request, sip_t: Any) -> Verdict:
        """A re-INVITE: only in an answered call; without SDP it asks for our offer."""
        if not self.isConnected():
            return self._reply(req, 500, "First INVITE Pending", header("Retry-After", "5"))
        target = req.getHFBody("contact").getUrl().getCopy()
        response, text = self._renegotiated(req)
        if response.getSCode()[0] == 200:
            self._move_to(target)
            sip_t.noack_cb = self.disconnect
            response.appendHeader(ALLOW)
            response.appendHeader(header("Contact", str(self.lContact)))
        self._wire.transactions.sendResponse(
            response, sip_t, ack_cb=None if text is not None else self._late_answer
        )
        return None

    def _move_to(self, target: Any) -> None:
        """The caller is reached here from now on (RFC 3261, section 12.2.2)."""
        self.rTarget = target
        if not self.routes:
            self.rAddr = (target.getAddr(), "udp")

    def _renegotiated(self, req: Request) -> tuple[Response, str | None]:
        text = session_of(req)
        if text is None and req.getBody() is not None:
            return req.genResponse(415, "Unsupported Media Type", server=self.local_ua), text
        try:
            ours = self._listener.on_offer(text)
        except NotAcceptable:
            return req.genResponse(488, "Not Acceptable Here", server=self.local_ua), text
        return req.genResponse(200, "OK", body=MsgBody(ours), server=self.local_ua), text

    def _late_answer(self, req: Request) -> None:
        if text := session_of(req):
            self._listener.on_answer(text)

    def _info(self, req: Request) -> Verdict:
        body = req.getBody()
        if body is not None:
            if _kind(body) not in TYPES:
                return self._reply(req, 415, "Unsupported Media Type", _ACCEPT_KEYS)
            if key := key_of(_kind(body), str(body.content)):
                self._listener.on_key(key)
        return self._reply(req, 200, "OK")

    def _options(self, req: Request) -> Verdict:
        return self._reply(req, 200, "OK", ALLOW)

    def _prack(self, req: Request) -> Verdict:
        wanted = (self._sequence, self._transaction.tid[2] if self._transaction.tid else None, "INVITE")
        acknowledged = [each.getRSeq() for each in req.getHFBodys("rack")]
        if self._repeat is None or acknowledged != [wanted]:
            return self._reply(req, 481, "Nothing to Acknowledge")
        if req.getBody() is not None:
            response, _ = self._renegotiated(req)
        else:
            response = req.genResponse(200, "OK", server=self.local_ua)
        self._stop_repeating()
        self._wire.loop.call_soon(self._listener.on_acknowledged)
        return (response, None, None)

    def _repeat_later(self, after_s: float) -> None:
        self._repeat = self._wire.loop.call_later(after_s, self._repeat_progress, after_s)

    def _repeat_progress(self, after_s: float) -> None:
        if 2 * after_s >= _GIVEN_UP_S:
            self.refuse(504, "No PRACK")
            self._listener.on_unacknowledged()
            return
        transaction = self._transaction
        self._wire.transactions.transmitData(transaction.userv, transaction.data, transaction.address)
        self._repeat_later(after_s * 2)

    def _stop_repeating(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
            self._repeat = None

    _HANDLERS: Final[dict[str, Callable[["Leg", Request], Verdict]]] = {
        "INFO": _info,
        "OPTIONS": _options,
        "PRACK": _prack,
    }


_ACCEPT_KEYS: Final = header("Accept", ", ".join(sorted(TYPES)))
_NOT_TAKEN: Final = {True: (405, "Method Not Allowed"), False: (501, "Not Implemented")}
