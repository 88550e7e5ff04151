"""SIP messages over UDP (RFC 3261): read, write, answer. Without sockets."""

import re
import secrets
from typing import Final

import msgspec

T1_S: Final = 0.5
T2_S: Final = 4.0
GIVE_UP_S: Final = 64 * T1_S
"""Timers of RFC 3261, section 17.1.1.1, in seconds; so long a request is repeated."""

_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: .*)?")
_REQUEST_LINE: Final = re.compile(r"[A-Z]+ \S+ SIP/2\.0")
_CSEQ: Final = re.compile(r"[0-9]{1,10}\s+[A-Z]+")
_FOLDED: Final = re.compile(r"\r\n[ \t]+")
_BETWEEN_VALUES: Final = re.compile(r",(?=[^<>,]*<)")
_COMPACT: Final = {
    "via": "v", "from": "f", "to": "t", "call-id": "i", "contact": "m", "content-type": "c", "content-length": "l",
    "event": "o",
}  # fmt: skip
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
    def cseq(self) -> int:
        """The number in CSeq."""
        return int(self.header("CSeq").split()[0])

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

    def addresses(self, name: str) -> list[str]:
        """Every value of a header of addresses in angle brackets, of which a line may hold several."""
        return [value.strip() for line in self.all(name) for value in _BETWEEN_VALUES.split(line)]

    def encode(self) -> bytes:
        """The message as it goes over the wire."""
        body = self.body.encode()
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        if body and not self.header("Content-Type"):
            lines.append("Content-Type: application/sdp")
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def parse(datagram: bytes) -> Message | None:
    """Read a message; ``None`` when it is none, or lacks what tells where it belongs, or was cut."""
    head, _, body = datagram.partition(b"\r\n\r\n")
    start, *lines = _FOLDED.sub(" ", head.decode("utf-8", "replace")).split("\r\n")
    if not _STATUS_LINE.fullmatch(start) and not _REQUEST_LINE.fullmatch(start):
        return None
    pairs = (line.partition(":") for line in lines)
    headers = tuple((name.strip(), value.strip()) for name, colon, value in pairs if colon)
    message = Message(start, headers)
    if not message.header("Call-ID") or not _CSEQ.fullmatch(message.header("CSeq")):
        return None
    length = message.header("Content-Length")
    if length:
        if not length.isdecimal() or int(length[:7]) > len(body):
            return None
        body = body[: int(length[:7])]
    return Message(start, headers, body.decode("utf-8", "replace"))


def answer_to(request: Message, status: int, phrase: str, extra: Headers = ()) -> Message:
    """A response to a request of the peer's (RFC 3261, section 8.2.6.2)."""
    copied = tuple(item for item in request.headers if item[0].lower() in _ANSWERED_WITH)
    return Message(f"SIP/2.0 {status} {phrase}", (*copied, *extra))


def tag() -> str:
    """A random token for tags and Call-IDs."""
    return secrets.token_hex(8)


def branch() -> str:
    """A name for a new transaction (RFC 3261, section 8.1.1.7)."""
    return f"z9hG4bK{tag()}"


def uri_of(address: str) -> str:
    """The URI of ``"name" <uri>;parameters`` or of ``uri;parameters``."""
    if "<" in address:
        return address[address.find("<") + 1 :].partition(">")[0]
    return address.partition(";")[0].strip()


def parameter(value: str, name: str) -> str:
    """A parameter of a header's value, after the angle brackets if there are any; empty without."""
    for part in value.rpartition(">")[2].split(";")[0 if ">" in value else 1 :]:
        key, _, found = part.partition("=")
        if key.strip().lower() == name:
            return found.strip().strip('"')
    return ""
