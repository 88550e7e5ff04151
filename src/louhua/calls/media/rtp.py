"""RTP as this service needs it (RFC 3550, section 5.1): reading a header, and sending frames in time.

A ``Sender`` is the sending half of one session and opens no socket: it is given ``send``. A ``Pacer`` holds
the senders that have something to say and lets each send one frame every 20 ms, spread over a few phases
so that hundreds of calls are not all due in the same millisecond.
"""

import struct
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final, NamedTuple

from louhua.calls.media.prompts import FRAME, Frames

Send = Callable[[bytearray], object]

HEADER: Final = 12
FRAME_S: Final = 0.020
LATE_S: Final = 0.005
"""A packet sent later than this after it was due counts as late."""
SAMPLE_RATE: Final = 8000

_PACKET: Final = struct.Struct(f"!HHII{FRAME}s")
_HEAD: Final = struct.Struct("!BBHII")
_VERSION_2: Final = 0x8000
_MARKER: Final = 0x80
_PHASES: Final = 4
_MOST_BEHIND_S: Final = 0.1
"""After a longer standstill the missed time is skipped, not sent in one burst."""


class Packet(NamedTuple):
    """What matters of a received packet."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(datagram: bytes) -> Packet | None:
    """Read a datagram; ``None`` when it is not RTP version 2 or is cut short."""
    if len(datagram) < HEADER:
        return None
    first, second, sequence, timestamp, ssrc = _HEAD.unpack_from(datagram)
    if first >> 6 != 2:
        return None
    start = HEADER + 4 * (first & 0x0F)
    if first & 0x10:
        if len(datagram) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4])
    end = len(datagram) - (datagram[-1] if first & 0x20 else 0)
    if end < start:
        return None
    return Packet(second & 0x7F, second >= _MARKER, sequence, timestamp, ssrc, datagram[start:end])


class Sender:
    """The sending half of a session: the numbers of its stream and what is left of what it plays."""

    __slots__ = (
        "_clips", "_total", "frames", "head", "late", "left", "next_head", "phase",
        "send", "sent", "sequence", "ssrc", "timestamp",
    )  # fmt: skip

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int, phase: int, send: Send) -> None:
        self.ssrc = ssrc
        self.sequence = sequence & 0xFFFF
        self.timestamp = timestamp & 0xFFFFFFFF
        self.phase = phase
        self.send = send
        self.sent = 0
        self.late = 0
        self.head = self.next_head = _VERSION_2
        self.left = 0
        self._total = 0
        self._clips: tuple[Frames, ...] = ()
        self.frames: Iterator[bytes] = iter(())

    def load(self, clips: tuple[Frames, ...], payload_type: int) -> None:
        """Play these from their beginning."""
        self._total = sum(map(len, clips))
        self._continue(clips, payload_type, 0)

    def change(self, clips: tuple[Frames, ...], payload_type: int) -> None:
        """Go on in another law: the same clips, at the same place."""
        self._continue(clips, payload_type, self._total - self.left)

    def resume(self, timestamp: int) -> None:
        """Begin a talkspurt: its first packet bears the marker and the time of now (RFC 3551, 4.1)."""
        self.head |= _MARKER
        self.timestamp = timestamp & 0xFFFFFFFF

    def unload(self) -> None:
        """Forget what is left."""
        self.left = 0
        self.frames = iter(())

    def _continue(self, clips: tuple[Frames, ...], payload_type: int, played: int) -> None:
        self.left = self._total - played
        self.frames = islice(chain.from_iterable(clips), played, None)
        self.next_head = _VERSION_2 | payload_type
        self.head = self.next_head | (self.head & _MARKER)


class Pacer:
    """When each sender's next frame is due. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._phases: tuple[dict[Sender, None], ...] = tuple({} for _ in range(_PHASES))
        self._due = [0.0] * _PHASES
        self._shares = [0] * _PHASES
        self._buffer = bytearray(_PACKET.size)

    def share(self) -> int:
        """A phase for a new session: the one with the fewest; give it back with ``unshare``."""
        phase = self._shares.index(min(self._shares))
        self._shares[phase] += 1
        return phase

    def unshare(self, phase: int) -> None:
        """A session of this phase is gone."""
        self._shares[phase] -= 1

    def add(self, sender: Sender, now: float) -> None:
        """Let ``sender`` send from its next turn on."""
        phase = self._phases[sender.phase]
        if not phase:
            self._due[sender.phase] = _next_turn(sender.phase, now)
        phase[sender] = None

    def remove(self, sender: Sender) -> None:
        """Let ``sender`` rest; nothing happens if it does already."""
        self._phases[sender.phase].pop(sender, None)

    def has(self, sender: Sender) -> bool:
        """Whether ``sender`` is sending."""
        return sender in self._phases[sender.phase]

    def next_due(self) -> float | None:
        """When somebody has to send; ``None`` while nobody plays."""
        return min((due for due, phase in zip(self._due, self._phases, strict=True) if phase), default=None)

    def run(self, now: Callable[[], float]) -> list[Sender]:
        """Send what is due; the senders that sent their last frame are removed and returned."""
        finished: list[Sender] = []
        for number, phase in enumerate(self._phases):
            time = now()
            if phase and time - self._due[number] > _MOST_BEHIND_S:
                self._due[number] = _next_turn(number, time) - FRAME_S
            while phase and self._due[number] <= time:
                done = self._fire(phase)
                if now() - self._due[number] > LATE_S:
                    for sender in phase:
                        sender.late += 1
                for sender in done:
                    del phase[sender]
                finished += done
                self._due[number] += FRAME_S
        return finished

    def _fire(self, phase: dict[Sender, None]) -> list[Sender]:
        """One frame of each; this is the loop that everything else here exists to keep short."""
        finished = []
        buffer = self._buffer
        pack_into = _PACKET.pack_into
        for sender in phase:
            sequence = sender.sequence
            timestamp = sender.timestamp
            pack_into(buffer, 0, sender.head, sequence, timestamp, sender.ssrc, next(sender.frames))
            try:
                sender.send(buffer)
            except OSError:
                sender.sent -= 1
            sender.head = sender.next_head
            sender.sequence = (sequence + 1) & 0xFFFF
            sender.timestamp = (timestamp + FRAME) & 0xFFFFFFFF
            sender.sent += 1
            sender.left -= 1
            if not sender.left:
                finished.append(sender)
        return finished


def _next_turn(phase: int, now: float) -> float:
    """The first moment of ``phase`` that is not before ``now``: phases stand evenly in 20 ms."""
    offset = phase * FRAME_S / _PHASES
    return now + (offset - now) % FRAME_S
