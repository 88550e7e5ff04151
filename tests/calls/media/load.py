"""Load on a media process: how much CPU a call takes and how evenly its packets leave.

A call of 5.15 s is played a menu, presses a key after 3 s, is played a goodbye and ends: 233 packets.
``python tests/calls/media/load.py --rate 120 --seconds 20 [--stream]`` prints the figures; with ``--stream``
each caller sends 50 audio packets a second as well.
"""

import argparse
import contextlib
import queue
import socket
import struct
import tempfile
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Final

from louhua.calls.media import filter as packet_filter
from louhua.calls.media.control import Close, Closed, Digit, Open, Opened, Play, Played, Report
from louhua.calls.media.manager import MediaManager

SO_TIMESTAMPNS: Final = 35
KEY_AT_S: Final = 3.0
GOODBYE_FRAMES: Final = 83
CALL_S: Final = 5.15
SAMPLED: Final = 20
"""One call in so many has its packets' arrival times measured."""
DIGIT: Final = struct.pack("!BBH", 2, 0, 160)
DIGIT_END: Final = struct.pack("!BBH", 2, 0x80, 800)


class Callers:
    """Calls in all stages, moved on by the clock and by reports."""

    def __init__(self, manager: MediaManager, reports: "queue.Queue[Report]") -> None:
        self.manager = manager
        self.reports = reports
        self.ports: dict[int, int] = {}
        self.keys_due: deque[tuple[float, int]] = deque()
        self.ends_due: deque[tuple[float, int]] = deque()
        self.sink = _socket()
        packet_filter.attach(self.sink, packet_filter.program([]))
        self.sampler = _socket()
        self.sampler.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.counts: Counter[str] = Counter()
        self.peer_of: dict[int, socket.socket] = {}

    def warm_up(self) -> None:
        """Wait until the process serves; what it takes to start is not a call's."""
        session = self.manager.new_session()
        assert session is not None
        self.manager.send([Open(session, None, 8, 101, False), Close(session)])
        while not isinstance(self.reports.get(timeout=10), Closed):
            pass

    def close(self) -> None:
        """Close the callers' sockets."""
        self.sink.close()
        self.sampler.close()

    def begin(self, now: float) -> None:
        session = self.manager.new_session()
        assert session is not None
        peer = self.sampler if session % SAMPLED == 0 else self.sink
        self.peer_of[session] = peer
        self.manager.send([Open(session, peer.getsockname(), 8, 101, False)])
        self.keys_due.append((now + KEY_AT_S, session))
        self.ends_due.append((now + CALL_S, session))

    def move_on(self, now: float) -> None:
        while not self.reports.empty():
            self.take(self.reports.get())
        while self.keys_due and self.keys_due[0][0] <= now:
            self.press(self.keys_due.popleft()[1])
        while self.ends_due and self.ends_due[0][0] <= now:
            session = self.ends_due.popleft()[1]
            self.manager.send([Close(session)])

    def take(self, report: Report) -> None:
        session = report.session
        self.counts[type(report).__name__] += 1
        if isinstance(report, Opened):
            self.ports[session] = report.port
            self.manager.send([Play(session, 1, ("menu",), True)])
        elif isinstance(report, Played) and report.interrupted and report.play == 1:
            self.manager.send([Play(session, 2, ("goodbye",), False)])
        elif isinstance(report, Closed):
            self.counts["packets sent"] += report.sent
            self.counts["packets late"] += report.late
            self.counts["packets received"] += report.received
            del self.ports[session], self.peer_of[session]
        elif isinstance(report, Digit):
            self.counts["key " + report.key] += 1

    def press(self, session: int) -> None:
        """Three packets of the key, three of its end."""
        peer, to = self.peer_of[session], ("127.0.0.1", self.ports[session])
        for number in range(6):
            head = struct.pack("!BBHII", 0x80, 101 | (0x80 if number == 0 else 0), number, 24000, session)
            peer.sendto(head + (DIGIT if number < 3 else DIGIT_END), to)

    def stream(self, turn: int) -> None:
        """One audio packet of a quarter of the callers."""
        packet = struct.pack("!BBHII", 0x80, 8, 1, 160, 7) + bytes(160)
        for session, port in list(self.ports.items()):
            if session % 4 == turn % 4:
                self.peer_of[session].sendto(packet, ("127.0.0.1", port))


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setblocking(False)
    return sock


def sample(sampler: socket.socket, gaps: list[float], stop: threading.Event) -> None:
    """Collect the gaps between consecutive packets of one talkspurt, in ms.

    The kernel has stamped them, so they are read now and then: a reader who woke for each would share the
    sender's processor and be measured with it.
    """
    last: dict[int, float] = {}
    while not stop.wait(0.05):
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _, source = sampler.recvmsg(200, 100)
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                at = seconds * 1000 + nanoseconds / 1e6
                if not data[1] & 0x80 and source[1] in last:
                    gaps.append(at - last[source[1]])
                last[source[1]] = at


def cpu_s(pid: int) -> float:
    """CPU time of a process so far."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def _put_all(reports: "queue.Queue[Report]", batch: list[Report]) -> None:
    for report in batch:
        reports.put(report)


def run(rate: float, seconds: float, *, stream: bool) -> dict[str, float]:
    """Offer ``rate`` calls/s for ``seconds``; the figures."""
    reports: queue.Queue[Report] = queue.Queue()
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "menu.al").write_bytes(bytes(160 * 400))
        Path(directory, "goodbye.al").write_bytes(bytes(160 * GOODBYE_FRAMES))
        manager = MediaManager(
            address="127.0.0.1", ports=(30000, 39999), prompts=Path(directory), processes=1,
            on_reports=lambda batch: _put_all(reports, batch),
        )  # fmt: skip
        manager.start()
        callers = Callers(manager, reports)
        gaps: list[float] = []
        stop = threading.Event()
        thread = threading.Thread(target=sample, args=(callers.sampler, gaps, stop))
        thread.start()
        callers.warm_up()
        first, wall = cpu_s(manager.pids[0]), time.monotonic()
        calls, most = offer(callers, rate, seconds, stream=stream)
        used, wall = cpu_s(manager.pids[0]) - first, time.monotonic() - wall
        stop.set()
        thread.join()
        manager.stop()
        callers.close()
    gaps.sort()
    return {
        "calls": calls, "sessions at once": most, "cpu ms a call": used * 1000 / calls,
        "cpu share": used / wall, **callers.counts, "packets a call": callers.counts["packets sent"] / calls,
        "gaps measured": len(gaps),
        "gap p50 ms": gaps[len(gaps) // 2], "gap p99 ms": gaps[len(gaps) * 99 // 100], "gap max ms": gaps[-1],
    }  # fmt: skip


def offer(callers: Callers, rate: float, seconds: float, *, stream: bool) -> tuple[int, int]:
    """Begin calls evenly and wait for the last to be over; how many, and how many at once."""
    began = time.monotonic()
    calls = most = turn = 0
    total = int(rate * seconds)
    while calls < total or callers.counts["Closed"] < calls:
        now = time.monotonic()
        while calls < total and began + calls / rate <= now:
            callers.begin(now)
            calls += 1
        callers.move_on(now)
        most = max(most, callers.manager.sessions)
        if stream and (now - began) * 200 > turn:
            callers.stream(turn)
            turn += 1
        time.sleep(0.001)
    return calls, most


def main() -> None:
    """Print the figures of one run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=120)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--stream", action="store_true")
    arguments = parser.parse_args()
    for name, value in run(arguments.rate, arguments.seconds, stream=arguments.stream).items():
        print(f"{name:20} {value:12.3f}")


if __name__ == "__main__":
    main()
