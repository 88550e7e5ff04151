"""The media process: one UDP socket a call, its commands on one socket, one loop for all of them.

``epoll`` waits for packets and commands, and no longer than until the next frame is due; while nobody plays
or records there is no tick. The process ends when its control socket closes, finishing its recordings first.
"""

import gc
import random
import select
import socket
import time
from typing import Any, Final

import structlog

from louhua.calls.media.control import (
    MAX_DATAGRAM,
    Close,
    Closed,
    Command,
    EndRecord,
    Lost,
    Open,
    Opened,
    Play,
    Record,
    Refused,
    Report,
    Stop,
    Update,
    decode_commands,
    encode,
)
from louhua.calls.media.lines import Lines, NoPort, UdpLine
from louhua.calls.media.pacing import TURN_S, Pacer, Sender
from louhua.calls.media.prompts import Prompts
from louhua.calls.media.session import Session
from louhua.calls.media.tapes import Tape, Tapes

log = structlog.get_logger()

_CHECK_S: Final = 0.1
"""How often recordings are asked whether they are over."""
_REPORTS_A_DATAGRAM: Final = 500
_COMMANDS_AT_ONCE: Final = 32
"""Datagrams of commands taken before packets have their turn again."""
_PACKETS_AT_ONCE: Final = 32
"""Packets of a recording taken before other sessions have their turn; without one, keys are too few to queue."""
_FEW_OBJECTS: Final = 20_000
"""Sessions hold no cycles, so the collector has little to find: it looks once in so many new objects."""

_ACTIONS: Final[dict[type[Command], Any]] = {
    Update: Session.update,
    Play: Session.play,
    Stop: Session.stop,
    Record: Session.record,
    EndRecord: Session.end_record,
}


class _Shared:
    """What the sessions of this process share."""

    def __init__(self, prompts: Prompts) -> None:
        self.prompts = prompts
        self.pacer = Pacer(prompts.frames)
        self.reports: list[Report] = []
        self.report = self.reports.append
        self.recording: set[Session] = set()
        self.tapes = Tapes()

    def open_tape(self, path: str) -> Tape:
        return Tape(path, self.tapes)


class MediaProcess:
    """All sessions of this process and the loop that serves them."""

    def __init__(self, control: socket.socket, lines: Lines, prompts: Prompts) -> None:
        control.setblocking(False)
        self._control = control
        self._lines = lines
        self._epoll = lines.epoll
        self._shared = _Shared(prompts)
        self._sessions: dict[int, tuple[Session, UdpLine]] = {}
        self._by_socket: dict[int, tuple[Session, UdpLine]] = {}
        self._by_sender: dict[Sender, Session] = {}
        self._random = random.SystemRandom()
        self._next_check = 0.0
        self._waits_to_send = False
        self._ended = False

    def run(self) -> None:
        """Serve until the control socket closes; then complete the recordings."""
        self._epoll.register(self._control, select.EPOLLIN)
        self._epoll.register(self._shared.tapes.wake, select.EPOLLIN)
        try:
            while not self._ended:
                self._turn()
        finally:
            for session, _ in self._sessions.values():
                session.close()
            self._shared.tapes.stop()
            self._lines.close()
            self._control.close()

    def _turn(self) -> None:
        for number, _ in self._wait():
            if number == self._control.fileno():
                self._take_commands()
            elif number == self._shared.tapes.wake:
                self._shared.tapes.settle()
            else:
                self._take_packet(number)
        self._send_reports()

    def _wait(self) -> list[tuple[int, int]]:
        """Send what falls due until there is something to read.

        While somebody plays, packets and commands are looked for once a turn and not one by one: they wait
        10 ms at most, and a process with hundreds of calls wakes up 100 times a second and not 2,000 times.
        """
        now = time.monotonic()
        due = self._shared.pacer.next_due()
        if due is None and not self._shared.recording:
            return self._epoll.poll()
        pause = min(TURN_S, TURN_S if due is None else due - now)
        if pause > 0:
            time.sleep(pause)
        for sender in self._shared.pacer.run(time.monotonic):
            self._by_sender[sender].on_played()
        if self._shared.recording and now >= self._next_check:
            self._next_check = now + _CHECK_S
            for session in list(self._shared.recording):
                session.on_time(now)
        return self._epoll.poll(0)

    # Commands

    def _take_commands(self) -> None:
        for _ in range(_COMMANDS_AT_ONCE):
            try:
                datagram = self._control.recv(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except ConnectionError:
                datagram = b""
            if not datagram:
                self._ended = True
                return
            for command in decode_commands(datagram):
                self._take_command(command)

    def _take_command(self, command: Command) -> None:
        try:
            self._obey(command, time.monotonic())
        except OSError as error:
            self._shared.report(Refused(command.session, str(error)))
        except Exception:
            self._drop(command.session)

    def _obey(self, command: Command, now: float) -> None:
        if isinstance(command, Open):
            self._open(command, now)
        elif isinstance(command, Close):
            self._close(command.session, now)
        elif command.session in self._sessions:
            _ACTIONS[type(command)](self._sessions[command.session][0], command, now)
        else:
            self._shared.report(Refused(command.session, "no such session"))

    def _open(self, command: Open, now: float) -> None:
        if command.session in self._sessions:
            self._shared.report(Refused(command.session, "the session is open already"))
            return
        try:
            line = self._lines.take(latch=command.latch, now=now)
        except NoPort as error:
            self._shared.report(Refused(command.session, str(error)))
            return
        bits = self._random.getrandbits(80)
        start = bits & 0xFFFFFFFF, bits >> 32 & 0xFFFF, bits >> 48
        try:
            session = Session(command, self._shared, line, start=start, now=now)
        except OSError:
            self._lines.give_back(line, now)
            raise
        self._sessions[command.session] = self._by_socket[line.number] = session, line
        self._by_sender[session.sender] = session
        self._shared.report(Opened(command.session, line.port))

    def _close(self, number: int, now: float) -> None:
        found = self._sessions.get(number)
        if found is None:
            self._shared.report(Closed(number, 0, 0, 0))
            return
        session, line = found
        session.close()
        received = session.received + line.dropped()
        self._forget(session, line, now)
        session.report_last(Closed(number, session.sender.sent, received, session.sender.late))

    def _forget(self, session: Session, line: UdpLine, now: float) -> None:
        del self._sessions[session.number]
        del self._by_socket[line.number]
        del self._by_sender[session.sender]
        self._lines.give_back(line, now)

    def _drop(self, number: int) -> None:
        """A fault in one session ends that session alone."""
        log.exception("media.fault", session=number)
        found = self._sessions.get(number)
        if found is not None:
            found[0].abandon()
            self._forget(*found, time.monotonic())
        self._shared.report(Lost(number))

    # Packets

    def _take_packet(self, number: int) -> None:
        found = self._by_socket.get(number)
        if found is None:
            self._lines.ignore(number)
            return
        session, line = found
        try:
            for _ in range(_PACKETS_AT_ONCE):
                received = line.receive()
                if received is None:
                    return
                session.on_packet(*received, time.monotonic())
                if not session.recording:
                    return
        except Exception:
            self._drop(session.number)

    # Reports

    def _send_reports(self) -> None:
        """Tell the call role what happened, as soon as it can take it."""
        reports = self._shared.reports
        while reports:
            batch = reports[:_REPORTS_A_DATAGRAM]
            try:
                self._control.send(encode(batch))
            except BlockingIOError:
                self._epoll.modify(self._control, select.EPOLLIN | select.EPOLLOUT)
                self._waits_to_send = True
                return
            except OSError:
                self._ended = True
                return
            del reports[: len(batch)]
        if self._waits_to_send:
            self._epoll.modify(self._control, select.EPOLLIN)
            self._waits_to_send = False


def serve(control: socket.socket, lines: Lines, prompts: Prompts) -> None:
    """Run a media process until its control socket closes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_FEW_OBJECTS)
    MediaProcess(control, lines, prompts).run()
