"""The sockets of sessions: an even UDP port of the range for each, used again after a rest.

A socket with its filter costs more to make than a whole call's keys cost to receive, so one that is free
stays bound and waits for the next call; it rests first, for what its last peer may still have under way.
The odd port beside each belongs to RTCP (RFC 3550, section 11), which this service neither sends nor needs.
"""

import contextlib
import errno
import functools
import select
import socket
from collections import deque
from collections.abc import Iterable
from typing import Final

from louhua.calls.media import filter as packet_filter
from louhua.calls.media.pacing import Send

Address = tuple[str, int]

REST_S: Final = 2.0
_LONGEST_PACKET: Final = 2048
_MOST_FORGOTTEN: Final = 1000
_TRIES: Final = 64
"""How many ports held by others are tried before a session is refused."""

_program = functools.cache(packet_filter.program)


class NoPort(Exception):
    """Every port of the range is in use."""


class UdpLine:
    """A bound socket: connected to its peer, or, to latch, hearing everybody."""

    def __init__(self, sock: socket.socket, port: int, *, latch: bool) -> None:
        self.port = port
        self.number = sock.fileno()
        self.hears_everybody = latch
        self.send: Send = self._send_to_remote if latch else sock.send
        self._socket = sock
        self._remote: Address = ("", 0)
        self._wanted: frozenset[int] | None = None
        self._dropped_before = 0

    def aim(self, remote: Address) -> None:
        """Send to ``remote``; ``OSError`` when there is no way to it."""
        if not self.hears_everybody:
            self._socket.connect(remote)
        self._remote = remote

    def forget(self) -> None:
        """Drop what has come in."""
        for _ in range(_MOST_FORGOTTEN):
            if self.receive() is None:
                return

    def listen(self, payload_types: Iterable[int]) -> None:
        """Let the kernel drop everything but these."""
        wanted = frozenset(payload_types)
        if wanted != self._wanted:
            self._wanted = wanted
            packet_filter.attach(self._socket, _program(wanted))

    def receive(self) -> tuple[bytes, Address] | None:
        """A packet and where it came from, if there is one."""
        try:
            if not self.hears_everybody:
                return self._socket.recv(_LONGEST_PACKET), self._remote
            datagram, source = self._socket.recvfrom(_LONGEST_PACKET)
        except BlockingIOError:
            return None
        except OSError:
            return b"", self._remote
        return datagram, source[:2]

    def dropped(self) -> int:
        """How many packets were kept from this session by the filter."""
        total = packet_filter.dropped(self._socket)
        since, self._dropped_before = total - self._dropped_before, total
        return since

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _send_to_remote(self, datagram: memoryview) -> object:
        return self._socket.sendto(datagram, self._remote)


class Lines:
    """All lines of a process; times are seconds of a monotonic clock."""

    def __init__(self, address: str, first: int, last: int) -> None:
        self.epoll = select.epoll()
        self._address = address
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._free = deque(range(first + first % 2, last + 1, 2))
        self._resting: deque[tuple[float, UdpLine]] = deque()
        self._by_number: dict[int, UdpLine] = {}

    def take(self, *, latch: bool, now: float) -> UdpLine:
        """A line for a session; ``NoPort`` when none is free, ``OSError`` when none can be made."""
        if not latch and self._resting and (self._resting[0][0] <= now or not self._free):
            return self._resting.popleft()[1]
        if latch and self._resting and not self._free:
            self._dismiss(self._resting.popleft()[1])
        sock = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            line = UdpLine(sock, self._bind(sock), latch=latch)
            self.epoll.register(sock, select.EPOLLIN)
        except BaseException:
            sock.close()
            raise
        self._by_number[line.number] = line
        return line

    def give_back(self, line: UdpLine, now: float) -> None:
        """The session is over."""
        if line.hears_everybody:
            self._dismiss(line)
        else:
            self._resting.append((now + REST_S, line))

    def close(self) -> None:
        """Close every line."""
        for line in self._by_number.values():
            line.close()
        self.epoll.close()

    def ignore(self, number: int) -> None:
        """Read what has come in on a resting line, so that it does not call for attention for ever."""
        line = self._by_number.get(number)
        if line is not None:
            line.receive()

    def _dismiss(self, line: UdpLine) -> None:
        del self._by_number[line.number]
        line.close()
        self._free.append(line.port)

    def _bind(self, sock: socket.socket) -> int:
        for _ in range(min(_TRIES, len(self._free))):
            port = self._free.popleft()
            try:
                sock.bind((self._address, port))
            except OSError as error:
                self._free.append(port)
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
        raise NoPort("no RTP port is free")
