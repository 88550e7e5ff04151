"""A sandbox phone's ear and mouth: RTP (RFC 3550) with A-law, and keys as telephone-events (RFC 4733)."""

import asyncio
import math
import struct
import time
import wave
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, cast

from louhua.calls.media.g711 import ALAW_SAMPLES
from louhua.sandbox.listening import FRAME, FRAME_S, Ear

EVENT_TYPE: Final = 101
ALAW_TYPE: Final = 8
_KEYS: Final = "0123456789*#"
_HEADER: Final = struct.Struct("!BBHII")
_EVENT: Final = struct.Struct("!BBH")
_KEY_S: Final = 0.1
_BETWEEN_KEYS_S: Final = 0.1
_SILENCE: Final = b"\xd5"


class Voice(asyncio.DatagramProtocol):
    """One call's media: hears into ``ear`` and ``audio``, speaks and presses keys."""

    def __init__(self, ear: Ear, on_frame: Callable[[], None]) -> None:
        self._ear = ear
        self._on_frame = on_frame
        self._wire: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None
        self._sequence = 0
        self._stamp = 0
        self._ssrc = int(time.monotonic_ns()) & 0xFFFFFFFF
        self._next: int | None = None
        self.audio = bytearray()
        self.gaps_ms: list[float] = []
        self._last_at = 0.0

    @property
    def port(self) -> int:
        """Our RTP port."""
        assert self._wire is not None
        return int(self._wire.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket (asyncio calls this)."""
        self._wire = cast(asyncio.DatagramTransport, transport)

    def send_to(self, peer: tuple[str, int]) -> None:
        """Where the other side wants its audio."""
        self._peer = peer

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Hear a packet (asyncio calls this); what comes too late is passed over."""
        if len(data) != _HEADER.size + FRAME or data[1] & 0x7F != ALAW_TYPE:
            return
        sequence = struct.unpack_from("!H", data, 2)[0]
        lost = 0 if self._next is None else (sequence - self._next) & 0xFFFF
        if lost > 0x7FFF:
            return
        self._next = (sequence + 1) & 0xFFFF
        now = time.monotonic()
        if self._last_at:
            self.gaps_ms.append(1000 * (now - self._last_at))
        self._last_at = now
        frame = data[_HEADER.size :]
        self.audio += _SILENCE * FRAME * lost + frame
        self._ear.feed(frame, lost)
        self._on_frame()

    async def press(self, keys: str) -> None:
        """Press keys one after the other: an event each, its end told three times."""
        for key in keys:
            for packet in self._key_packets(key):
                self._send(*packet)
                await asyncio.sleep(FRAME_S)
            await asyncio.sleep(_BETWEEN_KEYS_S)

    def _key_packets(self, key: str) -> Iterable[tuple[bytes, bool, int]]:
        """A key's packets: (payload, marker, payload type); all have the stamp of its beginning."""
        event, steps = _KEYS.index(key), int(_KEY_S / FRAME_S)
        self._stamp += FRAME * 10
        for step in range(1, steps + 1):
            yield _EVENT.pack(event, 10, step * FRAME), step == 1, EVENT_TYPE
        for _ in range(3):
            yield _EVENT.pack(event, 0x80 | 10, steps * FRAME), False, EVENT_TYPE
        self._stamp += steps * FRAME

    async def speak(self, seconds: float) -> None:
        """Hum a tone, so that there is something to record."""
        started = time.monotonic()
        for number in range(int(seconds / FRAME_S)):
            self._stamp += FRAME
            self._send(_tone(number), number == 0, ALAW_TYPE)
            await asyncio.sleep(max(0.0, started + (number + 1) * FRAME_S - time.monotonic()))

    def _send(self, payload: bytes, marker: bool, kind: int) -> None:
        if self._wire is None or self._peer is None:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        header = _HEADER.pack(
            0x80, (0x80 if marker else 0) | kind, self._sequence, self._stamp & 0xFFFFFFFF, self._ssrc
        )
        self._wire.sendto(header + payload, self._peer)

    def close(self) -> None:
        """Close the socket."""
        if self._wire is not None:
            self._wire.close()


def _tone(number: int) -> bytes:
    """Frame ``number`` of a 440 Hz tone in A-law."""
    first = number * FRAME
    return bytes(_TONE_TABLE[(first + place) % len(_TONE_TABLE)] for place in range(FRAME))


def _nearest(sample: float) -> int:
    """The A-law octet whose sample is nearest."""
    return min(range(256), key=lambda code: abs(ALAW_SAMPLES[code] - sample))


_TONE_TABLE: Final = bytes(_nearest(8000 * math.sin(2 * math.pi * 440 * place / 8000)) for place in range(200))
_LINEAR: Final = [struct.pack("<h", sample) for sample in ALAW_SAMPLES]


def save_wave(audio: bytes, path: Path) -> None:
    """Write A-law audio as a WAV file anybody can play."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(_LINEAR[code] for code in audio))
