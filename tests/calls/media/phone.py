"""What the tests hold against a media process: a phone with a real socket, and a manager whose reports wait."""

import queue
import socket
import struct
import time
from collections import defaultdict
from pathlib import Path
from typing import Final, TypeVar

from tests.workers import own_ports

from louhua.calls.media.control import Command, Open, Opened, Report
from louhua.calls.media.manager import MediaManager
from louhua.calls.media.rtp import Packet, parse

LIMIT_S: Final = 5.0
"""What happens at all happens sooner."""
ADDRESS: Final = "127.0.0.1"
DTMF: Final = 101
PCMA: Final = 8
PCMU: Final = 0

R = TypeVar("R", bound=Report)


def event(key: int, duration: int, *, end: bool = False) -> bytes:
    """The payload of a telephone event (RFC 4733, section 2.3)."""
    return struct.pack("!BBH", key, 0x80 if end else 10, duration & 0xFFFF)


def packet(
    payload_type: int,
    payload: bytes,
    *,
    sequence: int = 1,
    timestamp: int = 0,
    ssrc: int = 7,
    marker: bool = False,
) -> bytes:
    head = struct.pack(
        "!BBHII", 0x80, payload_type | (0x80 if marker else 0), sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc
    )
    return head + payload


class Phone:
    """A socket that hears and speaks RTP."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 0))
        self.socket.settimeout(LIMIT_S)
        self.address: tuple[str, int] = self.socket.getsockname()
        self.heard_at: list[float] = []
        self.heard_from: set[int] = set()

    def hear(self) -> Packet:
        """The next packet."""
        datagram, (_, port) = self.socket.recvfrom(2048)
        self.heard_at.append(time.monotonic())
        self.heard_from.add(port)
        heard = parse(datagram)
        assert heard is not None
        return heard

    def hear_frames(self, frames: int) -> bytes:
        """What the next ``frames`` packets say."""
        return b"".join(self.hear().payload for _ in range(frames))

    def hears_nothing(self, seconds: float) -> bool:
        """Whether it stays silent for so long."""
        self.socket.settimeout(seconds)
        try:
            self.hear()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(LIMIT_S)
        return False

    def say(self, port: int, *datagrams: bytes) -> None:
        """Send to a session."""
        for datagram in datagrams:
            self.socket.sendto(datagram, (ADDRESS, port))

    def press(self, port: int, key: int, *, timestamp: int = 8000) -> None:
        """A key as phones send it: three packets of it and three of its end."""
        durations = ((160, False), (320, False), (480, False), (640, True), (640, True), (640, True))
        self.say(
            port,
            *(packet(DTMF, event(key, length, end=end), timestamp=timestamp) for length, end in durations),
        )


class Media:
    """A manager of real processes, whose reports wait to be read."""

    def __init__(self, prompts: Path, *, ports: tuple[int, int], processes: int = 1) -> None:
        self._reports: defaultdict[int, queue.SimpleQueue[Report]] = defaultdict(queue.SimpleQueue)
        self.manager = MediaManager(
            address=ADDRESS, ports=ports, prompts=prompts, processes=processes, on_reports=self._take
        )
        self.manager.start()

    def _take(self, reports: list[Report]) -> None:
        for report in reports:
            self._reports[report.session].put(report)

    def send(self, *commands: Command) -> None:
        """Give commands."""
        self.manager.send(commands)

    def next(self, session: int, kind: type[R]) -> R:
        """The session's next report, which has to be of this kind."""
        report = self._reports[session].get(timeout=LIMIT_S)
        assert isinstance(report, kind), report
        return report

    def silent(self, session: int) -> bool:
        """Whether every report of the session has been read."""
        return self._reports[session].empty()

    def session(self) -> int:
        """The number of a new session."""
        session = self.manager.new_session()
        assert session is not None
        return session

    def open(
        self,
        phone: Phone | None,
        *,
        payload_type: int = PCMA,
        dtmf_type: int | None = DTMF,
        latch: bool = False,
    ) -> tuple[int, int]:
        """A session with the phone: its number and port."""
        session = self.session()
        self.send(Open(session, phone.address if phone else None, payload_type, dtmf_type, latch))
        return session, self.next(session, Opened).port


def free_ports(count: int) -> tuple[int, int]:
    """A range of ``count`` ports that begins with an even one and is free now."""
    for first in own_ports(28_000, 32_768)[:: 2 * count]:
        try:
            for port in range(first, first + count):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.bind((ADDRESS, port))
        except OSError:
            continue
        return first, first + count - 1
    raise AssertionError("no free ports")
