"""What a recording holds, whatever order its packets came in."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.calls.media.g711 import ALAW_SILENCE, PCMA, PCMU, ULAW_TO_ALAW
from louhua.calls.media.recorder import Recorder
from louhua.calls.media.rtp import Packet

SILENCE = bytes([ALAW_SILENCE])
LOUD = b"\xaa"


def frame(number: int) -> bytes:
    """Twenty milliseconds that no other number has."""
    return bytes([number % 200 + 1, number // 200]) * 80


def audio(number: int, *, start: int = 0, ssrc: int = 7, payload_type: int = PCMA) -> Packet:
    return Packet(payload_type, False, (start + 160 * number) % 2**32, ssrc, frame(number))


def recorded(packets: list[Packet], *, max_ms: int = 600_000, speed: float = 1.0) -> bytes:
    """The file that packets, 20 ms apart, make."""
    recorder = Recorder(max_ms=max_ms, silence_ms=0, now=100.0)
    octets = b""
    for place, packet in enumerate(packets):
        recorder.receive(packet, 100.0 + 0.02 * place * speed)
        octets += recorder.take()
    octets += recorder.finish()
    assert recorder.ms == len(octets) // 8
    return octets


def test_packets_in_order_are_the_recording() -> None:
    assert recorded([audio(n) for n in range(500)]) == b"".join(map(frame, range(500)))


def test_mu_law_becomes_a_law() -> None:
    assert recorded([audio(n, payload_type=PCMU) for n in range(9)]) == b"".join(map(frame, range(9))).translate(
        ULAW_TO_ALAW
    )


@given(st.integers(0, 2**32 - 1), st.integers(0, 10_000))
def test_reordering_within_the_buffer_and_repeats_change_nothing(start: int, seed: int) -> None:
    shuffler = random.Random(seed)
    packets = [audio(n, start=start) for n in range(60)]
    mixed: list[Packet] = []
    for begin in range(0, 60, 3):
        group = packets[begin : begin + 3]
        shuffler.shuffle(group)
        mixed += [*group, shuffler.choice(packets[max(0, begin - 3) : begin + 3])]
    assert recorded(mixed, speed=0.75) == b"".join(map(frame, range(60)))


@given(st.sets(st.integers(1, 98), max_size=60))
def test_what_is_lost_is_silence_of_that_length(lost: set[int]) -> None:
    heard = recorded([audio(n) for n in range(100) if n not in lost])
    assert heard == b"".join(SILENCE * 160 if n in lost else frame(n) for n in range(100))


def test_a_pause_without_packets_is_silence() -> None:
    recorder = Recorder(max_ms=60_000, silence_ms=0, now=0)
    recorder.receive(audio(0), 0.0)
    recorder.receive(audio(250), 5.0)
    assert recorder.finish() == frame(0) + SILENCE * 160 * 249 + frame(250)


def test_a_packet_that_comes_too_late_has_no_place_left() -> None:
    packets = [audio(n) for n in range(20) if n != 5] + [audio(5)]
    assert recorded(packets) == b"".join(SILENCE * 160 if n == 5 else frame(n) for n in range(20))


def test_a_new_stream_goes_on_where_the_old_one_ended() -> None:
    old = [audio(n) for n in range(10)]
    new = [audio(n, ssrc=8, start=77_777_777) for n in range(10, 20)]
    assert recorded(old + new) == b"".join(map(frame, range(20)))


def test_a_jump_of_the_timestamp_is_a_new_stream() -> None:
    old = [audio(n) for n in range(10)]
    new = [audio(n, start=2**31) for n in range(10, 20)]
    assert recorded(old + new) == b"".join(map(frame, range(20)))


def test_time_between_two_streams_is_silence() -> None:
    recorder = Recorder(max_ms=60_000, silence_ms=0, now=0)
    recorder.receive(audio(0), 0.0)
    recorder.receive(audio(1, ssrc=8), 1.02)
    assert recorder.finish() == frame(0) + SILENCE * 8000 + frame(1)


def test_overlapping_packets_are_cut() -> None:
    assert recorded([Packet(PCMA, False, 0, 7, LOUD * 160), Packet(PCMA, False, 80, 7, b"\x11" * 160)]) == (
        LOUD * 160 + b"\x11" * 80
    )


@pytest.mark.parametrize("max_ms", [20, 1000, 1010])
def test_it_is_never_longer_than_allowed(max_ms: int) -> None:
    heard = recorded([audio(n) for n in range(100)], max_ms=max_ms)
    assert heard == b"".join(map(frame, range(100)))[: max_ms * 8]


def test_a_timestamp_far_ahead_does_not_fill_the_disk() -> None:
    recorder = Recorder(max_ms=1000, silence_ms=0, now=0)
    recorder.receive(audio(0), 0.0)
    recorder.receive(audio(5000), 100.0)
    assert recorder.over(100.0)
    assert len(recorder.finish()) == 8000


def test_it_is_handed_on_in_pieces_as_it_grows() -> None:
    recorder = Recorder(max_ms=60_000, silence_ms=0, now=0)
    pieces = []
    for n in range(100):
        recorder.receive(audio(n), n * 0.02)
        pieces.append(len(recorder.take()))
    assert sum(pieces) >= 160 * 100 - 800 - 4000
    assert sum(1 for piece in pieces if piece) == 3


def over_at(recorder: Recorder, *, until: float, loud: tuple[float, float] | None = None) -> float | None:
    """When it is over, if 50 packets a second come, loud ones in a time."""
    for place in range(int(until * 50)):
        now = place * 0.02
        is_loud = loud is not None and loud[0] <= now < loud[1]
        payload = (LOUD if is_loud else SILENCE) * 160
        recorder.receive(Packet(PCMA, False, 160 * place, 7, payload), now)
        if recorder.over(now):
            return now
    return None


def test_silence_after_speech_ends_it() -> None:
    assert over_at(Recorder(max_ms=60_000, silence_ms=2000, now=0), until=20, loud=(1, 5)) == pytest.approx(
        7, abs=0.05
    )


def test_a_caller_who_never_speaks_ends_it() -> None:
    assert over_at(Recorder(max_ms=60_000, silence_ms=3000, now=0), until=20) == pytest.approx(3, abs=0.05)


def test_without_a_limit_silence_goes_on() -> None:
    assert over_at(Recorder(max_ms=60_000, silence_ms=0, now=0), until=20) is None


def test_its_length_ends_it() -> None:
    assert over_at(Recorder(max_ms=4000, silence_ms=0, now=0), until=20, loud=(0, 20)) == pytest.approx(
        4.1, abs=0.05
    )


@pytest.mark.parametrize(("max_ms", "silence_ms", "at"), [(5000, 0, 5.1), (60_000, 2000, 2.0)])
def test_it_ends_in_time_though_no_packet_comes(max_ms: int, silence_ms: int, at: float) -> None:
    recorder = Recorder(max_ms=max_ms, silence_ms=silence_ms, now=0)
    assert not recorder.over(at - 0.01)
    assert recorder.over(at + 0.01)
    assert recorder.finish() == b""


def test_a_click_is_not_speech() -> None:
    recorder = Recorder(max_ms=60_000, silence_ms=1000, now=0)
    for place in range(60):
        recorder.receive(Packet(PCMA, False, 160 * place, 7, LOUD * 4 + SILENCE * 156), place * 0.02)
    assert recorder.over(1.19)
