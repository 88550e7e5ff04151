"""What the load generator itself knows: whom it called, what it heard, and which faults it made.

The reckoning believes these, never the platform. Times are seconds since the epoch.
"""

from pathlib import Path
from typing import Final

import msgspec

from louhua.bus.events import Choice, Reason
from louhua.soak.journal import Journal, read


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is called (canonical number), as the platform is told at the beginning.

    ``money`` is what he has paid in, in thousandths of a yuan; ``None``: he pays afterwards.
    """

    number: str
    registered: bool
    voicemail: bool
    tells_power_on: bool
    money: int | None = None


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    pass


class Dialled(_Line, frozen=True, kw_only=True, tag=True):
    """A call is about to be made; ``wants`` is what its caller means to choose."""

    call_id: str
    at: float
    caller: str
    callee: str
    reason: Reason
    wants: Choice


class Ended(_Line, frozen=True, kw_only=True, tag=True):
    """A call is over. ``noticed``: the platform has answered its INVITE with anything, 100 included.

    ``answered_at`` is when it answered with more than 100, ``None`` if never. ``heard`` are the prompts, in their
    order, without their language.
    """

    call_id: str
    at: float
    noticed: bool
    answered_at: float | None
    status: int
    ended_by: str
    pressed: str
    heard: tuple[str, ...]


class Fault(_Line, frozen=True, kw_only=True, tag=True):
    """Something was done to a process, from ``at`` until ``until``."""

    at: float
    until: float
    how: str
    target: str


LedgerLine = Dialled | Ended | Fault


class Call(msgspec.Struct, frozen=True):
    """A call as its caller knows it; ``ended`` is ``None`` while it lasts."""

    dialled: Dialled
    ended: Ended | None


class Ledger:
    """The ledger of one soak, in memory and in a file."""

    def __init__(self, path: Path) -> None:
        self._file: Journal[LedgerLine] = Journal(path)
        self.dialled: dict[str, Dialled] = {}
        self.ended: dict[str, Ended] = {}
        self.faults: list[Fault] = []
        for line in read(path, LedgerLine):
            self._learn(line)

    def write(self, line: LedgerLine) -> None:
        """Write a line."""
        self._file.write(line)
        self._learn(line)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def calls(self) -> list[Call]:
        """All calls, in the order in which they were made."""
        return [Call(dialled, self.ended.get(call_id)) for call_id, dialled in self.dialled.items()]

    def _learn(self, line: LedgerLine) -> None:
        match line:
            case Dialled():
                self.dialled[line.call_id] = line
            case Ended():
                self.ended[line.call_id] = line
            case Fault():
                self.faults.append(line)


PROOF: Final[dict[Choice, str]] = {
    Choice.MESSAGE: "message-saved",
    Choice.CALL_BACK: "goodbye",
    Choice.CALL_OTHER: "number-entered",
    Choice.POWER_ON: "power-on-promised",
}
"""The prompt that is said when a choice is in the platform's journal, not before."""

_DOUBTS: Final = frozenset({"no-key", "invalid-key", "number-invalid", "message-too-short"})
"""After one of these a farewell may be to somebody who has chosen nothing."""


def must_be_recorded(call: Call) -> bool:
    """Whether the platform took the call: it answered the INVITE and has not refused it."""
    return call.ended is not None and call.ended.noticed and call.ended.status < 300


def possible_choices(call: Call) -> frozenset[Choice]:
    """What the platform may have recorded as chosen: one thing where the caller has heard that it was taken."""
    wants, ended = call.dialled.wants, call.ended
    if wants is Choice.NONE:
        return frozenset({Choice.NONE})
    if ended is not None and PROOF[wants] in ended.heard and not _DOUBTS.intersection(ended.heard):
        return frozenset({wants})
    if ended is not None and not ended.pressed:
        return frozenset({Choice.NONE})
    return frozenset({wants, Choice.NONE})
