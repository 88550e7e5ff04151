"""SIP on UDP: one socket in the loop's thread, sippy's transactions above it.

What sippy would do in threads of its own or print goes through here instead: datagrams are received and sent
in the loop, complaints become log lines. Requests from addresses that belong to no trunk are refused before
a transaction exists.
"""

import contextlib
import hashlib
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import unquote

import structlog
from sippy.Core import Exceptions as SippyExceptions
from sippy.Network_server import Remote_address
from sippy.SipAddress import SipAddress
from sippy.SipConf import SipConf
from sippy.SipContact import SipContact
from sippy.SipGenericHF import SipGenericHF
from sippy.SipHeader import SipHeader
from sippy.SipRequest import SipRequest
from sippy.SipTransactionManager import SipTransactionManager
from sippy.SipURL import SipURL
from sippy.Time.MonoTime import MonoTime
from sippy.Udp_server import Udp_server_opts

from louhua.calls.loop import Loop
from louhua.calls.metrics import REFUSED, UNREADABLE
from louhua.processes import StartError

log = structlog.get_logger()

ALLOWED: Final = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "PRACK")
KNOWN: Final = frozenset({*ALLOWED, "UPDATE", "REFER", "REGISTER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH"})
"""Methods that standards define: those we do not take are answered 405, all others 501."""

Request = Any
Response = Any
Verdict = tuple[Response | None, Callable[..., None] | None, Callable[..., None] | None] | None
"""What sippy wants back: a response to send, what to call on CANCEL, and what when no ACK comes."""

_RECEIVE_AT_ONCE: Final = 64
_DATAGRAM: Final = 65535
_BUFFER: Final = 4 * 1024 * 1024
_RESOLVED_FOR_S: Final = 60.0
_PROVISIONAL_EVERY_S: Final = 60.0
"""A call not yet answered says so every minute, or proxies give it up (RFC 3261, section 13.3.1.1)."""

_LONG_NUMBER: Final = re.compile(r"\d{5,}")
_SHORTEST_REQUEST: Final = 32
_ANSWERED_WITH: Final = frozenset({"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"})
"""What a response takes from its request (RFC 3261, section 8.2.6.2)."""

_UNTAGGED_TO: Final = re.compile(r"(?i)to?[ \t]*:(?!.*;[ \t]*tag=)")
_BARE_TEL: Final = re.compile(rb"(?im)^((?:from|to|f|t)[ \t]*:[ \t]*)(tel:[^\s<>;]+)")


class PlainHeader(SipGenericHF):  # type: ignore[misc]
    """A header written as given."""

    def __init__(self, body: str, name: str = "") -> None:
        super().__init__(body)
        self.canonical = name

    def getCanName(self, name: str, compact: bool = False) -> str:  # noqa: N802
        """The name as it goes over the wire."""
        return self.canonical or name


def header(name: str, value: str) -> Any:
    """A header for a response or request."""
    return SipHeader(name=name, body=PlainHeader(value, name))


ALLOW: Final = header("Allow", ", ".join(ALLOWED))


def headers_of(request: Request) -> list[tuple[str, str]]:
    """Names (lower case, long form) and values as they came."""
    return [(each.name, each.body.body) for each in request.headers if isinstance(each.body.body, str)]


def source_of(request: Request) -> str:
    """The address that a request came from."""
    return str(request.getSource()[0])


class _Complaints:
    """Takes what sippy would write to standard output and makes log lines of it, at most one a second."""

    def __init__(self, loop: Loop, event: str) -> None:
        self._loop = loop
        self._event = event
        self._text = ""
        self._said = 0.0
        self._left_out = 0

    def write(self, text: str) -> int:
        """Collect until ``flush``."""
        self._text += text
        return len(text)

    def flush(self) -> None:
        """Say the first line of what was written, but never from within the printing of a log line."""
        first, self._text = self._text.strip().partition("\n")[0], ""
        if not first:
            return
        UNREADABLE.inc()
        now = time.monotonic()
        if now - self._said < 1.0:
            self._left_out += 1
            return
        error = sys.exc_info()[1]
        why = _masked(repr(error)) if error else None
        self._loop.call_soon(self._say, _masked(first), why, self._left_out)
        self._said, self._left_out = now, 0

    def _say(self, first: str, why: str | None, left_out: int) -> None:
        log.warning(self._event, says=first, error=why, left_out=left_out)


class _Remarks(_Complaints):
    """The same for single lines."""

    def write(self, text: str) -> int:
        """Say every line when it is complete."""
        super().write(text)
        if text.endswith("\n"):
            self.flush()
        return len(text)


def _masked(text: str) -> str:
    """Text of unknown content for a log line: short and without numbers that could be somebody's."""
    return _LONG_NUMBER.sub("***", text)[:200]


class _Quiet:
    """sippy's message log: off."""

    def write(self, *_: object, **__: object) -> None:
        """Say nothing."""


class _UdpServer:
    """The socket, in the form in which sippy's transaction manager wants one (``model_udp_server``)."""

    transport: Final = "udp"

    def __init__(self, config: dict[str, Any], options: Any) -> None:
        self.uopts = options
        self._loop: Loop = config["_louhua_loop"]
        self._resolved: dict[str, tuple[str, float]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        try:
            self._socket.bind(options.laddress)
        except OSError:
            self._socket.close()
            raise
        options.laddress = self._socket.getsockname()
        self._loop.add_reader(self._socket.fileno(), self._receive)
        config["_louhua_address"] = options.laddress

    def getSIPaddr(self) -> None:  # noqa: N802
        """No address: all that we write is spelt out, so that sippy need not look for its own marks."""

    def addr2str(self, address: tuple[str, int]) -> str:
        """An address for sippy's message log, which is off."""
        return address[0]

    def shutdown(self) -> None:
        """Close the socket."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def send_to(self, data: str | bytes, address: tuple[str, int], _delayed: bool = False) -> None:
        """Send; what the network refuses is lost as any datagram may be: its transaction sends it again."""
        payload = data if isinstance(data, bytes) else data.encode()
        host, port = address
        known = self._resolved.get(host)
        if known is None or known[1] < time.monotonic():
            self._resolve(payload, host, port)
            return
        with contextlib.suppress(OSError, OverflowError):
            self._socket.sendto(payload, (known[0], port))

    def _receive(self) -> None:
        callback = self.uopts.data_callback
        for _ in range(_RECEIVE_AT_ONCE):
            try:
                data, address = self._socket.recvfrom(_DATAGRAM)
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("sip.receive_failed", error=repr(error))
                return
            callback(data, Remote_address(address, "udp"), self, MonoTime())

    def _resolve(self, payload: bytes, host: str, port: int) -> None:
        """Numeric addresses are known at once; a name is looked up in a thread and the datagram sent then."""
        try:
            socket.inet_pton(socket.AF_INET, host)
        except (OSError, ValueError):
            threading.Thread(target=self._look_up, args=(payload, host, port), daemon=True).start()
        else:
            self._note(host, host, payload, port)

    def _look_up(self, payload: bytes, host: str, port: int) -> None:
        try:
            found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)
        except (OSError, ValueError) as error:
            log.warning("sip.unknown_host", host=host[:100], error=repr(error))
        else:
            self._loop.call_soon(self._note, host, found[0][4][0], payload, port)

    def _note(self, host: str, address: str, payload: bytes, port: int) -> None:
        if len(self._resolved) > 10_000:
            self._resolved.clear()
        self._resolved[host] = (address, time.monotonic() + _RESOLVED_FOR_S)
        self.send_to(payload, (host, port))


class _TelUrl(SipURL):  # type: ignore[misc]
    """A ``tel:`` URI that is written as it was read; sippy would make a ``sip:`` URI of it."""

    def localStr(self, local_addr: object = None) -> str:  # noqa: N802
        """The URI as it came."""
        return str(self.original_uri)

    def getCopy(self) -> "_TelUrl":  # noqa: N802
        """Itself: nobody changes it."""
        return self


class _Transactions(SipTransactionManager):  # type: ignore[misc]
    """sippy's transaction manager, with our socket below and our gate before it."""

    model_udp_server = (_UdpServer, Udp_server_opts)
    provisional_retr = _PROVISIONAL_EVERY_S
    gate: Callable[[Request], Response | None]
    knows: Callable[[str], bool]

    def handleIncoming(self, data_in: bytes, source: Any, server: Any, came_at: Any) -> None:  # noqa: N802
        """Answer what came before as before; hand on the rest, or answer 400 where it cannot be read."""
        checksum = hashlib.md5(data_in, usedforsecurity=False).digest()
        answered = self.l1rcache.get(checksum) or self.l2rcache.get(checksum)
        if answered is not None:
            if answered.data is not None:
                self.transmitData(answered.userv, answered.data, answered.address)
            return
        text = text_of(data_in)
        try:
            if text.startswith("SIP/2.0 "):
                super().handleIncoming(text, source, server, came_at)
            elif len(text) >= _SHORTEST_REQUEST:
                self._take_request(text, source, server, came_at, checksum)
        except Exception:
            SippyExceptions.dump_exception("could not handle a message")
            if self.knows(source.address[0]) and (refusal := bad_request(text)):
                REFUSED.labels("malformed").inc()
                server.send_to(refusal, source.address)

    def _take_request(self, text: str, source: Any, server: Any, came_at: Any, checksum: bytes) -> None:
        """Read a request and note where it came from (RFC 3261, section 18.2.1; RFC 3581)."""
        request = SipRequest(text)
        tids = request.getTIds()
        via = request.getHFBody("via")
        if via.getAddr()[0] != source.address[0]:
            via.params["received"] = source.received
        if "rport" in via.params:
            via.params["rport"] = str(source.address[1])
        request.rtime = came_at
        request.setSource(source)
        self.incomingRequest(request, checksum, tids, server)

    def incomingRequest(self, msg: Request, checksum: bytes, tids: Any, server: Any) -> None:  # noqa: N802
        """Refuse what the gate refuses, without a transaction or a trace; hand the rest to sippy."""
        for name in ("from", "to"):
            body = msg.getHFBody(name)
            if body.body is not None and "tel:" in body.body.lower():
                _keep_tel(body.address)
        refusal = None if msg.getMethod() == "ACK" else self.gate(msg)
        if refusal is None:
            super().incomingRequest(msg, checksum, tids, server)
            return
        refusal.getHFBody("to").getTag() or refusal.getHFBody("to").genTag()
        self.transmitMsg(server, refusal, refusal.getHFBody("via").getTAddr(), None)


def text_of(datagram: bytes) -> str:
    """A message as text: header as UTF-8, or Latin-1 where it is none; bare ``tel:`` addresses get brackets.

    A body is Latin-1, so that its characters are as many as its Content-Length says octets. What Latin-1
    calls the end of a line (0x85) is a part of many a Chinese character.
    """
    if b"tel:" in datagram:
        datagram = _BARE_TEL.sub(rb"\1<\2>", datagram)
    if datagram.isascii():
        return datagram.decode()
    head, gap, body = datagram.partition(b"\r\n\r\n")
    try:
        text = head.decode()
    except UnicodeDecodeError:
        text = head.decode("latin-1").replace("\x85", "?")
    return text + (gap + body).decode("latin-1")


def bad_request(text: str) -> str | None:
    """A 400 to a request that cannot be read, of its own lines; ``None`` for an ACK or what is no request."""
    first, *lines = text.partition("\r\n\r\n")[0].split("\r\n")
    if not first.endswith(" SIP/2.0") or first.startswith("ACK "):
        return None
    kept = [line for line in lines if line.partition(":")[0].strip().lower() in _ANSWERED_WITH]
    tagged = [f"{line};tag={secrets.token_hex(8)}" if _UNTAGGED_TO.match(line) else line for line in kept]
    return "\r\n".join(("SIP/2.0 400 Bad Request", *tagged, "Server: Louhua", "Content-Length: 0", "", ""))


def _keep_tel(address: Any) -> None:
    if str(address.url.original_uri).lower().startswith("tel:"):
        url = _TelUrl(username=address.url.username, host="")
        url.original_uri = address.url.original_uri
        address.url = url


def _read_tel(self: Any, uri: str, _relaxed: bool) -> None:
    """Read a ``tel:`` URI; sippy takes no parameter without a value, such as ``npdi`` (RFC 4694)."""
    number, *self.userparams = uri.split(";")
    self.scheme, self.username, self.host = "sip", unquote(number), ""


def _port_needed(*_: object) -> bool:
    """Every port is written. sippy leaves some out after looking, slowly, for addresses of a kind we never use."""
    return True


class Wire:
    """The SIP side of a node: its socket, transactions and what every dialogue shares.

    ``on_request`` gets the requests that belong to no dialogue; ``gate`` may refuse any request by returning
    a response; ``knows`` says whether an address is worth an answer to what cannot be read. Raises
    ``StartError`` when the address cannot be used.
    """

    def __init__(
        self,
        loop: Loop,
        listen: tuple[str, int],
        contact_host: str,
        *,
        gate: Callable[[Request], Response | None],
        knows: Callable[[str], bool],
        on_request: Callable[[Request, Any], Verdict],
    ) -> None:
        host, port = listen
        SipConf.autoconvert_tel_url = True
        SipConf.port_needed = staticmethod(_port_needed)
        SipURL.convertTelURL = _read_tel
        SipConf.my_uaname = "Louhua"
        SipConf.my_transport = "UDP"
        self.loop = loop
        self.config: dict[str, Any] = {
            "_sip_address": host, "_sip_port": port, "_sip_logger": _Quiet(), "_louhua_loop": loop,
        }  # fmt: skip
        try:
            self.transactions = _Transactions(self.config, on_request)
        except OSError as error:
            raise StartError(
                f"sip.listen {host}:{port} cannot be used ({error.strerror}); free the port or choose another"
            ) from error
        self.transactions.gate, self.transactions.knows = gate, knows
        self.config["_sip_tm"] = self.transactions
        self.address: tuple[str, int] = self.config["_louhua_address"]
        SipConf.my_address, SipConf.my_port = contact_host, self.address[1]
        self.contact = SipContact(
            address=SipAddress(url=SipURL(username="louhua", host=contact_host, port=self.address[1]))
        )

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer, we neither."""
        return not (self.transactions.tclient or self.transactions.tserver)

    def close(self) -> None:
        """Close the socket and forget every transaction."""
        self.transactions.shutdown()


@contextlib.contextmanager
def complaints_logged(loop: Loop) -> Iterator[None]:
    """While inside, what sippy prints goes to the log."""
    was = SippyExceptions.dump_exception.__defaults__
    SippyExceptions.dump_exception.__defaults__ = (_Complaints(loop, "sip.unreadable"), None)
    try:
        with contextlib.redirect_stdout(_Remarks(loop, "sip.remark")):
            yield
    finally:
        SippyExceptions.dump_exception.__defaults__ = was
