"""A sandbox phone's ear and mouth: RTP (RFC 3550) with A-law, and keys as telephone-events (RFC 4733)."""

import asyncio
import secrets
import struct
import time
from collections.abc import AsyncIterator, Callable
from typing import Final, cast

from louhua.sandbox.audio import SILENCE, tone
from louhua.sandbox.listening import FRAME, FRAME_S, Ear, is_silence

EVENT_TYPE: Final = 101
KEYS: Final = "0123456789*#"
"""By event number (RFC 4733, table 3)."""

_ALAW_TYPE: Final = 8
_HEADER: Final = struct.Struct("!BBHII")
_EVENT: Final = struct.Struct("!BBH")
_VOLUME: Final = 10
_END: Final = 0x80
_MARKER: Final = 0x80
_KEY_FRAMES: Final = 5
_ENDS: Final = 3
"""How often an event's end is told (RFC 4733, section 2.5.1.4)."""
_BETWEEN_KEYS_S: Final = 0.1
_TURNS: Final = 3
"""Turns of the event loop in which a packet that lies in the socket is read."""


class Voice(asyncio.DatagramProtocol):
    """One call's media: hears into ``ear`` and ``audio``, speaks and presses keys.

    ``loud_at`` is when something else than silence came last, on the monotonic clock; 0 before.
    """

    def __init__(self, ear: Ear, on_frame: Callable[[], None]) -> None:
        self._ear = ear
        self._on_frame = on_frame
        self._wire: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None
        self._event_type = EVENT_TYPE
        self._sequence = secrets.randbelow(0x10000)
        self._ssrc = secrets.randbits(32)
        self._began_at = time.monotonic()
        self._next_stamp = 0
        self._next: tuple[int, int] | None = None
        self._last_at = 0.0
        self.audio = bytearray()
        self.gaps_ms: list[float] = []
        self.loud_at = 0.0

    @property
    def port(self) -> int:
        """Our RTP port."""
        assert self._wire is not None
        return int(self._wire.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket (asyncio calls this)."""
        self._wire = cast(asyncio.DatagramTransport, transport)

    def send_to(self, peer: tuple[str, int], event_type: int) -> None:
        """Where the other side wants its audio, and the payload type it wants keys in."""
        self._peer, self._event_type = peer, event_type

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Hear a packet (asyncio calls this); what comes too late, or twice, is passed over.

        The marker says that nothing was sent before it for a while (RFC 3551, section 4.1).
        """
        if len(data) != _HEADER.size + FRAME or data[1] & 0x7F != _ALAW_TYPE:
            return
        _, mark, sequence, _, ssrc = _HEADER.unpack_from(data)
        lost = (sequence - self._next[1]) & 0xFFFF if self._next and self._next[0] == ssrc else 0
        if lost > 0x7FFF:
            return
        self._next = ssrc, (sequence + 1) & 0xFFFF
        gap_s = self._gap()
        paused = 0
        if mark & _MARKER and not lost:
            paused = max(0, round(gap_s / FRAME_S) - 1)
        else:
            self.gaps_ms.append(1000 * gap_s)
        frame = data[_HEADER.size :]
        self.audio += SILENCE * FRAME * (lost + paused) + frame
        self._ear.feed(frame, lost=lost, paused=paused)
        if not is_silence(frame):
            self.loud_at = self._last_at
        self._on_frame()

    def _gap(self) -> float:
        """Seconds since the packet before."""
        now = time.monotonic()
        before, self._last_at = self._last_at or now, now
        return now - before

    async def press(self, key: str) -> None:
        """Press a key: an event that lasts 100 ms, its end told three times."""
        event, stamp = KEYS.index(key), self._stamp()
        steps = [*range(1, _KEY_FRAMES + 1), *[_KEY_FRAMES] * (_ENDS - 1)]
        async for number in _paced(len(steps)):
            ended = _END if number >= _KEY_FRAMES - 1 else 0
            payload = _EVENT.pack(event, ended | _VOLUME, steps[number] * FRAME)
            self._send(payload, self._event_type, stamp, marker=number == 0)
        self._next_stamp = stamp + len(steps) * FRAME
        await asyncio.sleep(_BETWEEN_KEYS_S)

    async def hum(self, seconds: float) -> None:
        """Make a tone, so that there is something to record."""
        await self.say(tone(seconds))

    async def say(self, audio: bytes) -> None:
        """Send A-law audio, a frame each 20 ms."""
        stamp = self._stamp()
        frames = [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]
        async for number in _paced(len(frames)):
            payload = frames[number].ljust(FRAME, SILENCE)
            self._send(payload, _ALAW_TYPE, stamp + number * FRAME, marker=number == 0)
        self._next_stamp = stamp + len(frames) * FRAME

    def _stamp(self) -> int:
        """The timestamp of what is sent now: it runs on in silence, as a clock does (RFC 3550, section 5.1)."""
        frames = int((time.monotonic() - self._began_at) / FRAME_S)
        return max(self._next_stamp, frames * FRAME)

    def _send(self, payload: bytes, kind: int, stamp: int, *, marker: bool) -> None:
        if self._wire is None or self._peer is None:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        mark = _MARKER if marker else 0
        header = _HEADER.pack(0x80, mark | kind, self._sequence, stamp & 0xFFFFFFFF, self._ssrc)
        self._wire.sendto(header + payload, self._peer)

    async def drain(self) -> None:
        """Hear what has arrived already, which signalling may have overtaken."""
        heard = -1
        while heard != (heard := len(self.audio)):
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    def close(self) -> None:
        """Close the socket."""
        if self._wire is not None:
            self._wire.close()


async def _paced(count: int) -> AsyncIterator[int]:
    """The numbers below ``count``, one each 20 ms by the clock, whatever each takes."""
    started = time.monotonic()
    for number in range(count):
        yield number
        await asyncio.sleep(max(0.0, started + (number + 1) * FRAME_S - time.monotonic()))
