"""What the calls of a node share, as each of them sees it: interfaces only."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from louhua.bus.events import CallEnded
from louhua.calls.call import CallInfo, Dialogue, Result
from louhua.calls.loop import Loop
from louhua.calls.media.control import Command, Report
from louhua.calls.wire import Wire
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Profile

Lookup = Callable[[Sequence[str], Callable[[Mapping[str, Profile]], None]], None]
"""Finds profiles by number and calls back, from whatever thread; numbers nobody knows are left out."""


class MediaPool(Protocol):
    """The media processes of a node (``louhua.calls.media.manager``)."""

    @property
    def pids(self) -> Sequence[int]:
        """The processes that run."""

    def new_session(self) -> int | None:
        """A number for a new session, which is to be closed in any case; ``None`` while no process runs."""

    def send(self, commands: Sequence[Command]) -> None:
        """Have commands carried out, after those sent before."""


class Journal(Protocol):
    """Where a call is noted before anything depends on it (``louhua.calls.spool``)."""

    def begin(self, info: CallInfo) -> bool:
        """A call is taken; false where that cannot be noted: then it is not."""

    def note(self, call_id: str, result: Result) -> None:
        """What is known of it so far."""

    def recording(self, call_id: str, path: str) -> None:
        """A recording starts at ``path``."""

    def end(self, event: CallEnded) -> None:
        """It is over."""

    def stored(self, call_ids: Sequence[str]) -> None:
        """Nothing more is to become of these calls."""


class MediaSink(Protocol):
    """A call, as its media session reports to it."""

    def on_report(self, report: Report) -> None:
        """The media process says something about the session."""


class Services(Protocol):
    """What every call of a node shares."""

    loop: Loop
    wire: Wire
    dialogue: Dialogue
    lookup: Lookup
    journal: Journal
    now: Callable[[], datetime]
    node: str
    plan: NumberPlan
    media_address: str
    recordings: Path
    longest_call_s: float

    def open_session(self, sink: MediaSink) -> int | None:
        """The number of a new media session that reports to ``sink``; ``None`` when there can be none."""

    def command(self, command: Command) -> None:
        """Have a media process carry out a command."""
