"""The media process: one UDP socket a call, its commands on one socket, one loop for all of them.

``epoll`` waits for packets and commands, and no longer than until the next frame is due; while nobody plays
there is no tick. The process ends when its control socket closes, finishing its recordings first.
"""

import functools
import gc
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import structlog

from louhua.calls.media import filter as packet_filter
from louhua.calls.media.control import (
    MAX_DATAGRAM,
    Close,
    Closed,
    Command,
    Lost,
    Open,
    Opened,
    Play,
    Refused,
    Report,
    Stop,
    Update,
    decode_commands,
    encode,
)
from louhua.calls.media.pacing import TURN_S, Pacer, Send, Sender
from louhua.calls.media.ports import NoPort, Ports
from louhua.calls.media.prompts import Prompts
from louhua.calls.media.session import Address, Session

log = structlog.get_logger()

_LONGEST_PACKET: Final = 2048
_REPORTS_A_DATAGRAM: Final = 500
_COMMANDS_AT_ONCE: Final = 32
"""Datagrams of commands taken before packets have their turn again."""


_program = functools.cache(packet_filter.program)


class UdpLine:
    """A session's socket: connected to its peer, or, to latch, hearing everybody."""

    def __init__(self, sock: socket.socket, port: int, *, latch: bool) -> None:
        self.socket = sock
        self.port = port
        self.hears_everybody = latch
        self.send: Send = self._send_to_remote if latch else sock.send
        self._remote: Address = ("", 0)
        self._wanted: frozenset[int] | None = None

    def aim(self, remote: Address) -> None:
        """Send to ``remote``; ``OSError`` when there is no way to it."""
        if self.hears_everybody:
            self._remote = remote
        else:
            self.socket.connect(remote)

    def listen(self, payload_types: Iterable[int]) -> None:
        """Let the kernel drop everything but these."""
        wanted = frozenset(payload_types)
        if wanted != self._wanted:
            self._wanted = wanted
            packet_filter.attach(self.socket, _program(wanted))

    def _send_to_remote(self, datagram: memoryview) -> object:
        return self.socket.sendto(datagram, self._remote)


class MediaProcess:
    """All sessions of this process and the loop that serves them."""

    def __init__(self, control: socket.socket, ports: Ports, prompts: Prompts) -> None:
        control.setblocking(False)
        self._control = control
        self._ports = ports
        self._prompts = prompts
        self._pacer = Pacer(prompts.frames)
        self._epoll = select.epoll()
        self._epoll.register(control, select.EPOLLIN)
        self._sessions: dict[int, tuple[Session, UdpLine]] = {}
        self._by_socket: dict[int, tuple[Session, UdpLine]] = {}
        self._by_sender: dict[Sender, Session] = {}
        self._reports: list[Report] = []
        self._unsent: deque[bytes] = deque()
        self._random = random.SystemRandom()
        self._waits_to_send = False
        self._ended = False

    def run(self) -> None:
        """Serve until the control socket closes."""
        control = self._control.fileno()
        while not self._ended:
            for number, _ in self._wait():
                if number == control:
                    self._take_commands()
                else:
                    self._take_packet(number)
            self._send_reports()

    def _wait(self) -> list[tuple[int, int]]:
        """Send what falls due until there is something to read.

        While somebody plays, packets and commands are looked for once a turn and not one by one: they wait
        10 ms at most, and a process with hundreds of calls wakes up 100 times a second and not 2,000 times.
        """
        due = self._pacer.next_due()
        if due is None:
            return self._epoll.poll()
        pause = min(due - time.monotonic(), TURN_S)
        if pause > 0:
            time.sleep(pause)
        for sender in self._pacer.run(time.monotonic):
            self._by_sender[sender].on_played()
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
                self._guard(command.session, partial(self._obey, command))

    def _obey(self, command: Command) -> None:
        now = time.monotonic()
        if isinstance(command, Open):
            self._open(command, now)
            return
        found = self._sessions.get(command.session)
        if isinstance(command, Close):
            self._close(command.session)
            return
        if found is None:
            self._reports.append(Refused(command.session, "no such session"))
            return
        session, _ = found
        if isinstance(command, Play):
            session.play(command, now)
        elif isinstance(command, Stop):
            session.stop()
        elif isinstance(command, Update):
            session.update(command, now)

    def _open(self, command: Open, now: float) -> None:
        if command.session in self._sessions:
            self._reports.append(Refused(command.session, "the session is open already"))
            return
        try:
            sock, port = self._ports.bind()
        except (NoPort, OSError) as error:
            self._reports.append(Refused(command.session, str(error)))
            return
        line = UdpLine(sock, port, latch=command.latch)
        bits = self._random.getrandbits(80)
        try:
            session = Session(
                command,
                line=line,
                pacer=self._pacer,
                prompts=self._prompts,
                report=self._reports.append,
                start=(bits & 0xFFFFFFFF, bits >> 32 & 0xFFFF, bits >> 48),
                now=now,
            )
        except (OSError, ValueError) as error:
            self._ports.release(sock, port)
            self._reports.append(Refused(command.session, f"cannot send to {command.remote}: {error}"))
            return
        self._sessions[command.session] = self._by_socket[sock.fileno()] = session, line
        self._by_sender[session.sender] = session
        self._epoll.register(sock, select.EPOLLIN)
        self._reports.append(Opened(command.session, port))

    def _close(self, number: int) -> None:
        found = self._sessions.pop(number, None)
        if found is None:
            self._reports.append(Closed(number, 0, 0, 0))
            return
        session, line = found
        session.close()
        received = session.received + packet_filter.dropped(line.socket)
        self._remove(session, line)
        self._reports.append(Closed(number, session.sender.sent, received, session.sender.late))

    def _remove(self, session: Session, line: UdpLine) -> None:
        del self._by_socket[line.socket.fileno()]
        del self._by_sender[session.sender]
        self._ports.release(line.socket, line.port)

    # Packets

    def _take_packet(self, number: int) -> None:
        found = self._by_socket.get(number)
        if found is None:
            return
        session, line = found
        source: Address | None = None
        try:
            if line.hears_everybody:
                datagram, source = line.socket.recvfrom(_LONGEST_PACKET)
            else:
                datagram = line.socket.recv(_LONGEST_PACKET)
        except OSError:
            return
        self._guard(
            session.number,
            partial(session.on_packet, datagram, source and source[:2], time.monotonic()),
        )

    def _guard(self, number: int, act: Callable[[], None]) -> None:
        """Let a fault in one session end that session alone."""
        try:
            act()
        except Exception:
            log.exception("media.fault", session=number)
            found = self._sessions.pop(number, None)
            if found is not None:
                found[0].abandon()
                self._remove(*found)
            self._reports.append(Lost(number))

    # Reports

    def _send_reports(self) -> None:
        """Tell the call role what happened, as soon as it can take it."""
        while self._reports:
            self._unsent.append(encode(self._reports[:_REPORTS_A_DATAGRAM]))
            del self._reports[:_REPORTS_A_DATAGRAM]
        while self._unsent:
            try:
                self._control.send(self._unsent[0])
            except BlockingIOError:
                self._epoll.modify(self._control, select.EPOLLIN | select.EPOLLOUT)
                self._waits_to_send = True
                return
            except OSError:
                self._ended = True
                return
            self._unsent.popleft()
        if self._waits_to_send:
            self._epoll.modify(self._control, select.EPOLLIN)
            self._waits_to_send = False


def serve(control: socket.socket, ports: Ports, prompts: Prompts) -> None:
    """Run a media process until its control socket closes."""
    gc.collect()
    gc.freeze()
    MediaProcess(control, ports, prompts).run()
