"""Sending frames in time: every session that plays sends one packet each 20 ms, from one loop.

Sessions are spread over a few phases, so that not all of them are due in the same millisecond. The next
packets of a phase stand ready in one array, a row each; when the phase is due the rows are sent as they are,
and then all of them are advanced at once. What a packet costs beside its system call is next to nothing.
"""

from collections import deque
from collections.abc import Callable
from operator import call
from typing import Any, Final

import numpy as np

from louhua.calls.media.prompts import FrameArray, Run
from louhua.calls.media.rtp import FRAME, HEADER

Send = Callable[[memoryview], object]
"""Sends one packet; one for which it raises ``OSError`` is lost, as on any network."""

FRAME_S: Final = 0.020
PHASES: Final = 2
TURN_S: Final = FRAME_S / PHASES
LATE_S: Final = 0.005
"""A packet sent later than this after it was due counts as late."""
_MOST_BEHIND_S: Final = 0.1
"""After a longer standstill the missed time is skipped, not sent in one burst."""

_VERSION_2: Final = 0x8000
_MARKER: Final = 0x80
_ROW: Final = np.dtype(
    [("head", ">u2"), ("sequence", ">u2"), ("timestamp", ">u4"), ("ssrc", ">u4"), ("payload", f"V{FRAME}")]
)
_FIRST_ROWS: Final = 64


class Sender:
    """The sending half of a session: the numbers of its stream, and what is left of what it plays.

    The numbers only grow; as many of their bits as RTP has go into a packet. While the sender is with a
    ``Pacer`` they stand in the pacer's arrays, and here again after ``remove``.
    """

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int, phase: int, send: Send) -> None:
        self.ssrc = ssrc
        self.sequence = sequence
        self.timestamp = timestamp
        self.phase = phase
        self.send = send
        self.payload_type = 0
        self.shift = 0
        self.runs: deque[Run] = deque()
        self.row: int | None = None
        self.sent = 0
        self.late = 0

    def load(self, runs: list[Run]) -> None:
        """Play these next; only while resting."""
        self.runs = deque(runs)

    def speak(self, payload_type: int, shift: int) -> None:
        """Send in this law, whose frames are ``shift`` after those in A-law; only while resting."""
        self.payload_type, self.shift = payload_type, shift


class Pacer:
    """When each sender's next frame is due. Times are seconds of a monotonic clock."""

    def __init__(self, frames: FrameArray) -> None:
        self._phases = [_Phase(frames) for _ in range(PHASES)]
        self._shares = [0] * PHASES

    def share(self) -> int:
        """A phase for a new session: the one with the fewest; give it back with ``unshare``."""
        phase = self._shares.index(min(self._shares))
        self._shares[phase] += 1
        return phase

    def unshare(self, phase: int) -> None:
        """A session of this phase is gone."""
        self._shares[phase] -= 1

    def add(self, sender: Sender, now: float) -> None:
        """Let a resting ``sender`` send from its next turn on, as a new talkspurt."""
        phase = self._phases[sender.phase]
        if not phase.senders:
            phase.due = now + (sender.phase * TURN_S - now) % FRAME_S
        phase.add(sender)

    def remove(self, sender: Sender) -> None:
        """Let ``sender`` rest, at the place it has reached; nothing happens if it does already."""
        if sender.row is not None:
            self._phases[sender.phase].remove(sender)

    def next_due(self) -> float | None:
        """When somebody has to send; ``None`` while nobody plays."""
        return min((phase.due for phase in self._phases if phase.senders), default=None)

    def run(self, clock: Callable[[], float]) -> list[Sender]:
        """Send what is due; the senders that sent their last frame are at rest now, and returned."""
        finished: list[Sender] = []
        for phase in self._phases:
            now = clock()
            behind = now - phase.due
            if behind > _MOST_BEHIND_S:
                phase.due += behind // FRAME_S * FRAME_S
            while phase.senders and phase.due <= now:
                phase.send()
                if clock() - phase.due > LATE_S:
                    phase.count_late()
                phase.due += FRAME_S
                finished += phase.advance()
        return finished


class _Phase:
    """Senders that are due at the same time; row ``n`` of each array belongs to ``senders[n]``."""

    def __init__(self, frames: FrameArray) -> None:
        self._frames = frames
        self.due = 0.0
        self.senders: list[Sender] = []
        self._sends: list[Send] = []
        self._marked = False
        self._packets: np.ndarray[Any, np.dtype[np.void]] = np.zeros(_FIRST_ROWS, _ROW)
        self._sequence = np.zeros(_FIRST_ROWS, np.int64)
        self._timestamp = np.zeros(_FIRST_ROWS, np.int64)
        self._frame = np.zeros(_FIRST_ROWS, np.int64)
        self._step = np.zeros(_FIRST_ROWS, np.int64)
        self._left = np.zeros(_FIRST_ROWS, np.int64)
        self._late = np.zeros(_FIRST_ROWS, np.int64)
        self._rows = self._cut_rows()

    def send(self) -> None:
        """Send every row; this is the loop that everything else here exists to keep short."""
        sending = map(call, self._sends, self._rows)
        while True:
            try:
                deque(sending, maxlen=0)
            except OSError:
                continue
            return

    def count_late(self) -> None:
        """The rows just sent were late."""
        self._late[: len(self.senders)] += 1

    def advance(self) -> list[Sender]:
        """Make the next rows; the senders that have none are removed and returned."""
        count = len(self.senders)
        self._sequence[:count] += 1
        self._timestamp[:count] += FRAME
        self._frame[:count] += self._step[:count]
        self._left[:count] -= 1
        finished = []
        for row in np.flatnonzero(self._left[:count] == 0)[::-1].tolist():
            sender = self.senders[row]
            sender.runs.popleft()
            if sender.runs:
                self._begin_run(row, sender)
            else:
                self.remove(sender)
                finished.append(sender)
        self._fill(slice(0, len(self.senders)))
        if self._marked:
            self._packets["head"][: len(self.senders)] &= 0xFFFF ^ _MARKER
            self._marked = False
        return finished

    def add(self, sender: Sender) -> None:
        """Give ``sender`` a row."""
        row = sender.row = len(self.senders)
        if row == len(self._packets):
            self._grow()
        self.senders.append(sender)
        self._sends.append(sender.send)
        self._sequence[row] = sender.sequence
        self._timestamp[row] = sender.timestamp
        self._late[row] = 0
        self._packets["head"][row] = _VERSION_2 | _MARKER | sender.payload_type
        self._packets["ssrc"][row] = sender.ssrc
        self._marked = True
        self._begin_run(row, sender)
        self._fill(slice(row, row + 1))

    def remove(self, sender: Sender) -> None:
        """Take the row of ``sender``, note in it where it stands, and move the last row to its place."""
        row, last = sender.row, len(self.senders) - 1
        if row is None:
            return
        self._note(row, sender)
        sender.row = None
        for array in self._arrays():
            array[row] = array[last]
        self.senders[row], self._sends[row] = self.senders[last], self._sends[last]
        if row != last:
            self.senders[row].row = row
        self.senders.pop()
        self._sends.pop()

    def _note(self, row: int, sender: Sender) -> None:
        sequence = int(self._sequence[row])
        sender.sent += sequence - sender.sequence
        sender.sequence = sequence
        sender.timestamp = int(self._timestamp[row])
        sender.late += int(self._late[row])
        if sender.runs:
            first = int(self._frame[row]) - sender.shift
            sender.runs[0] = Run(first, int(self._left[row]), sender.runs[0].step)

    def _begin_run(self, row: int, sender: Sender) -> None:
        first, frames, step = sender.runs[0]
        self._frame[row], self._left[row], self._step[row] = first + sender.shift, frames, step

    def _fill(self, rows: slice) -> None:
        """Write what changes from packet to packet."""
        self._packets["sequence"][rows] = self._sequence[rows]
        self._packets["timestamp"][rows] = self._timestamp[rows]
        self._packets["payload"][rows] = self._frames[self._frame[rows]]

    def _arrays(self) -> tuple[np.ndarray[Any, Any], ...]:
        return (
            self._packets, self._sequence, self._timestamp, self._frame, self._step, self._left, self._late,
        )  # fmt: skip

    def _grow(self) -> None:
        (
            self._packets, self._sequence, self._timestamp, self._frame, self._step, self._left, self._late,
        ) = (_doubled(array) for array in self._arrays())  # fmt: skip
        self._rows = self._cut_rows()

    def _cut_rows(self) -> list[memoryview]:
        size = HEADER + FRAME
        octets = self._packets.view(np.uint8).data
        return [octets[row * size : (row + 1) * size] for row in range(len(self._packets))]


def _doubled(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array with as much room again; ``np.concatenate`` would turn its fields to the machine's byte order."""
    grown = np.zeros(2 * len(array), array.dtype)
    grown[: len(array)] = array
    return grown
