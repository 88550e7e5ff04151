"""The media of one call: what its commands and its packets lead to, without a socket and without a clock.

A ``Session`` decides to whom frames go, what is played and when that is over, which packets are wanted, what
they mean and when a recording ends. Its ``Line`` is the socket, its ``Pacer`` sends the frames in time, its
``Tape`` is the file, and what the call role has to know goes to ``report``. Times are seconds of a monotonic
clock.
"""

import socket
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from louhua.calls.media.control import (
    Closed,
    Digit,
    EndRecord,
    Open,
    Play,
    Played,
    Record,
    Recorded,
    Report,
    Stop,
    Update,
)
from louhua.calls.media.dtmf import KeyReceiver
from louhua.calls.media.g711 import PCMA, PCMU
from louhua.calls.media.pacing import Pacer, Send, Sender
from louhua.calls.media.prompts import Prompts
from louhua.calls.media.recorder import Recorder
from louhua.calls.media.rtp import SAMPLE_RATE, Packet, parse

Address = tuple[str, int]

_AUDIO: Final = frozenset({PCMA, PCMU})
_UNDER_WAY_S: Final = 0.5
"""How long packets may still come from where a peer was before it moved; they are not latched to."""


class Line(Protocol):
    """A session's socket."""

    @property
    def send(self) -> Send:
        """Sends one packet."""

    def aim(self, remote: Address) -> None:
        """Send to ``remote`` from now on, and without latching hear nobody else; ``OSError`` if impossible."""

    def forget(self) -> None:
        """Drop what has come in and was not read yet."""

    def listen(self, payload_types: Iterable[int]) -> None:
        """Pass on only RTP of these payload types; none at all if there are none."""


class Tape(Protocol):
    """The file of a recording."""

    def write(self, octets: bytes) -> None:
        """Append."""

    def close(self, done: Callable[[int], None]) -> None:
        """Complete the file, then call ``done`` with the octets in it."""


class Shared(Protocol):
    """What the sessions of a process share."""

    pacer: Pacer
    prompts: Prompts
    report: Callable[[Report], None]
    recording: set["Session"]
    """Sessions that want ``on_time`` to be called, ten times a second or so."""

    def open_tape(self, path: str) -> Tape:
        """Begin a file."""


class _Recording(NamedTuple):
    command: Record
    recorder: Recorder
    tape: Tape


class Session:
    """One call's media. ``start`` are the random first timestamp, sequence number and SSRC (RFC 3550, 5.1).

    ``OSError`` when nothing can be sent to the peer's address.
    """

    def __init__(
        self, command: Open, shared: Shared, line: Line, *, start: tuple[int, int, int], now: float
    ) -> None:
        self.number = command.session
        self.received = 0
        self._shared = shared
        self._line = line
        self._keys = KeyReceiver()
        self._play: Play | None = None
        self._recording: _Recording | None = None
        self._tapes_open = 0
        self._last_word: Closed | None = None
        self._sending = True
        self._latch = command.latch
        self._dtmf_type = command.dtmf_type
        self._remote: Address | None = None
        self._set_remote(command.remote, now)
        self._first_timestamp, sequence, ssrc = start
        self._began = now
        self.sender = Sender(
            ssrc=ssrc,
            sequence=sequence,
            timestamp=self._first_timestamp,
            phase=shared.pacer.share(),
            send=line.send,
        )
        self._speak(command.payload_type)
        self._listen()

    # Commands

    def update(self, command: Update, now: float) -> None:
        """The peer changed address, law or direction; what plays goes on at its place.

        ``OSError`` when nothing can be sent to its address; then nothing is.
        """
        self._dtmf_type = command.dtmf_type
        self._sending = command.send
        if command.payload_type != self.sender.payload_type:
            self._shared.pacer.remove(self.sender)
            self._speak(command.payload_type)
        try:
            if command.remote != self._announced:
                self._set_remote(command.remote, now)
        finally:
            self._listen()
            self._pace(now)

    def play(self, command: Play, now: float) -> None:
        """Begin to play, in place of what is playing."""
        self._stop()
        self._play = command
        self.sender.load([run for run in map(self._shared.prompts.run, command.clips) if run is not None])
        if self.sender.runs:
            self._pace(now)
        else:
            self.on_played()

    def stop(self, _command: Stop, _now: float) -> None:
        """Play no more."""
        self._stop()

    def record(self, command: Record, now: float) -> None:
        """Begin to record, to a new file if one is being recorded already."""
        self._end_recording(None)
        recorder = Recorder(max_ms=command.max_ms, silence_ms=command.silence_ms, now=now)
        self._recording = _Recording(command, recorder, self._shared.open_tape(command.path))
        self._tapes_open += 1
        self._shared.recording.add(self)
        self._listen()

    def end_record(self, command: EndRecord, _now: float) -> None:
        """End the recording, if there is one."""
        self._end_recording(command.key)

    def close(self) -> None:
        """Say no more, and end the recording."""
        self._stop()
        self._end_recording(None)
        self.abandon()

    def abandon(self) -> None:
        """Give back what is shared with other sessions, whatever state this one is in."""
        self._shared.recording.discard(self)
        self._shared.pacer.remove(self.sender)
        self._shared.pacer.unshare(self.sender.phase)

    def report_last(self, closed: Closed) -> None:
        """Report this once every file is complete."""
        self._last_word = closed
        self._report_last()

    # What happens

    @property
    def recording(self) -> bool:
        """Whether a recording runs."""
        return self._recording is not None

    def on_played(self) -> None:
        """The last frame has been sent."""
        self._over(interrupted=False)

    def on_time(self, now: float) -> None:
        """Time has passed while recording."""
        if self._recording is not None and self._recording.recorder.over(now):
            self._end_recording(None)

    def on_packet(self, datagram: bytes, source: Address, now: float) -> None:
        """A datagram came in from ``source``."""
        packet = parse(datagram)
        if packet is None or packet.payload_type not in self._wanted():
            return
        if self._latch and not self._latch_to(source, now):
            return
        self.received += 1
        if packet.payload_type == self._dtmf_type:
            key = self._keys.receive(packet)
            if key is not None:
                self._on_key(key)
        elif self._recording is not None:
            self._hear(packet, self._recording, now)

    # How it is done

    def _on_key(self, key: str) -> None:
        self._shared.report(Digit(self.number, key))
        if self._play is not None and self._play.barge_in:
            self._stop()
        if self._recording is not None and key in self._recording.command.stop_keys:
            self._end_recording(key)

    def _hear(self, packet: Packet, recording: _Recording, now: float) -> None:
        recording.recorder.receive(packet, now)
        octets = recording.recorder.take()
        if octets:
            recording.tape.write(octets)
        self.on_time(now)

    def _stop(self) -> None:
        self._shared.pacer.remove(self.sender)
        self.sender.load([])
        self._over(interrupted=True)

    def _over(self, *, interrupted: bool) -> None:
        if self._play is not None:
            play, self._play = self._play, None
            self._shared.report(Played(self.number, play.play, interrupted))

    def _end_recording(self, key: str | None) -> None:
        if self._recording is None:
            return
        (command, recorder, tape), self._recording = self._recording, None
        self._shared.recording.discard(self)
        tape.write(recorder.finish())
        tape.close(lambda octets: self._on_complete(command.path, octets, key))
        self._listen()

    def _on_complete(self, path: str, octets: int, key: str | None) -> None:
        self._tapes_open -= 1
        self._shared.report(Recorded(self.number, path, octets * 1000 // SAMPLE_RATE, key))
        self._report_last()

    def _report_last(self) -> None:
        if self._last_word is not None and not self._tapes_open:
            self._shared.report(self._last_word)

    def _speak(self, payload_type: int) -> None:
        self.sender.speak(payload_type, self._shared.prompts.shift(payload_type))

    def _pace(self, now: float) -> None:
        """Send or rest, as direction, peer and what is left say."""
        if not self._sending or self._remote is None:
            self._shared.pacer.remove(self.sender)
        elif self.sender.runs and self.sender.row is None:
            self.sender.timestamp = self._first_timestamp + int((now - self._began) * SAMPLE_RATE)
            self._shared.pacer.add(self.sender, now)

    def _set_remote(self, remote: Address | None, now: float) -> None:
        self._announced, self._latched = remote, False
        self._left, self._left_at = self._remote, now
        self._remote = None
        if remote is not None and _usable(remote):
            self._line.aim(remote)
            self._line.forget()
            self._remote = remote

    def _latch_to(self, source: Address, now: float) -> bool:
        """Follow the peer to where it sends from; false for a packet of somebody else."""
        if not self._latched:
            if source == self._left and now - self._left_at < _UNDER_WAY_S:
                return False
            self._latched, self._remote = True, source
            self._line.aim(source)
            self._listen()
            self._pace(now)
        return self._remote == source

    def _wanted(self) -> frozenset[int]:
        """Payload types that mean something now."""
        if self._announced is None:
            return frozenset()
        keys = frozenset() if self._dtmf_type is None else frozenset({self._dtmf_type})
        seeks_peer = self._latch and not self._latched
        return keys | _AUDIO if seeks_peer or self._recording is not None else keys

    def _listen(self) -> None:
        self._line.listen(self._wanted())


def _usable(remote: Address) -> bool:
    """Whether packets may go there: not to 0.0.0.0 or port 0, which mean "do not send" (RFC 3264, 5.1, 8.4).

    ``OSError`` for a name: looking it up would make every other call wait.
    """
    family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
    return any(socket.inet_pton(family, remote[0])) and remote[1] != 0
