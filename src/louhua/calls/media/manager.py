"""The call role's side of the media: its processes, which of them serves a session, and what they report.

Commands go out from the caller's thread; a thread of the manager's own reads reports and hands them over in
batches. A process that died is started again, after a growing pause if it dies at once, and each session it
had is reported ``Lost``.
"""

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import structlog

from louhua.calls.media.control import (
    MAX_DATAGRAM,
    Closed,
    Command,
    Lost,
    Report,
    decode_reports,
    encode,
)
from louhua.processes import child_command

log = structlog.get_logger()

_FIRST_BACK_OFF_S: Final = 0.1
_LAST_BACK_OFF_S: Final = 10.0
_STEADY_AFTER_S: Final = 30.0
"""A process that lived this long is started again without a pause."""
_STOP_LIMIT_S: Final = 10.0
_COMMANDS_A_DATAGRAM: Final = 200
_LONGEST_BACKLOG: Final = 5000
"""Datagrams that wait for a process which takes none; one further behind is stuck, and ended."""


class _Process:
    """A media process: running, or waiting to be started again."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.sessions: set[int] = set()
        self.backlog: deque[bytes] = deque()
        self.start_at = 0.0
        self._started_at = 0.0
        self._back_off = _FIRST_BACK_OFF_S

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self, now: float) -> socket.socket:
        """Start it; ``OSError`` or ``StartError`` if that is impossible."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            try:
                self._process = subprocess.Popen(
                    child_command([*self._command, "--fd", str(theirs.fileno())]),
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            except BaseException:
                ours.close()
                raise
        self._started_at = now
        self.control = ours
        return ours

    def send(self, datagram: bytes) -> None:
        """Send, or keep in order until the process takes it."""
        if self.control is None:
            return
        if not self.backlog:
            try:
                self.control.send(datagram)
            except BlockingIOError:
                pass
            except OSError:
                return
            else:
                return
        self.backlog.append(datagram)
        if len(self.backlog) > _LONGEST_BACKLOG:
            self.kill()

    def send_backlog(self) -> None:
        """The process takes commands again."""
        while self.backlog and self.control is not None:
            try:
                self.control.send(self.backlog[0])
            except OSError:
                return
            self.backlog.popleft()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()

    def bury(self, now: float) -> int:
        """Clear up after it has died; when it may start again is set. Its exit status."""
        assert self._process is not None
        self.kill()
        status = self._process.wait()
        self._close()
        steady = now - self._started_at >= _STEADY_AFTER_S
        self._back_off = _FIRST_BACK_OFF_S if steady else min(2 * self._back_off, _LAST_BACK_OFF_S)
        self.start_at = now + self._back_off
        return status

    def stop(self, limit_s: float) -> None:
        """Let it end by itself, which it does when its control socket closes; kill it after ``limit_s``."""
        self._close()
        if self._process is None:
            return
        try:
            self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            log.error("media.stuck", pid=self._process.pid)
            self._process.kill()
            self._process.wait()

    def _close(self) -> None:
        self.backlog.clear()
        if self.control is not None:
            self.control.close()
            self.control = None


class MediaManager:
    """Media processes and their sessions.

    ``on_reports`` is called in a thread of the manager's, with reports in the order in which they were made.
    Every other method may be called from any one thread, and none waits for a media process but ``stop``.
    """

    def __init__(
        self,
        *,
        address: str,
        ports: tuple[int, int],
        prompts: Path,
        processes: int,
        on_reports: Callable[[list[Report]], None],
    ) -> None:
        self._processes = [
            _Process(
                [
                    sys.executable, "-m", "louhua.calls.media", "--address", address,
                    "--ports", f"{first}-{last}", "--prompts", str(prompts),
                ]
            )
            for first, last in divide(ports, processes)
        ]  # fmt: skip
        self._on_reports = on_reports
        self._process_of: dict[int, _Process] = {}
        self._next_session = 1
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._by_socket: dict[int, _Process] = {}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.POLLIN)
        self._stopping = False
        self._thread = threading.Thread(target=self._watch, name="media", daemon=True)

    def start(self) -> None:
        """Start the processes; ``StartError`` or ``OSError`` when one cannot be started at all."""
        for process in self._processes:
            self._start(process)
        self._thread.start()

    def new_session(self) -> int | None:
        """A number for a new call, on the process with the fewest; ``None`` while no process runs."""
        with self._lock:
            running = [process for process in self._processes if process.control is not None]
            if not running:
                return None
            process = min(running, key=lambda candidate: len(candidate.sessions))
            session, self._next_session = self._next_session, self._next_session + 1
            process.sessions.add(session)
            self._process_of[session] = process
            return session

    def send(self, commands: Sequence[Command]) -> None:
        """Have commands carried out, in this order; those for a session that is closed or lost are dropped.

        The session's number is free again with its ``Closed`` or ``Lost`` report.
        """
        with self._lock:
            batches: dict[_Process, list[Command]] = {}
            for command in commands:
                process = self._process_of.get(command.session)
                if process is not None:
                    batches.setdefault(process, []).append(command)
            for process, batch in batches.items():
                for start in range(0, len(batch), _COMMANDS_A_DATAGRAM):
                    process.send(encode(batch[start : start + _COMMANDS_A_DATAGRAM]))
                if process.backlog:
                    self._wake_up()

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return len(self._process_of)

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [process.pid for process in self._processes if process.control and process.pid]

    def stop(self) -> None:
        """Stop the processes; recordings that run are finished, but nothing is reported any more."""
        self._stopping = True
        self._wake_up()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            for process in self._processes:
                process.stop(_STOP_LIMIT_S)
            self._process_of.clear()
        os.close(self._wake)

    # In the manager's thread

    def _watch(self) -> None:
        while True:
            events = self._poll.poll(self._wait_ms())
            if self._stopping:
                return
            reports: list[Report] = []
            for number, mask in events:
                if number == self._wake:
                    with contextlib.suppress(BlockingIOError):
                        os.eventfd_read(self._wake)
                else:
                    reports += self._serve(self._by_socket[number], mask)
            self._start_what_is_due()
            if reports:
                self._hand_over(reports)

    def _wait_ms(self) -> int | None:
        waiting = [process.start_at for process in self._processes if process.control is None]
        with self._lock:
            for number, process in self._by_socket.items():
                self._poll.modify(number, select.POLLIN | (select.POLLOUT if process.backlog else 0))
        if not waiting:
            return None
        return max(0, int((min(waiting) - time.monotonic()) * 1000) + 1)

    def _serve(self, process: _Process, mask: int) -> Iterable[Report]:
        """Read what a process reports, and send what it could not take before."""
        if mask & select.POLLOUT:
            with self._lock:
                process.send_backlog()
        if not mask & (select.POLLIN | select.POLLHUP | select.POLLERR):
            return []
        assert process.control is not None
        try:
            datagram = process.control.recv(MAX_DATAGRAM)
        except BlockingIOError:
            return []
        except OSError:
            datagram = b""
        if not datagram:
            return self._bury(process)
        reports = decode_reports(datagram)
        with self._lock:
            for report in reports:
                if isinstance(report, Closed | Lost):
                    self._forget(report.session)
        return reports

    def _bury(self, process: _Process) -> list[Report]:
        """A process is dead: its sessions are lost."""
        with self._lock:
            assert process.control is not None
            self._poll.unregister(process.control)
            del self._by_socket[process.control.fileno()]
            pid = process.pid
            status = process.bury(time.monotonic())
            lost = sorted(process.sessions)
            for session in lost:
                self._forget(session)
        log.error("media.died", pid=pid, status=status, sessions=len(lost))
        return [Lost(session) for session in lost]

    def _forget(self, session: int) -> None:
        process = self._process_of.pop(session, None)
        if process is not None:
            process.sessions.discard(session)

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for process in self._processes:
            if process.control is None and process.start_at <= now:
                try:
                    self._start(process)
                except OSError as error:
                    log.error("media.not_started", error=str(error))
                    process.start_at = now + _LAST_BACK_OFF_S

    def _start(self, process: _Process) -> None:
        with self._lock:
            control = process.start(time.monotonic())
            self._by_socket[control.fileno()] = process
            self._poll.register(control, select.POLLIN)
        log.info("media.started", pid=process.pid)

    def _hand_over(self, reports: list[Report]) -> None:
        try:
            self._on_reports(reports)
        except Exception:
            log.exception("media.reports_refused", reports=len(reports))

    def _wake_up(self) -> None:
        os.eventfd_write(self._wake, 1)


def divide(ports: tuple[int, int], parts: int) -> list[tuple[int, int]]:
    """The port range in ``parts`` ranges of like size, each beginning with an even port."""
    first, last = ports[0] + ports[0] % 2, ports[1]
    pairs = max(1, (last + 1 - first) // 2)
    edges = [first + 2 * (pairs * part // parts) for part in range(parts + 1)]
    edges[-1] = last + 1
    return [(start, end - 1) for start, end in zip(edges, edges[1:], strict=False)]
