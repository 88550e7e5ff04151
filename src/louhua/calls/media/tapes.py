"""Recordings on disk: one thread writes for all calls, so that no call waits for the disk.

A file grows as the caller speaks, so that what has been written survives whatever ends the process; when
a recording is over it is flushed to the disk before anybody is told.
"""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import structlog

log = structlog.get_logger()

Done = Callable[[int], None]
"""Called when a file is complete, with the octets in it."""


def _private(path: str, flags: int) -> int:
    """Open a file that nobody else may read: it holds what a caller confided."""
    return os.open(path, flags, 0o600)


class Tape:
    """A file that is being recorded; what cannot be written is missing from its end."""

    def __init__(self, path: str, tapes: "Tapes") -> None:
        self._path = Path(path)
        self._tapes = tapes
        self._file: BinaryIO | None = None
        self._octets = 0
        self._failed = False
        tapes.do(self._open)

    def write(self, octets: bytes) -> None:
        """Append, soon."""
        self._tapes.do(lambda: self._write(octets))

    def close(self, done: Done) -> None:
        """Complete the file, then have ``done`` called by ``Tapes.settle``."""
        self._tapes.do(lambda: self._close(done))

    def _open(self) -> None:
        try:
            self._file = open(self._path, "wb", buffering=0, opener=_private)  # noqa: SIM115
        except OSError as error:
            self._fail(error)

    def _write(self, octets: bytes) -> None:
        if self._file is None or self._failed:
            return
        try:
            self._octets += self._file.write(octets)
        except OSError as error:
            self._fail(error)

    def _close(self, done: Done) -> None:
        if self._file is not None:
            try:
                with self._file:
                    os.fsync(self._file.fileno())
            except OSError as error:
                self._fail(error)
        self._tapes.settled(lambda: done(self._octets))

    def _fail(self, error: OSError) -> None:
        self._failed = True
        log.error("media.recording_failed", path=str(self._path), error=str(error))


class Tapes:
    """The thread that writes, and what it has completed."""

    def __init__(self) -> None:
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._settled: deque[Callable[[], None]] = deque()
        self._thread = threading.Thread(target=self._work, name="tapes", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """Have the thread do this after what it was given before."""
        self._jobs.put(job)

    def settled(self, tell: Callable[[], None]) -> None:
        """Have ``settle`` call this in its own thread; ``wake`` becomes readable."""
        self._settled.append(tell)
        os.eventfd_write(self.wake, 1)

    def settle(self) -> None:
        """Tell whoever waits what has been completed."""
        try:
            os.eventfd_read(self.wake)
        except BlockingIOError:
            return
        while self._settled:
            self._settled.popleft()()

    def stop(self) -> None:
        """Write what is left, and end the thread."""
        self._jobs.put(None)
        self._thread.join()
        os.close(self.wake)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            job()
