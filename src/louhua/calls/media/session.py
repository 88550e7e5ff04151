"""The media of one call: what its commands and its packets lead to, without a socket and without a clock.

A ``Session`` decides to whom frames go, what is played and when that is over, which packets are wanted and
what they mean. Its ``Line`` is the socket, its ``Pacer`` sends the frames in time, and what the call role has
to know goes to ``report``. Times are seconds of a monotonic clock.
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Protocol

from louhua.calls.media.control import Digit, Open, Play, Played, Report, Update
from louhua.calls.media.dtmf import KeyReceiver
from louhua.calls.media.g711 import PCMA, PCMU
from louhua.calls.media.pacing import Pacer, Send, Sender
from louhua.calls.media.prompts import Prompts
from louhua.calls.media.rtp import SAMPLE_RATE, parse

Address = tuple[str, int]


class Line(Protocol):
    """A session's socket."""

    def aim(self, remote: Address) -> None:
        """Send to ``remote`` from now on, and without latching hear nobody else."""

    def listen(self, payload_types: Iterable[int]) -> None:
        """Pass on only RTP of these payload types; none at all if there are none."""

    @property
    def send(self) -> Send:
        """Sends one packet; one that raises ``OSError`` is lost, as on any network."""


class Session:
    """One call's media. ``start`` are the random first timestamp, sequence number and SSRC (RFC 3550, 5.1).

    ``OSError`` or ``ValueError`` when nothing can be sent to the peer's address.
    """

    def __init__(
        self,
        command: Open,
        *,
        line: Line,
        pacer: Pacer,
        prompts: Prompts,
        report: Callable[[Report], None],
        start: tuple[int, int, int],
        now: float,
    ) -> None:
        self.number = command.session
        self._line = line
        self._pacer = pacer
        self._prompts = prompts
        self._report = report
        self._began = now
        self.received = 0
        self._keys = KeyReceiver()
        self._play: Play | None = None
        self._sending = True
        self._latch = command.latch
        self._latched: Address | None = None
        self._announced: Address | None = None
        self._remote: Address | None = None
        self._dtmf_type = command.dtmf_type
        self._set_remote(command.remote)
        self._first_timestamp, sequence, ssrc = start
        self.sender = Sender(
            ssrc=ssrc, sequence=sequence, timestamp=self._first_timestamp, phase=pacer.share(), send=line.send
        )
        self._speak(command.payload_type)
        self._listen()

    # Commands

    def update(self, command: Update, now: float) -> None:
        """The peer changed address, law or direction; what plays goes on at its place.

        ``OSError`` or ``ValueError`` when nothing can be sent to its address; then nothing is.
        """
        if command.remote != self._announced:
            self._set_remote(command.remote)
        if command.payload_type != self.sender.payload_type:
            self._pacer.remove(self.sender)
            self._speak(command.payload_type)
        self._dtmf_type = command.dtmf_type
        self._sending = command.send
        self._listen()
        self._pace(now)

    def play(self, command: Play, now: float) -> None:
        """Begin to play, in place of what is playing."""
        self.stop()
        self._play = command
        self.sender.load([run for run in map(self._prompts.run, command.clips) if run is not None])
        if self.sender.runs:
            self._pace(now)
        else:
            self.on_played()

    def stop(self) -> None:
        """Play no more."""
        self._pacer.remove(self.sender)
        self.sender.load([])
        self._over(interrupted=True)

    def close(self) -> None:
        """Say no more."""
        self.stop()
        self.abandon()

    def abandon(self) -> None:
        """Give back what is shared with other sessions, whatever state this one is in."""
        self._pacer.remove(self.sender)
        self._pacer.unshare(self.sender.phase)

    # What happens

    def on_played(self) -> None:
        """The last frame has been sent."""
        self._over(interrupted=False)

    def on_packet(self, datagram: bytes, source: Address | None, now: float) -> None:
        """A datagram came in; ``source`` is told only by a line that hears everybody (``latch``)."""
        packet = parse(datagram)
        if packet is None or self._remote is None or packet.payload_type not in self._wanted():
            return
        if source is not None and not self._latch_to(source, now):
            return
        self.received += 1
        if packet.payload_type == self._dtmf_type:
            key = self._keys.receive(packet)
            if key is not None:
                self._on_key(key)

    def _on_key(self, key: str) -> None:
        self._report(Digit(self.number, key))
        if self._play is not None and self._play.barge_in:
            self.stop()

    # How it is done

    def _speak(self, payload_type: int) -> None:
        self.sender.speak(payload_type, self._prompts.shift(payload_type))

    def _over(self, *, interrupted: bool) -> None:
        if self._play is not None:
            play, self._play = self._play, None
            self._report(Played(self.number, play.play, interrupted))

    def _pace(self, now: float) -> None:
        """Send or rest, as direction, peer and what is left say."""
        if not self._sending or self._remote is None:
            self._pacer.remove(self.sender)
        elif self.sender.runs and self.sender.row is None:
            self.sender.timestamp = self._first_timestamp + int((now - self._began) * SAMPLE_RATE)
            self._pacer.add(self.sender, now)

    def _set_remote(self, remote: Address | None) -> None:
        self._announced, self._remote, self._latched = remote, None, None
        if remote is not None and _usable(remote):
            self._line.aim(remote)
            self._remote = remote

    def _latch_to(self, source: Address, now: float) -> bool:
        """Follow the peer to where it sends from; false for a packet of somebody else."""
        if self._latched is None:
            self._latched = source
            self._line.aim(source)
            self._listen()
            self._pace(now)
        return self._latched == source

    def _wanted(self) -> set[int]:
        """Payload types that mean something now."""
        wanted = set() if self._dtmf_type is None else {self._dtmf_type}
        if self._latch and self._latched is None:
            wanted |= {PCMA, PCMU}
        return wanted

    def _listen(self) -> None:
        self._line.listen(self._wanted() if self._remote is not None else ())


def _usable(remote: Address) -> bool:
    """Whether packets may go there: not to 0.0.0.0 or port 0, which mean "do not send" (RFC 3264, 5.1 and 8.4).

    ``ValueError`` for a name: looking it up would make every other call wait.
    """
    return not ipaddress.ip_address(remote[0]).is_unspecified and remote[1] != 0
