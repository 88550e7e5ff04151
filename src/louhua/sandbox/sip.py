"""As much SIP as a sandbox phone needs: messages and a UDP socket (RFC 3261), on asyncio.

sippy's event loop belongs to a process's main thread, and a sandbox has many phones beside an SMSC in one
process; see ``docs/decisions/0003-sandbox-phone.md``.
"""

import asyncio
import contextlib
import re
import secrets
from collections.abc import Callable
from typing import Final, cast

import msgspec

_T1_S: Final = 0.5
_T2_S: Final = 4.0
_GIVE_UP_S: Final = 32.0

_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: .*)?")
_REQUEST_LINE: Final = re.compile(r"[A-Z]+ \S+ SIP/2\.0")
_CSEQ: Final = re.compile(r"[0-9]+\s+[A-Z]+")
_COMPACT: Final = {"via": "v", "from": "f", "to": "t", "call-id": "i", "contact": "m"}
_ANSWERED_WITH: Final = {"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "record-route"}

Headers = tuple[tuple[str, str], ...]


class Message(msgspec.Struct, frozen=True):
    """A request or response: ``start`` is its first line, ``headers`` keep their order and spelling."""

    start: str
    headers: Headers
    body: str = ""

    @property
    def status(self) -> int:
        """The status of a response, 0 for a request."""
        line = _STATUS_LINE.fullmatch(self.start)
        return int(line[1]) if line else 0

    @property
    def method(self) -> str:
        """The method: of a request its own, of a response that of CSeq."""
        return self.start.partition(" ")[0] if not self.status else self.header("CSeq").split()[-1]

    @property
    def target(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1]

    def header(self, name: str) -> str:
        """The first header of this name, or nothing."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Every header of this name, in its long or short form (RFC 3261, section 7.3.3)."""
        wanted = {name.lower(), _COMPACT.get(name.lower(), name.lower())}
        return [value for key, value in self.headers if key.lower() in wanted]

    def encode(self) -> bytes:
        """The message as it goes over the wire."""
        body = self.body.encode()
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        if body:
            lines.append("Content-Type: application/sdp")
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def parse(datagram: bytes) -> Message | None:
    """Read a message; ``None`` when it is none, or lacks what tells where it belongs."""
    head, _, body = datagram.decode("utf-8", "replace").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    if not _STATUS_LINE.fullmatch(start) and not _REQUEST_LINE.fullmatch(start):
        return None
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.strip(), value.strip()) for name, colon, value in pairs if colon)
    message = Message(start, headers, body)
    return message if message.header("Call-ID") and _CSEQ.fullmatch(message.header("CSeq")) else None


def answer_to(request: Message, status: int, phrase: str) -> Message:
    """A response to a request of the peer's (RFC 3261, section 8.2.6.2)."""
    copied = tuple(item for item in request.headers if item[0].lower() in _ANSWERED_WITH)
    return Message(f"SIP/2.0 {status} {phrase}", copied)


def tag() -> str:
    """A random token for tags and Call-IDs."""
    return secrets.token_hex(8)


def branch() -> str:
    """A name for a new transaction (RFC 3261, section 8.1.1.7)."""
    return f"z9hG4bK{tag()}"


class Dialog(msgspec.Struct):
    """What stays the same in one call's requests, and what the peer's answer adds.

    ``local`` and ``remote`` are the values of From and To.
    """

    target: str
    local: str
    remote: str
    contact: str
    via: str
    call_id: str
    routes: tuple[str, ...] = ()

    def request(self, method: str, cseq: int, body: str = "", extra: Headers = ()) -> Message:
        """A request of this call, in a transaction of its own."""
        return Message(
            f"{method} {self.target} SIP/2.0",
            (
                ("Via", f"SIP/2.0/UDP {self.via};branch={branch()};rport"),
                *(("Route", route) for route in self.routes),
                ("Max-Forwards", "70"),
                ("From", self.local),
                ("To", self.remote),
                ("Call-ID", self.call_id),
                ("CSeq", f"{cseq} {method}"),
                ("Contact", f"<{self.contact}>"),
                *extra,
            ),
            body,
        )

    def follow(self, response: Message) -> None:
        """Take tag, target and routes from a response that makes the dialog (RFC 3261, section 12.1.2)."""
        self.remote = response.header("To")
        contact = response.header("Contact")
        if contact:
            self.target = contact[contact.find("<") + 1 :].partition(">")[0] if "<" in contact else contact
        self.routes = tuple(reversed(response.all("Record-Route")))


class Transport(asyncio.DatagramProtocol):
    """A connected UDP socket that repeats requests until they are answered.

    That nobody listens on the other side (ICMP) is not the end: whoever should may be about to start.
    """

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        self._on_message = on_message
        self._wire: asyncio.DatagramTransport | None = None
        self._repeating: dict[str, asyncio.Task[None]] = {}

    @property
    def local(self) -> tuple[str, int]:
        """Our address, as the peer sees it."""
        assert self._wire is not None
        host, port = self._wire.get_extra_info("sockname")[:2]
        return str(host), int(port)

    @property
    def repeating(self) -> set[str]:
        """What is being repeated."""
        return {key for key, task in self._repeating.items() if not task.done()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket (asyncio calls this)."""
        self._wire = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Read a datagram (asyncio calls this)."""
        message = parse(data)
        if message is not None:
            self._on_message(message)

    def send(self, message: Message) -> None:
        """Send once."""
        if self._wire is not None:
            self._wire.sendto(message.encode())

    def repeat(self, key: str, message: Message, *, slow: bool) -> None:
        """Send, and again until ``settle`` or for 32 s.

        RFC 3261, section 17.1: timers A and B, or where ``slow`` E and F, which is for what is no INVITE.
        """
        self._repeating[key] = asyncio.create_task(self._repeat(message, slow=slow))

    def settle(self, key: str) -> None:
        """Stop repeating."""
        task = self._repeating.pop(key, None)
        if task is not None:
            task.cancel()

    async def _repeat(self, message: Message, *, slow: bool) -> None:
        wait = _T1_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_UP_S):
                while True:
                    self.send(message)
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, _T2_S) if slow else 2 * wait

    def close(self) -> None:
        """Close the socket."""
        for key in list(self._repeating):
            self.settle(key)
        if self._wire is not None:
            self._wire.close()
