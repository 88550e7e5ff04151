"""The call role's side of the media: its processes, which of them serves a session, and what they report.

Commands go out from the caller's thread; a thread of the manager's own reads reports and hands them over in
batches. A process that died is started again, after a growing pause if it dies at once, and each session it
had is reported ``Lost``.
"""

import itertools
import os
import select
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from louhua.calls.media.control import Closed, Command, Lost, Report
from louhua.calls.media.worker import Gone, Worker
from louhua.processes import StartError

log = structlog.get_logger()

_FIRST_BACK_OFF_S: Final = 0.1
_LAST_BACK_OFF_S: Final = 10.0
_STEADY_AFTER_S: Final = 30.0
"""A process that lived this long is started again after the shortest pause."""
_STOP_LIMIT_S: Final = 10.0


class _Place:
    """Room for one media process: its command line, its sessions, and when it may be started again."""

    def __init__(self, command: list[str]) -> None:
        self.command = command
        self.worker: Worker | None = None
        self.sessions: set[int] = set()
        self.start_at = 0.0
        self.started_at = 0.0
        self._back_off = _FIRST_BACK_OFF_S

    def wait(self, now: float) -> None:
        """Stay empty for a while: its process died, or could not be started."""
        self.start_at = now + self._back_off
        steady = now - self.started_at >= _STEADY_AFTER_S
        self._back_off = _FIRST_BACK_OFF_S if steady else min(2 * self._back_off, _LAST_BACK_OFF_S)


class MediaManager:
    """Media processes and their sessions.

    ``on_reports`` is called in a thread of the manager's, with reports in the order in which they were made.
    Every other method may be called from any thread, and none but ``stop`` waits for a media process.
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
        command = [sys.executable, "-m", "louhua.calls.media", "--address", address, "--prompts", str(prompts)]
        self._places = [
            _Place([*command, "--ports", f"{first}-{last}"]) for first, last in divide(ports, processes)
        ]
        self._on_reports = on_reports
        self._numbers = itertools.count(1)
        self._place_of: dict[int, _Place] = {}
        self._by_socket: dict[int, _Place] = {}
        self._lock = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._thread = threading.Thread(target=self._watch, name="media", daemon=True)

    def start(self) -> None:
        """Start the processes; ``StartError`` or ``OSError`` when one cannot be started at all."""
        for place in self._places:
            self._start(place)
        self._thread.start()

    def new_session(self) -> int | None:
        """A number for a new call, on the process with the fewest; ``None`` while no process runs.

        It is given back by the ``Closed`` report, which answers ``Close``, or by ``Lost``.
        """
        with self._lock:
            running = [place for place in self._places if place.worker is not None]
            if not running:
                return None
            place = min(running, key=lambda candidate: len(candidate.sessions))
            session = next(self._numbers)
            place.sessions.add(session)
            self._place_of[session] = place
            return session

    def send(self, commands: Sequence[Command]) -> None:
        """Have commands carried out, in this order; those for a session closed or lost do nothing."""
        with self._lock:
            batches: dict[_Place, list[Command]] = {}
            for command in commands:
                place = self._place_of.get(command.session)
                if place is not None:
                    batches.setdefault(place, []).append(command)
            for place, batch in batches.items():
                if place.worker is not None:
                    place.worker.send(batch)
                    if place.worker.interest != select.EPOLLIN:
                        self._epoll.modify(place.worker.control, place.worker.interest)

    @property
    def sessions(self) -> int:
        """How many sessions there are."""
        return len(self._place_of)

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        with self._lock:
            return [place.worker.pid for place in self._places if place.worker is not None]

    def stop(self) -> None:
        """Stop the processes; recordings that run are completed, but nothing is reported any more."""
        if self._epoll.closed:
            return
        os.eventfd_write(self._wake, 1)
        if self._thread.ident is not None:
            self._thread.join()
        for place in self._places:
            if place.worker is not None:
                place.worker.stop(_STOP_LIMIT_S)
                place.worker = None
        self._place_of.clear()
        self._epoll.close()
        os.close(self._wake)

    # In the manager's thread

    def _watch(self) -> None:
        while True:
            events = self._epoll.poll(self._wait_s())
            reports: list[Report] = []
            for number, mask in events:
                if number == self._wake:
                    return
                reports += self._serve(self._by_socket[number], mask)
            self._start_what_is_due()
            if reports:
                self._hand_over(reports)

    def _wait_s(self) -> float | None:
        waiting = [place.start_at for place in self._places if place.worker is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _serve(self, place: _Place, mask: int) -> list[Report]:
        """Read what a process reports, and send what it could not take before."""
        worker = place.worker
        if worker is None:
            return []
        if mask & select.EPOLLOUT:
            with self._lock:
                worker.send_backlog()
                self._epoll.modify(worker.control, worker.interest)
        try:
            reports = worker.receive()
        except (Gone, OSError, msgspec.MsgspecError):
            return self._bury(place, worker)
        with self._lock:
            for report in reports:
                if isinstance(report, Closed | Lost):
                    self._forget(report.session)
        return reports

    def _bury(self, place: _Place, worker: Worker) -> list[Report]:
        """A process is dead: its sessions are lost."""
        with self._lock:
            place.worker = None
            lost = sorted(place.sessions)
            for session in lost:
                self._forget(session)
        del self._by_socket[worker.control.fileno()]
        self._epoll.unregister(worker.control)
        status = worker.bury()
        place.wait(time.monotonic())
        log.error("media.died", pid=worker.pid, status=status, sessions=len(lost))
        return [Lost(session) for session in lost]

    def _forget(self, session: int) -> None:
        place = self._place_of.pop(session, None)
        if place is not None:
            place.sessions.discard(session)

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for place in self._places:
            if place.worker is None and place.start_at <= now:
                try:
                    self._start(place)
                except (OSError, StartError) as error:
                    log.error("media.not_started", error=str(error))
                    place.wait(now)

    def _start(self, place: _Place) -> None:
        worker = Worker.start(place.command)
        self._by_socket[worker.control.fileno()] = place
        self._epoll.register(worker.control, select.EPOLLIN)
        place.started_at = time.monotonic()
        place.worker = worker
        log.info("media.started", pid=worker.pid)

    def _hand_over(self, reports: list[Report]) -> None:
        try:
            self._on_reports(reports)
        except Exception:
            log.exception("media.reports_refused", reports=len(reports))


def divide(ports: tuple[int, int], parts: int) -> list[tuple[int, int]]:
    """The port range in ``parts`` ranges of like size, each beginning with an even port."""
    first, last = ports[0] + ports[0] % 2, ports[1]
    pairs = (last + 2 - first) // 2
    edges = [first + 2 * (pairs * part // parts) for part in range(parts + 1)]
    return [(start, min(end - 1, last)) for start, end in itertools.pairwise(edges)]
