"""What the call role and a media process say to each other.

Each datagram on their ``SOCK_SEQPACKET`` pair is a MessagePack array of commands (to the media process) or of
reports (from it). ``session`` is the caller's own number for the call, unique to the pair's life.
"""

from typing import Final

import msgspec


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    session: int


class Open(_Message, frozen=True, array_like=True, tag=True):
    """Bind a port. ``remote`` may be unknown yet (an INVITE without SDP)."""

    remote: tuple[str, int] | None
    payload_type: int
    """0 PCMU, 8 PCMA (RFC 3551)."""
    dtmf_type: int | None
    """Payload type of telephone-event in the offer (RFC 4733), if offered."""
    latch: bool
    """Send to the address the peer really sends from, once it has sent."""


class Update(_Message, frozen=True, array_like=True, tag=True):
    """The peer changed its session (re-INVITE, late answer). ``send`` is false while we are on hold."""

    remote: tuple[str, int] | None
    payload_type: int
    dtmf_type: int | None
    send: bool


class Play(_Message, frozen=True, array_like=True, tag=True):
    """Play clips; replaces what is playing. Answered by ``Played`` with the same ``play``."""

    play: int
    clips: tuple[str, ...]
    barge_in: bool


class Stop(_Message, frozen=True, array_like=True, tag=True):
    """Stop playing; answered by ``Played(interrupted=True)`` if something was playing."""


class Record(_Message, frozen=True, array_like=True, tag=True):
    """Record to ``path`` (A-law, 8 kHz); answered by ``Recorded``."""

    path: str
    max_ms: int
    silence_ms: int
    stop_keys: str


class EndRecord(_Message, frozen=True, array_like=True, tag=True):
    """End a running recording, as a key that came by SIP INFO does; answered by ``Recorded`` with ``key``."""

    key: str | None


class Close(_Message, frozen=True, array_like=True, tag=True):
    """Free the port; a running recording is finished first. Answered by ``Closed``, always last.

    A session that was refused is closed too: it is the call role's word that the number is not used again.
    """


class Opened(_Message, frozen=True, array_like=True, tag=True):
    """The port is bound."""

    port: int


class Refused(_Message, frozen=True, array_like=True, tag=True):
    """No port could be bound, or the session is unknown."""

    why: str


class Digit(_Message, frozen=True, array_like=True, tag=True):
    """A key was pressed (once for each event, however many packets said so)."""

    key: str


class Played(_Message, frozen=True, array_like=True, tag=True):
    """A ``Play`` is over."""

    play: int
    interrupted: bool


class Recorded(_Message, frozen=True, array_like=True, tag=True):
    """A recording is complete on disk: its length in ms and the key that ended it, if one did."""

    path: str
    ms: int
    key: str | None


class Closed(_Message, frozen=True, array_like=True, tag=True):
    """The session is gone. Counters: packets sent, received, and sent more than 5 ms late."""

    sent: int
    received: int
    late: int


class Lost(_Message, frozen=True, array_like=True, tag=True):
    """The session died with its media process, or by a fault in it; nothing more comes of it, no ``Closed``."""


Command = Open | Update | Play | Stop | Record | EndRecord | Close
Report = Opened | Refused | Digit | Played | Recorded | Closed | Lost

MAX_DATAGRAM: Final = 64 * 1024

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
decode_commands = msgspec.msgpack.Decoder(list[Command]).decode
decode_reports = msgspec.msgpack.Decoder(list[Report]).decode
