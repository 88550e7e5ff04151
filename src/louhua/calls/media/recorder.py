"""A recording from RTP: what goes into the file, and when the caller has said enough.

Packets are placed by their timestamps: out of order they are put right within 100 ms, twice they count once,
and where some are missing, or the caller's phone sends nothing in pauses, there is silence of that length.
The outcome is A-law at 8 kHz, whatever law the packets had. Times are seconds of a monotonic clock.
"""

from bisect import insort
from typing import Final

from louhua.calls.media.g711 import ALAW_SAMPLES, ALAW_SILENCE, to_alaw
from louhua.calls.media.rtp import SAMPLE_RATE, Packet

_HELD: Final = SAMPLE_RATE // 10
"""Samples by which a packet may be overtaken and still find its place."""
_JUMP: Final = 2 * SAMPLE_RATE
"""A timestamp further than this from where it may be belongs to a new stream."""
_CHUNK: Final = SAMPLE_RATE // 2
"""Octets that are handed on at once."""
_LOUD: Final = 328
"""A sample above this (-40 dBov) is not line noise, …"""
_LOUD_SHARE: Final = 20
"""… and a packet with one such sample in so many is speech."""

_IS_LOUD: Final = bytes(abs(sample) > _LOUD for sample in ALAW_SAMPLES)
_WRAP: Final = 1 << 32


class Recorder:
    """Places packets; ``take`` gives the octets that are ready for the file."""

    def __init__(self, *, max_ms: int, silence_ms: int, now: float) -> None:
        self._limit = max_ms * SAMPLE_RATE // 1000
        self._silence_s = silence_ms / 1000 or float("inf")
        self._ends_at = now + max_ms / 1000 + _HELD / SAMPLE_RATE
        self._spoke_at = now
        self._held: list[tuple[int, bytes]] = []
        self._ready = bytearray()
        self._length = 0
        self._start: int | None = None
        self._heard_at = now
        self._last: Packet | None = None
        self._place = 0

    @property
    def ms(self) -> int:
        """Length of what has found its place."""
        return self._length * 1000 // SAMPLE_RATE

    def receive(self, packet: Packet, now: float) -> None:
        """Take a packet of audio."""
        alaw = to_alaw(packet.payload_type, packet.payload)
        if alaw.translate(_IS_LOUD).count(1) * _LOUD_SHARE > len(alaw):
            self._spoke_at = now
        place = self._locate(packet, now)
        if all(place != held for held, _ in self._held):
            insort(self._held, (place, alaw))
        newest = self._held[-1][0] + len(self._held[-1][1])
        while self._held and newest - self._held[0][0] > _HELD:
            self._put(*self._held.pop(0))

    def over(self, now: float) -> bool:
        """Whether it is long enough, or the caller has been silent for long enough."""
        return self._length >= self._limit or now >= self._ends_at or now - self._spoke_at >= self._silence_s

    def take(self, *, least: int = _CHUNK) -> bytes:
        """Octets that are ready, once there are enough of them to be worth a write."""
        if len(self._ready) < least:
            return b""
        ready, self._ready = bytes(self._ready), bytearray()
        return ready

    def finish(self) -> bytes:
        """Everything not taken yet; nothing comes after it."""
        self._put_held()
        return self.take(least=0)

    def _locate(self, packet: Packet, now: float) -> int:
        """Where the packet belongs, in samples on a scale of the recorder's own."""
        last, elapsed = self._last, int((now - self._heard_at) * SAMPLE_RATE)
        self._last, self._heard_at = packet, now
        if last is None:
            return 0
        step = (packet.timestamp - last.timestamp + _WRAP // 2) % _WRAP - _WRAP // 2
        if packet.ssrc == last.ssrc and -_JUMP <= step <= elapsed + _JUMP:
            self._place += step
        else:
            self._put_held()
            missed = max(0, elapsed - len(packet.payload))
            self._place = (self._start or 0) + self._length + missed
        return self._place

    def _put_held(self) -> None:
        for place, alaw in self._held:
            self._put(place, alaw)
        self._held.clear()

    def _put(self, place: int, alaw: bytes) -> None:
        """Append a packet where it belongs: after silence if some are missing, cut if it overlaps."""
        if self._start is None:
            self._start = place
        gap = place - self._start - self._length
        octets = bytes([ALAW_SILENCE]) * min(gap, self._limit) + alaw[max(0, -gap) :]
        octets = octets[: self._limit - self._length]
        self._ready += octets
        self._length += len(octets)
