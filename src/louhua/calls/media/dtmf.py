"""Keys from telephone events (RFC 4733): each press is reported once, as soon as any packet speaks of it.

All packets of an event bear the same timestamp, so a press is known by (SSRC, timestamp, event); the marker
bit and the order of arrival decide nothing, and an event of which only end packets come counts. An event
longer than its 16-bit duration goes on as a new segment (section 2.5.1.3), which is not a new press.
"""

import struct
from collections import deque
from typing import Final

from louhua.calls.media.rtp import Packet

KEYS: Final = "0123456789*#"
"""By event number (RFC 4733, table 3); A to D and other events are no keys of a telephone set."""

_EVENT: Final = struct.Struct("!BBH")
_END: Final = 0x80
_REMEMBERED: Final = 16
"""Presses whose late packets are still recognised."""
_SHORTEST_SEGMENT: Final = 0x7FFF
"""A continued event has lasted at least this long (4 s): nothing shorter overflows its duration."""
_LONGEST_SILENCE: Final = 2400
"""How much of a segment's end may be lost, in samples (300 ms), before the next is taken for a new press."""

_Press = tuple[int, int, int]


class KeyReceiver:
    """Recognises presses in one session's event packets."""

    def __init__(self) -> None:
        self._known: deque[_Press] = deque(maxlen=_REMEMBERED)
        self._last: _Press | None = None
        self._duration = 0
        self._ended = False

    def receive(self, packet: Packet) -> str | None:
        """The key, when the packet is the first to speak of a press."""
        if len(packet.payload) < _EVENT.size:
            return None
        event, flags, duration = _EVENT.unpack_from(packet.payload)
        if event >= len(KEYS):
            return None
        press = packet.ssrc, packet.timestamp, event
        if press in self._known:
            self._follow(press, duration, ended=bool(flags & _END))
            return None
        continued = not packet.marker and self._continues(press)
        self._known.append(press)
        self._last, self._duration, self._ended = press, duration, bool(flags & _END)
        return None if continued else KEYS[event]

    def _follow(self, press: _Press, duration: int, *, ended: bool) -> None:
        if press == self._last:
            self._duration = max(self._duration, duration)
            self._ended = self._ended or ended

    def _continues(self, press: _Press) -> bool:
        """Whether the press is the next segment of the one before."""
        if self._last is None or self._ended or press[0] != self._last[0] or press[2] != self._last[2]:
            return False
        lasted = (press[1] - self._last[1]) & 0xFFFFFFFF
        return _SHORTEST_SEGMENT <= lasted <= 0xFFFF and lasted - self._duration <= _LONGEST_SILENCE
