"""A media process as seen from the call role: started with one end of a socket pair, told what to do, ended."""

import select
import socket
import subprocess
from collections.abc import Sequence
from typing import Final

import structlog

from louhua.calls.media.control import (
    MAX_DATAGRAM,
    Command,
    Report,
    decode_reports,
    encode,
)
from louhua.processes import child_command

log = structlog.get_logger()

_COMMANDS_A_DATAGRAM: Final = 200
_LONGEST_BACKLOG: Final = 20_000
"""Commands that wait for a process which takes none (its socket holds ten datagrams); one further behind is
stuck, and ended."""


class Gone(Exception):
    """The process has ended, or is about to."""


class Worker:
    """A running media process. ``start`` raises ``OSError`` or ``StartError`` if it cannot be started."""

    def __init__(self, control: socket.socket, process: subprocess.Popen[bytes]) -> None:
        self.control = control
        self._process = process
        self._backlog: list[Command] = []

    @classmethod
    def start(cls, command: Sequence[str]) -> "Worker":
        """Start a process by ``command``, to which the number of its control socket is added."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            try:
                process = subprocess.Popen(
                    child_command([*command, "--fd", str(theirs.fileno())]),
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            except BaseException:
                ours.close()
                raise
        return cls(ours, process)

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    @property
    def interest(self) -> int:
        """The ``epoll`` events on ``control`` that matter now."""
        return select.EPOLLIN | (select.EPOLLOUT if self._backlog else 0)

    def send(self, commands: Sequence[Command]) -> None:
        """Send, or keep in order what the process cannot take yet."""
        self._backlog += commands
        self.send_backlog()
        if len(self._backlog) > _LONGEST_BACKLOG:
            self._process.kill()

    def send_backlog(self) -> None:
        """Send what waits, as far as the process takes it."""
        while self._backlog:
            batch = self._backlog[:_COMMANDS_A_DATAGRAM]
            try:
                self.control.send(encode(batch))
            except OSError:
                return
            del self._backlog[: len(batch)]

    def receive(self) -> list[Report]:
        """What it reports, if anything; ``Gone`` when nothing can come any more."""
        try:
            datagram = self.control.recv(MAX_DATAGRAM)
        except (BlockingIOError, ConnectionResetError):
            return []
        if not datagram:
            raise Gone
        return decode_reports(datagram)

    def bury(self) -> int:
        """Clear up after it is gone; its exit status."""
        self.control.close()
        self._process.kill()
        return self._process.wait()

    def stop(self, limit_s: float) -> None:
        """Let it end by itself, as it does when its control socket closes; kill it after ``limit_s``."""
        self.control.close()
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            log.error("media.stuck", pid=self.pid)
            self._process.kill()
            self._process.wait()
