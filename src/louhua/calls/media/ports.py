"""Which UDP port a session gets: the even ones of a range in turn, so that none is used again soon.

The odd port beside each belongs to RTCP (RFC 3550, section 11), which this service neither sends nor needs.
"""

import contextlib
import errno
import socket
from collections import deque
from typing import Final

_TRIES: Final = 64
"""How many ports held by others are tried before a session is refused."""


class NoPort(Exception):
    """Every port of the range is in use."""


class Ports:
    """The free ports of one address."""

    def __init__(self, address: str, first: int, last: int) -> None:
        self._address = address
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._free = deque(range(first + first % 2, last + 1, 2))

    def bind(self) -> tuple[socket.socket, int]:
        """A bound, non-blocking UDP socket and its port; ``NoPort`` when none is free."""
        sock = socket.socket(self._family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        for _ in range(min(_TRIES, len(self._free))):
            port = self._free.popleft()
            try:
                sock.bind((self._address, port))
            except OSError as error:
                self._free.append(port)
                if error.errno != errno.EADDRINUSE:
                    sock.close()
                    raise
            else:
                return sock, port
        sock.close()
        raise NoPort("no RTP port is free")

    def release(self, sock: socket.socket, port: int) -> None:
        """Close the socket and have its port back."""
        with contextlib.suppress(OSError):
            sock.close()
        self._free.append(port)
