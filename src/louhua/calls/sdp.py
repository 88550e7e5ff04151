"""Session descriptions: what of an offer we take, and what we answer (RFC 4566, RFC 3264).

We speak PCMA and PCMU over RTP/AVP and hear keys as telephone-event (RFC 4733) at the payload type of the
offer. Every other stream is refused with port 0; an offer without one we can take is refused with 488.
"""

import ipaddress
from typing import Final

import msgspec

PCMU: Final = 0
PCMA: Final = 8
OWN_DTMF_TYPE: Final = 101

_NAMES: Final = {PCMU: "PCMU", PCMA: "PCMA"}
_DIRECTIONS: Final = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
"""Our direction for each of the peer's (RFC 3264, section 6.1)."""


class NotAcceptable(Exception):
    """Nothing in the description fits us; the message says why."""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """What we take of a peer's description.

    ``remote`` is ``None`` where the peer wants nothing sent (``0.0.0.0``). ``direction`` is ours. ``streams``
    are the peer's ``m=`` lines and ``chosen`` is the one we use.
    """

    remote: tuple[str, int] | None
    payload_type: int
    dtmf_type: int | None
    direction: str
    streams: tuple[str, ...]
    chosen: int

    @property
    def send(self) -> bool:
        """Whether the peer wants to hear us: false while we are on hold."""
        return self.remote is not None and self.direction in {"sendrecv", "sendonly"}


class _Section:
    """The lines of one ``m=`` line, or those before the first."""

    def __init__(self, media: str) -> None:
        self.media = media
        self.connection = ""
        self.direction = ""
        self.events: list[int] = []

    def take(self, line: str) -> None:
        if line.startswith("c="):
            self.connection = self.connection or line[2:].strip()
        elif line.startswith("a=rtpmap:"):
            kind, _, codec = line[9:].strip().partition(" ")
            if codec.strip().lower() in {"telephone-event/8000", "telephone-event/8000/1"} and _is_type(kind):
                self.events.append(int(kind))
        elif line[2:].strip() in _DIRECTIONS and line.startswith("a="):
            self.direction = line[2:].strip()


def parse(text: str) -> Media:
    """Read an offer or an answer; raises ``NotAcceptable`` when there is nothing for us in it.

    PCMA goes before PCMU: prompts and recordings are A-law.
    """
    sections = _sections(text)
    session, streams = sections[0], sections[1:]
    why = "no audio stream"
    for number, section in enumerate(streams):
        try:
            port, kinds = _audio(section.media)
            remote = _remote(section.connection or session.connection, port)
        except NotAcceptable as error:
            why = str(error)
            continue
        return Media(
            remote=remote,
            payload_type=PCMA if PCMA in kinds else PCMU,
            dtmf_type=next((kind for kind in section.events if kind in kinds), None),
            direction=_DIRECTIONS[section.direction or session.direction or "sendrecv"],
            streams=tuple(stream.media for stream in streams),
            chosen=number,
        )
    raise NotAcceptable(why)


def _sections(text: str) -> list[_Section]:
    sections = [_Section("")]
    for line in text.splitlines():
        if line.startswith("m="):
            sections.append(_Section(line[2:].strip()))
        else:
            sections[-1].take(line)
    return sections


def _audio(media: str) -> tuple[int, set[int]]:
    """Port and payload types of an ``m=`` line that we can take."""
    words = media.split()
    if len(words) < 4 or words[0] != "audio":
        raise NotAcceptable("no audio stream")
    if words[2] != "RTP/AVP":
        raise NotAcceptable(f"transport {words[2][:20]!r} is not RTP/AVP")
    port = words[1].partition("/")[0]
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
        raise NotAcceptable("the audio stream is refused or has no port")
    kinds = {int(word) for word in words[3:] if _is_type(word)}
    if kinds.isdisjoint(_NAMES):
        raise NotAcceptable("neither PCMA nor PCMU")
    return int(port), kinds


def _is_type(word: str) -> bool:
    """Whether a word is an RTP payload type."""
    return word.isascii() and word.isdigit() and len(word) <= 3 and int(word) <= 127


def _remote(connection: str, port: int) -> tuple[str, int] | None:
    words = connection.split()
    if len(words) != 3 or words[:2] != ["IN", "IP4"]:
        raise NotAcceptable("no IPv4 address")
    try:
        address = ipaddress.IPv4Address(words[2])
    except ValueError as error:
        raise NotAcceptable("no IPv4 address") from error
    if address.is_multicast:
        raise NotAcceptable("a multicast address")
    return None if address.is_unspecified else (words[2], port)


def answer(media: Media, address: str, port: int, *, session: int, version: int) -> str:
    """Our answer to an offer: its stream taken at our ``address`` and ``port``, the others refused.

    ``session`` and ``version`` stand in the origin line; the version grows with every change (RFC 3264, 8).
    """
    lines = [_head(address, session, version)]
    for number, stream in enumerate(media.streams):
        if number == media.chosen:
            lines.append(_stream(port, (media.payload_type,), media.dtmf_type, media.direction))
        else:
            kind, _, *rest = [*stream.split(), "audio", "0", "RTP/AVP", "0"][:4]
            lines.append(f"m={kind} 0 {' '.join(rest)}\r\n")
    return "".join(lines)


def offer(address: str, port: int, *, session: int, version: int) -> str:
    """Our own offer, where the INVITE had none."""
    return _head(address, session, version) + _stream(port, (PCMA, PCMU), OWN_DTMF_TYPE, "sendrecv")


def _head(address: str, session: int, version: int) -> str:
    return f"v=0\r\no=- {session} {version} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\n"


def _stream(port: int, kinds: tuple[int, ...], dtmf_type: int | None, direction: str) -> str:
    numbers = [*kinds] if dtmf_type is None else [*kinds, dtmf_type]
    lines = [f"m=audio {port} RTP/AVP {' '.join(map(str, numbers))}"]
    lines += [f"a=rtpmap:{kind} {_NAMES[kind]}/8000" for kind in kinds]
    if dtmf_type is not None:
        lines += [f"a=rtpmap:{dtmf_type} telephone-event/8000", f"a=fmtp:{dtmf_type} 0-15"]
    return "\r\n".join([*lines, "a=ptime:20", f"a={direction}", ""])
