"""What a real media process hears: keys and voices, from whom, and through which network."""

import random
from pathlib import Path

import pytest
from tests.calls.media.phone import DTMF, PCMA, PCMU, Media, Phone, event, packet

from louhua.calls.media.control import (
    Close,
    Closed,
    Digit,
    EndRecord,
    Play,
    Played,
    Record,
    Recorded,
    Update,
)
from louhua.calls.media.g711 import ALAW_SILENCE, ULAW_TO_ALAW

SILENCE = bytes([ALAW_SILENCE])


def end_only(key: int, timestamp: int) -> list[bytes]:
    return [packet(DTMF, event(key, 800, end=True), timestamp=timestamp)] * 3


def full(key: int, timestamp: int) -> list[bytes]:
    durations = ((160, False), (320, False), (480, False), (640, True), (640, True), (640, True))
    return [packet(DTMF, event(key, length, end=end), timestamp=timestamp) for length, end in durations]


@pytest.mark.parametrize(
    ("what", "datagrams"),
    [
        ("normal", full(1, 0) + full(1, 2400) + full(10, 4800)),
        ("end packets only", end_only(1, 0) + end_only(1, 2400) + end_only(10, 4800)),
        ("every packet twice", [d for d in full(1, 0) + full(1, 2400) + full(10, 4800) for _ in range(2)]),
        ("reordered", full(1, 0)[::-1] + full(1, 2400)[::-1] + full(10, 4800)[::-1]),
        ("all but one lost", [full(1, 0)[2], full(1, 2400)[5], full(10, 4800)[0]]),
    ],
)
def test_keys_are_reported_once_each(media: Media, phone: Phone, what: str, datagrams: list[bytes]) -> None:
    session, port = media.open(phone)
    phone.say(port, *datagrams)
    assert [media.next(session, Digit).key for _ in range(3)] == ["1", "1", "*"], what
    phone.say(port, *full(11, 9600))
    assert media.next(session, Digit).key == "#", "nothing else had been reported"
    media.send(Close(session))
    media.next(session, Closed)


def test_keys_bear_the_payload_type_of_the_offer(media: Media, phone: Phone) -> None:
    session, port = media.open(phone, dtmf_type=96)
    phone.say(port, *full(1, 0), packet(96, event(2, 160), timestamp=2400))
    assert media.next(session, Digit).key == "2"
    media.send(Close(session))
    media.next(session, Closed)


def test_a_peer_without_telephone_events_is_not_listened_to(media: Media, phone: Phone) -> None:
    session, port = media.open(phone, dtmf_type=None)
    phone.say(port, *full(1, 0), packet(PCMA, bytes(160)))
    media.send(Play(session, 1, ("silence/20",), True))
    phone.hear()
    media.next(session, Played)
    media.send(Close(session))
    assert media.next(session, Closed).received == 7


def test_a_streaming_caller_is_kept_out_but_counted_and_its_keys_are_heard(media: Media, phone: Phone) -> None:
    session, port = media.open(phone)
    for number in range(200):
        phone.say(port, packet(PCMA, bytes(160), sequence=number, timestamp=160 * number))
        if number == 100:
            phone.press(port, 7, timestamp=16000)
    assert media.next(session, Digit).key == "7"
    phone.press(port, 8, timestamp=64000)
    assert media.next(session, Digit).key == "8"
    media.send(Close(session))
    assert media.next(session, Closed).received >= 207


def test_without_latching_strangers_are_not_heard(media: Media, phone: Phone, stranger: Phone) -> None:
    session, port = media.open(phone)
    stranger.press(port, 1)
    phone.press(port, 2)
    assert media.next(session, Digit).key == "2"
    media.send(Play(session, 1, ("silence/60",), False))
    phone.hear_frames(3)
    assert media.next(session, Played) == Played(session, 1, False)
    assert stranger.hears_nothing(0.01)
    media.send(Close(session))
    media.next(session, Closed)


def test_latching_follows_the_peer_to_where_it_sends_from(media: Media, phone: Phone, stranger: Phone) -> None:
    session, port = media.open(phone, latch=True)
    media.send(Play(session, 1, ("silence/60000",), False))
    phone.hear()
    stranger.say(port, packet(PCMA, bytes(160)))
    stranger.hear()
    stranger.press(port, 4)
    phone.press(port, 5)
    assert media.next(session, Digit).key == "4"
    stranger.press(port, 6, timestamp=16000)
    assert media.next(session, Digit).key == "6", "only the latched peer is heard"
    media.send(Close(session))
    media.next(session, Played)
    media.next(session, Closed)


def test_a_latched_call_that_moves_latches_again(
    media: Media, phone: Phone, other_phone: Phone, stranger: Phone
) -> None:
    session, port = media.open(phone, latch=True)
    phone.press(port, 1)
    assert media.next(session, Digit).key == "1"
    media.send(Update(session, other_phone.address, PCMA, DTMF, True))
    media.send(Play(session, 1, ("silence/60000",), False))
    other_phone.hear()
    phone.press(port, 3, timestamp=12000)
    stranger.press(port, 2, timestamp=16000)
    assert media.next(session, Digit).key == "2", "what the old address still sends is not latched to"
    stranger.hear()
    media.send(Close(session))
    media.next(session, Played)
    media.next(session, Closed)


def test_what_is_other_than_rtp_does_not_latch(media: Media, phone: Phone, stranger: Phone) -> None:
    session, port = media.open(phone, latch=True)
    stranger.say(port, b"", b"hello", bytes(40), packet(77, bytes(160)))
    phone.press(port, 3)
    assert media.next(session, Digit).key == "3"
    media.send(Close(session))
    media.next(session, Closed)


def voice(number: int) -> bytes:
    """A loud frame that no other number has."""
    return bytes([0xAA, number % 256]) * 80


def spoken(count: int, *, payload_type: int = PCMA, start: int = 2**32 - 800) -> list[bytes]:
    return [packet(payload_type, voice(n), sequence=n, timestamp=start + 160 * n) for n in range(count)]


def test_a_recording_is_what_was_said_until_a_key(media: Media, phone: Phone, tmp_path: Path) -> None:
    session, port = media.open(phone)
    path = str(tmp_path / "message.al")
    media.send(Record(session, path, 60_000, 5000, "#"), Play(session, 1, ("silence/20",), False))
    media.next(session, Played)
    phone.say(port, *spoken(100))
    phone.press(port, 5)
    assert media.next(session, Digit).key == "5", "no key that stops"
    phone.press(port, 11, timestamp=30_000)
    assert media.next(session, Digit).key == "#"
    assert media.next(session, Recorded) == Recorded(session, path, 2000, "#")
    assert Path(path).read_bytes() == b"".join(map(voice, range(100)))
    assert Path(path).stat().st_mode & 0o777 == 0o600
    media.send(Close(session))
    assert media.next(session, Closed).received >= 107


def test_a_recording_survives_loss_repeats_and_reordering(media: Media, phone: Phone, tmp_path: Path) -> None:
    session, port = media.open(phone, payload_type=PCMU)
    path = str(tmp_path / "message.al")
    media.send(Record(session, path, 60_000, 5000, "#"), Play(session, 1, ("silence/20",), False))
    media.next(session, Played)
    packets, lost, disorder = spoken(90, payload_type=PCMU), {7, 30, 31, 32, 33, 34, 35, 36, 88}, random.Random(1)
    for begin in range(0, 90, 3):
        group = [packets[n] for n in range(begin, begin + 3) if n not in lost]
        disorder.shuffle(group)
        phone.say(port, *group, *group[:1])
    phone.press(port, 11)
    media.next(session, Digit)
    assert media.next(session, Recorded).ms == 1800
    expected = [SILENCE * 160 if n in lost else voice(n).translate(ULAW_TO_ALAW) for n in range(90)]
    assert Path(path).read_bytes() == b"".join(expected)
    media.send(Close(session))
    media.next(session, Closed)


def test_silence_ends_a_recording(media: Media, phone: Phone, tmp_path: Path) -> None:
    session, _ = media.open(phone)
    path = str(tmp_path / "message.al")
    media.send(Record(session, path, 60_000, 200, ""))
    assert media.next(session, Recorded) == Recorded(session, path, 0, None)
    media.send(Close(session))
    media.next(session, Closed)


def test_a_recording_is_not_longer_than_allowed(media: Media, phone: Phone, tmp_path: Path) -> None:
    session, port = media.open(phone)
    path = str(tmp_path / "message.al")
    media.send(Record(session, path, 500, 0, ""), Play(session, 1, ("silence/20",), False))
    media.next(session, Played)
    phone.say(port, *spoken(40))
    assert media.next(session, Recorded) == Recorded(session, path, 500, None)
    assert Path(path).read_bytes() == b"".join(map(voice, range(25)))
    media.send(Close(session))
    media.next(session, Closed)


def test_commands_end_recordings(media: Media, phone: Phone, tmp_path: Path) -> None:
    session, _ = media.open(phone)
    paths = [str(tmp_path / name) for name in ("ended", "replaced", "closed")]
    media.send(*(Record(session, path, 60_000, 0, "#") for path in paths[:1]), EndRecord(session, "9"))
    assert media.next(session, Recorded) == Recorded(session, paths[0], 0, "9")
    media.send(*(Record(session, path, 60_000, 0, "#") for path in paths[1:]), Close(session))
    assert media.next(session, Recorded) == Recorded(session, paths[1], 0, None)
    assert media.next(session, Recorded) == Recorded(session, paths[2], 0, None)
    assert media.next(session, Closed).session == session
    assert [Path(path).stat().st_size for path in paths] == [0, 0, 0]


def test_a_file_that_cannot_be_written_leaves_the_call_alone(media: Media, phone: Phone, tmp_path: Path) -> None:
    session, port = media.open(phone)
    path = str(tmp_path / "no such directory" / "message.al")
    media.send(Record(session, path, 60_000, 0, "#"), Play(session, 1, ("silence/20",), False))
    media.next(session, Played)
    phone.say(port, *spoken(40))
    phone.press(port, 11)
    media.next(session, Digit)
    assert media.next(session, Recorded) == Recorded(session, path, 0, "#")
    media.send(Close(session))
    media.next(session, Closed)
