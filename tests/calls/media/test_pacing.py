"""Sending in time, with a clock of the test's own."""

import itertools
import struct

import pytest

from louhua.calls.media.g711 import PCMA, PCMU
from louhua.calls.media.pacing import FRAME_S, PHASES, Pacer, Sender
from louhua.calls.media.prompts import Prompts, Run

PROMPTS = Prompts({"a": b"".join(bytes([n]) * 160 for n in range(1, 101))})


class Bench:
    """A pacer, its time, and what was sent when."""

    def __init__(self) -> None:
        self.now = 50.0
        self.pacer = Pacer(PROMPTS.frames)
        self.sent: dict[Sender, list[tuple[float, bytes]]] = {}
        self.finished: list[Sender] = []

    def sender(self, *, sequence: int = 10, timestamp: int = 1000, frames: int = 100) -> Sender:
        sent: list[tuple[float, bytes]] = []
        sender = Sender(
            ssrc=0xAABBCCDD, sequence=sequence, timestamp=timestamp, phase=self.pacer.share(),
            send=lambda packet: sent.append((self.now, bytes(packet))),
        )  # fmt: skip
        sender.speak(PCMA, 0)
        sender.load([Run(1, frames)])
        self.sent[sender] = sent
        return sender

    def start(self, **options: int) -> Sender:
        sender = self.sender(**options)
        self.pacer.add(sender, self.now)
        return sender

    def run(self, seconds: float) -> None:
        """Wake whenever something is due."""
        until = self.now + seconds
        while (due := self.pacer.next_due()) is not None and due <= until:
            self.now = max(self.now, due)
            self.finished += self.pacer.run(lambda: self.now)
        self.now = until

    def packets(self, sender: Sender) -> list[bytes]:
        return [packet for _, packet in self.sent[sender]]

    def times(self, sender: Sender) -> list[float]:
        return [time for time, _ in self.sent[sender]]


def test_a_frame_leaves_every_20_ms_and_the_last_one_is_told() -> None:
    bench = Bench()
    sender = bench.start(frames=5)
    bench.run(1)
    times = bench.times(sender)
    assert len(times) == 5
    assert times[0] - 50.0 < FRAME_S
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([FRAME_S] * 4)
    assert bench.finished == [sender]
    assert bench.pacer.next_due() is None
    assert (sender.sent, sender.late) == (5, 0)


def test_the_packets_are_rtp() -> None:
    bench = Bench()
    sender = bench.start(sequence=0xFFFF, timestamp=2**32 - 160, frames=3)
    bench.run(1)
    heads = [struct.unpack("!BBHII", packet[:12]) for packet in bench.packets(sender)]
    assert heads == [
        (0x80, 0x80 | PCMA, 0xFFFF, 2**32 - 160, 0xAABBCCDD),
        (0x80, PCMA, 0, 0, 0xAABBCCDD),
        (0x80, PCMA, 1, 160, 0xAABBCCDD),
    ]
    assert [packet[12:] for packet in bench.packets(sender)] == [bytes([n]) * 160 for n in (1, 2, 3)]


def test_runs_follow_each_other_and_silence_stands_still() -> None:
    bench = Bench()
    sender = bench.sender()
    sender.load([Run(4, 2), Run(0, 3, 0), Run(1, 1)])
    bench.pacer.add(sender, bench.now)
    bench.run(1)
    assert [packet[12] for packet in bench.packets(sender)] == [4, 5, 0xD5, 0xD5, 0xD5, 1]


def all_are_packets_of_one_stream(packets: list[bytes]) -> bool:
    heads = [struct.unpack("!BBHII", packet[:12]) for packet in packets]
    marks = [0x80] + [0] * (len(packets) - 1)
    return heads == [(0x80, mark | PCMA, 10 + n, 1000 + 160 * n, 0xAABBCCDD) for n, mark in enumerate(marks)]


@pytest.mark.parametrize("count", [1, 3, 200])
def test_many_senders_end_and_leave_in_any_order_without_disturbing_each_other(count: int) -> None:
    bench = Bench()
    senders = [bench.start(frames=1 + n % 40) for n in range(count)]
    bench.run(0.21)
    stopped = senders[::7]
    for sender in stopped:
        bench.pacer.remove(sender)
    late = bench.start(frames=2)
    bench.run(2)
    for n, sender in enumerate(senders):
        assert all_are_packets_of_one_stream(bench.packets(sender))
        said = [packet[12] for packet in bench.packets(sender)]
        assert said == list(range(1, len(said) + 1))
        assert len(said) == sender.sent
        if sender not in stopped:
            assert len(said) == 1 + n % 40
    assert [packet[12] for packet in bench.packets(late)] == [1, 2]


def test_a_sender_that_rested_goes_on_at_its_place_in_another_law() -> None:
    bench = Bench()
    sender = bench.start(frames=10)
    bench.run(0.09)
    bench.pacer.remove(sender)
    bench.run(1)
    before = len(bench.sent[sender])
    sender.speak(PCMU, PROMPTS.shift(PCMU))
    bench.pacer.add(sender, bench.now)
    bench.run(1)
    packets = bench.packets(sender)
    assert len(packets) == 10
    assert [packet[1] & 0x7F for packet in packets] == [PCMA] * before + [PCMU] * (10 - before)
    assert packets[before][1] & 0x80
    expected = PROMPTS.frames[1 + PROMPTS.shift(PCMU) + before]
    assert packets[before][12:] == bytes(expected)


def test_phases_are_shared_evenly() -> None:
    pacer = Pacer(PROMPTS.frames)
    shares = [pacer.share() for _ in range(10)]
    assert {shares.count(phase) for phase in range(PHASES)} == {10 // PHASES}
    pacer.unshare(1)
    assert pacer.share() == 1


def test_a_short_delay_is_caught_up_and_counted() -> None:
    bench = Bench()
    sender = bench.start(frames=50)
    bench.run(0.1)
    bench.now += 0.05
    bench.finished += bench.pacer.run(lambda: bench.now)
    assert len(bench.sent[sender]) == pytest.approx(0.15 / FRAME_S, abs=1)
    bench.run(2)
    assert sender.sent == 50
    assert 1 <= sender.late <= 3


def test_after_a_standstill_the_missed_time_is_skipped() -> None:
    bench = Bench()
    sender = bench.start(frames=100)
    bench.run(0.1)
    before = len(bench.sent[sender])
    bench.now += 5
    bench.pacer.run(lambda: bench.now)
    assert len(bench.sent[sender]) - before == 1


def test_a_packet_that_cannot_be_sent_is_lost_and_nothing_else() -> None:
    bench = Bench()
    first = bench.start(frames=3)
    bench.start(frames=3)
    broken, third = bench.start(frames=3), bench.start(frames=3)

    def refuse(_: memoryview) -> object:
        raise ConnectionRefusedError

    bench.pacer.remove(broken)
    broken.send = refuse
    bench.pacer.add(broken, bench.now)
    bench.run(1)
    assert len(bench.sent[first]) == len(bench.sent[third]) == 3
    assert broken in bench.finished
