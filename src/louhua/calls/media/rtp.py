"""Reading an RTP packet (RFC 3550, section 5.1), and the measures of a stream of G.711."""

import struct
from typing import Final, NamedTuple

HEADER: Final = 12
FRAME: Final = 160
"""Samples, and octets, in a frame of 20 ms at 8 kHz (RFC 3551, table 4)."""
FRAME_MS: Final = 20
SAMPLE_RATE: Final = 8000

_HEAD: Final = struct.Struct("!BBHII")
_VERSION: Final = 2
_PADDING: Final = 0x20
_EXTENSION: Final = 0x10
_SOURCES: Final = 0x0F
_MARKER: Final = 0x80


class Packet(NamedTuple):
    """What matters of a received packet."""

    payload_type: int
    marker: bool
    timestamp: int
    ssrc: int
    payload: bytes


def parse(datagram: bytes) -> Packet | None:
    """Read a datagram; ``None`` when it is not RTP version 2 or is cut short."""
    if len(datagram) < HEADER:
        return None
    first, second, _, timestamp, ssrc = _HEAD.unpack_from(datagram)
    if first >> 6 != _VERSION:
        return None
    start, end = HEADER + 4 * (first & _SOURCES), len(datagram)
    if first & _EXTENSION:
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4])
    if first & _PADDING:
        end -= datagram[-1]
    if start > end:
        return None
    return Packet(second & 0x7F, second >= _MARKER, timestamp, ssrc, datagram[start:end])
