"""The local spool: what is known of every call, on disk before anything depends on it, until the bus has it.

A call leaves lines in an append-only file: taken, noted, recording, ended, stored. What a killed process
leaves behind is read at the next start: ended calls are published, calls that were live then are ended as
failed with what was known of them. Lines reach the kernel at once and the disk soon after, so that only a loss
of power can lose the last moments. Files ("segments") are removed in their order as soon as all calls
begun in them are stored on the bus.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
import structlog

from louhua.bus.events import CallEnded, Choice, Outcome, Treatment
from louhua.calls.call import CallInfo, Recording, Result

log = structlog.get_logger()

_SEGMENT_BYTES: Final = 8 * 1024 * 1024
_IN_MEMORY: Final = 20_000
"""Waiting events kept in memory; the rest is read again from disk when its turn comes."""

_SYNC_AFTER_S: Final = 0.2
_COMPLAIN_EVERY_S: Final = 1.0

_BYTES_A_MS: Final = 8

SHORTEST_MESSAGE_MS: Final = 1000
"""What a caller who hangs up has said counts as a message when it is longer."""


class _Line(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A line of a segment: a JSON array that begins with its kind."""


class Begun(_Line, frozen=True, array_like=True, tag=True):
    """A call was taken."""

    info: CallInfo


class Noted(_Line, frozen=True, array_like=True, tag=True):
    """What a call's dialogue has found out so far."""

    call: str
    treatment: Treatment
    choice: Choice
    other_number: str
    recording: Recording | None


class Recorded(_Line, frozen=True, array_like=True, tag=True):
    """A recording was begun at a path."""

    call: str
    path: str


class Ended(_Line, frozen=True, array_like=True, tag=True):
    """A call is over."""

    event: CallEnded


class Stored(_Line, frozen=True, array_like=True, tag=True):
    """The bus has these calls' events, or they are to have none."""

    calls: tuple[str, ...]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Begun | Noted | Recorded | Ended | Stored).decode

_Position = tuple[Path, int]


class _Segment:
    """A file, and how many calls begun in it are not stored yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls = 0


class _Past:
    """A call in the segments of an earlier process."""

    def __init__(self, segment: _Segment) -> None:
        self.segment = segment
        self.info: CallInfo | None = None
        self.noted: Noted | None = None
        self.recording = ""
        self.ended: _Position | None = None
        self.last_seen: _Segment = segment


def recorded_so_far(path: str) -> Recording | None:
    """What there is of a recording whose media process can no longer tell (A-law: 8 bytes a millisecond)."""
    try:
        size = os.stat(path).st_size
    except OSError:
        return None
    return Recording(path=path, ms=size // _BYTES_A_MS, key=None)


def closed_as_failed(info: CallInfo, noted: Noted | None, path: str, node: str, at: datetime) -> CallEnded:
    """The event of a call that was live when its process died.

    A recording that had been going on for more than a second is a message, as if the caller had hung up.
    """
    recording = noted.recording if noted else None
    partial = recorded_so_far(path) if path and recording is None else None
    if partial is not None and partial.ms > SHORTEST_MESSAGE_MS:
        recording = partial
    choice = noted.choice if noted else Choice.NONE
    return CallEnded(
        id=info.id, node=node, trunk=info.trunk, sip_call_id=info.sip_call_id, callee=info.callee,
        caller=info.caller, reason=info.reason, treatment=noted.treatment if noted else Treatment.MENU,
        choice=Choice.MESSAGE if recording and choice is Choice.NONE else choice,
        outcome=Outcome.FAILED, started_at=info.started_at, ended_at=max(at, info.started_at),
        other_number=noted.other_number if noted else "",
        recording=Path(recording.path).name if recording else "",
        recording_ms=recording.ms if recording else 0,
    )  # fmt: skip


class Spool:
    """The spool of one node. Opening it reads what an earlier process left; methods are thread-safe."""

    def __init__(self, directory: Path, node: str, *, segment_bytes: int = _SEGMENT_BYTES) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._segments: deque[_Segment] = deque(_Segment(path) for path in sorted(directory.glob("*.journal")))
        self._homes: dict[str, _Segment] = {}
        self._waiting: dict[str, CallEnded | _Position] = {}
        self._unsynced: list[int] = []
        self._dirty = False
        self._torn = False
        self._complained = float("-inf")
        self._closed = False
        self._restore(node)
        self._open_segment()
        self._prune()

    @property
    def waiting(self) -> int:
        """Events that the bus does not have yet."""
        return len(self._waiting)

    def begin(self, info: CallInfo) -> bool:
        """A call is taken; false where the disk does not keep it, so that it is to be refused."""
        with self._lock:
            segment = self._segments[-1]
            if self._append(Begun(info)) is None:
                return False
            segment.calls += 1
            self._homes[info.id] = segment
            return True

    def note(self, call_id: str, result: Result) -> None:
        """What is known of a call so far."""
        line = Noted(call_id, result.treatment, result.choice, result.other_number, result.recording)
        with self._lock:
            self._append(line)

    def recording(self, call_id: str, path: str) -> None:
        """A recording starts at ``path``."""
        with self._lock:
            self._append(Recorded(call_id, path))

    def end(self, event: CallEnded) -> None:
        """A call is over: its event waits for the bus."""
        with self._lock:
            position = self._append(Ended(event))
            if position is None or len(self._waiting) < _IN_MEMORY:
                self._waiting[event.id] = event
            else:
                self._waiting[event.id] = position

    def batch(self, limit: int) -> list[CallEnded]:
        """The events that have waited longest."""
        with self._lock:
            oldest = list(islice(self._waiting.items(), limit))
        events = []
        for call_id, entry in oldest:
            try:
                events.append(entry if isinstance(entry, CallEnded) else _event_at(*entry))
            except (OSError, ValueError, msgspec.MsgspecError) as error:
                log.error("spool.event_lost", call=call_id, error=repr(error))
                self.stored((call_id,))
        return events

    def stored(self, call_ids: Sequence[str]) -> None:
        """The bus has these events (or these calls are to have none): they are forgotten."""
        with self._lock:
            self._append(Stored(tuple(call_ids)))
            for call_id in call_ids:
                self._waiting.pop(call_id, None)
                if home := self._homes.pop(call_id, None):
                    home.calls -= 1
            self._prune()

    def sync(self) -> None:
        """Bring what was written to disk; in a thread that may wait, a moment after the first write."""
        with self._lock:
            if self._closed or not (self._dirty or self._unsynced):
                return
            self._dirty = False
            descriptors, self._unsynced = [*self._unsynced, os.dup(self._file)], []
        for descriptor in descriptors:
            try:
                os.fsync(descriptor)
            except OSError as error:
                log.error("spool.sync_failed", error=repr(error))
            os.close(descriptor)

    def close(self) -> None:
        """Sync and close."""
        self.sync()
        with self._lock:
            self._closed = True
            os.close(self._file)

    def _append(self, line: _Line) -> _Position | None:
        """Write a line; ``None`` where the disk does not take it whole: calls go on and the log says so."""
        data = (b"\n" if self._torn else b"") + _encode(line) + b"\n"
        position = (self._segments[-1].path, self._offset + self._torn)
        try:
            written = os.write(self._file, data)
        except OSError as error:
            self._complain("spool.write_failed", repr(error))
            return None
        self._torn = written < len(data)
        self._offset += written
        if not self._dirty:
            self._dirty = True
            _later(_SYNC_AFTER_S, self.sync)
        if self._torn:
            self._complain("spool.write_failed", f"{written} of {len(data)} bytes were written")
            return None
        if self._offset >= self._segment_bytes:
            self._begin_segment()
        return position

    def _complain(self, event: str, error: str) -> None:
        """Say that the disk refuses, not oftener than a person can read it."""
        if time.monotonic() - self._complained >= _COMPLAIN_EVERY_S:
            self._complained = time.monotonic()
            log.error(event, error=error)

    def _begin_segment(self) -> None:
        """Go on in a new file; where there can be none, in the old one."""
        full = self._file
        try:
            self._open_segment()
        except OSError as error:
            self._complain("spool.no_new_segment", repr(error))
        else:
            self._unsynced.append(full)

    def _open_segment(self) -> None:
        last = int(self._segments[-1].path.stem) if self._segments else 0
        segment = _Segment(self._directory / f"{last + 1:012d}.journal")
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(segment.path, flags, 0o640)
        self._offset = 0
        self._segments.append(segment)
        with contextlib.suppress(OSError):
            self._unsynced.append(os.open(self._directory, os.O_RDONLY | os.O_CLOEXEC))

    def _prune(self) -> None:
        """Remove the oldest segments that no call needs; never one between others, nor the current one."""
        while len(self._segments) > 1 and self._segments[0].calls == 0:
            self._segments.popleft().path.unlink(missing_ok=True)

    def _restore(self, node: str) -> None:
        past: dict[str, _Past] = {}
        for segment in self._segments:
            for line, offset in _lines(segment.path):
                _replay(past, line, segment, offset)
        for call_id, call in past.items():
            call.segment.calls += 1
            self._homes[call_id] = call.segment
            if call.ended is not None:
                self._waiting[call_id] = call.ended
            elif call.info is not None:
                at = datetime.fromtimestamp(call.last_seen.path.stat().st_mtime, UTC)
                self._waiting[call_id] = closed_as_failed(call.info, call.noted, call.recording, node, at)
        if past:
            log.info("spool.restored", calls=len(past))


def _replay(past: dict[str, _Past], line: _Line, segment: _Segment, offset: int) -> None:
    match line:
        case Begun(info):
            past.setdefault(info.id, _Past(segment)).info = info
        case Stored(calls):
            for call_id in calls:
                past.pop(call_id, None)
        case Noted() if call := past.get(line.call):
            call.noted, call.last_seen = line, segment
        case Recorded() if call := past.get(line.call):
            call.recording, call.last_seen = line.path, segment
        case Ended(event):
            past.setdefault(event.id, _Past(segment)).ended = (segment.path, offset)


def _lines(path: Path) -> Iterator[tuple[_Line, int]]:
    """The whole lines of a segment and where they begin; what cannot be read is passed over."""
    offset = unreadable = 0
    with path.open("rb") as file:
        for data in file:
            if data.endswith(b"\n") and len(data) > 1:
                try:
                    yield _decode(data), offset
                except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError):
                    unreadable += 1
            offset += len(data)
    if unreadable:
        log.error("spool.unreadable", segment=path.name, lines=unreadable)


def _later(seconds: float, act: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


def _event_at(path: Path, offset: int) -> CallEnded:
    """Read an ended call again."""
    with path.open("rb") as file:
        file.seek(offset)
        line = _decode(file.readline())
    if not isinstance(line, Ended):
        raise ValueError(f"{path.name}: no event at {offset}")
    return line.event
