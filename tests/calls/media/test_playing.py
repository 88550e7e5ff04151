"""What a phone hears from a real media process."""

import itertools

import pytest
from tests.calls.media.conftest import GOODBYE, HELLO
from tests.calls.media.phone import DTMF, PCMA, PCMU, Media, Phone

from louhua.calls.media.control import Close, Closed, Digit, Play, Played, Stop, Update
from louhua.calls.media.g711 import ALAW_SILENCE, ALAW_TO_ULAW

PADDED_GOODBYE = GOODBYE + bytes([ALAW_SILENCE]) * 120


def test_the_phone_hears_the_prompts_byte_for_byte(media: Media, phone: Phone) -> None:
    session, port = media.open(phone)
    media.send(Play(session, 1, ("en/hello", "silence/50", "en/goodbye"), True))
    heard = phone.hear_frames(12 + 3 + 5)
    assert heard == HELLO + bytes([ALAW_SILENCE]) * 480 + PADDED_GOODBYE
    assert media.next(session, Played) == Played(session, 1, False)
    assert phone.heard_from == {port}
    media.send(Close(session))
    closed = media.next(session, Closed)
    assert (closed.session, closed.sent, closed.received) == (session, 20, 0)


def test_a_phone_with_mu_law_hears_them_converted(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone, payload_type=PCMU)
    media.send(Play(session, 1, ("en/goodbye",), True))
    first = phone.hear()
    assert first.payload_type == PCMU
    assert first.payload + phone.hear_frames(4) == PADDED_GOODBYE.translate(ALAW_TO_ULAW)
    media.send(Close(session))


def test_packets_are_numbered_and_timed_as_a_stream(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone)
    media.send(Play(session, 1, ("en/goodbye",), True))
    heard = [phone.hear() for _ in range(5)]
    assert [packet.marker for packet in heard] == [True, False, False, False, False]
    assert len({packet.ssrc for packet in heard}) == 1
    steps = {(b.timestamp - a.timestamp) % 2**32 for a, b in itertools.pairwise(heard)}
    assert steps == {160}
    media.next(session, Played)
    media.send(Play(session, 2, ("en/goodbye",), True))
    again = phone.hear()
    assert again.marker
    assert again.ssrc == heard[0].ssrc
    assert 0 < (again.timestamp - heard[-1].timestamp) % 2**32 < 8000
    media.send(Close(session))
    media.next(session, Played)
    media.next(session, Closed)


def test_prompts_that_follow_each_other_leave_no_gap(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone)
    for play in range(8):
        media.send(Play(session, play, ("en/goodbye",), True))
        phone.hear_frames(5)
        media.next(session, Played)
    gaps = sorted(b - a for a, b in zip(phone.heard_at, phone.heard_at[1:], strict=False))
    assert gaps[len(gaps) // 2] == pytest.approx(0.02, abs=0.005)
    assert gaps[-4] < 0.035
    media.send(Close(session))
    media.next(session, Closed)


def test_nothing_but_unknown_clips_is_over_at_once(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone)
    media.send(Play(session, 1, ("en/nothing", "silence/long"), True))
    assert media.next(session, Played) == Played(session, 1, False)
    media.send(Play(session, 2, ("en/nothing", "en/goodbye"), True))
    assert phone.hear_frames(5) == PADDED_GOODBYE
    assert media.next(session, Played) == Played(session, 2, False)
    media.send(Close(session))
    media.next(session, Closed)


def test_a_key_stops_a_prompt_with_barge_in(media: Media, phone: Phone) -> None:
    session, port = media.open(phone)
    media.send(Play(session, 1, ("silence/60000",), True))
    phone.hear()
    phone.press(port, 2)
    assert media.next(session, Digit) == Digit(session, "2")
    assert media.next(session, Played) == Played(session, 1, True)
    media.send(Close(session))
    closed = media.next(session, Closed)
    for _ in range(closed.sent - 1):
        phone.hear()
    assert phone.hears_nothing(0.06)


def test_a_key_does_not_stop_a_prompt_without_barge_in(media: Media, phone: Phone) -> None:
    session, port = media.open(phone)
    media.send(Play(session, 1, ("en/hello",), False))
    start = phone.hear_frames(2)
    phone.press(port, 11)
    assert start + phone.hear_frames(10) == HELLO
    assert media.next(session, Digit) == Digit(session, "#")
    assert media.next(session, Played) == Played(session, 1, False)
    media.send(Close(session))
    media.next(session, Closed)


def test_stop_and_another_play_interrupt(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone)
    media.send(Play(session, 1, ("silence/60000",), False))
    phone.hear()
    media.send(Play(session, 2, ("silence/60000",), False))
    assert media.next(session, Played) == Played(session, 1, True)
    media.send(Stop(session))
    assert media.next(session, Played) == Played(session, 2, True)
    media.send(Stop(session), Close(session))
    assert media.next(session, Closed).session == session


def test_a_peer_unknown_at_first_hears_all_once_it_is_known(media: Media, phone: Phone) -> None:
    session, _ = media.open(None)
    media.send(Play(session, 1, ("en/goodbye",), True))
    assert phone.hears_nothing(0.06)
    media.send(Update(session, phone.address, PCMA, DTMF, True))
    assert phone.hear_frames(5) == PADDED_GOODBYE
    media.next(session, Played)
    media.send(Close(session))
    media.next(session, Closed)


def test_hold_pauses_and_goes_on_where_it_was(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone)
    media.send(Play(session, 1, ("en/hello", "en/goodbye"), True))
    before = phone.hear_frames(4)
    media.send(Update(session, phone.address, PCMA, DTMF, False))
    while not phone.hears_nothing(0.1):
        before += b"x" * 160
    played = len(before)
    media.send(Update(session, phone.address, PCMU, DTMF, True))
    resumed = phone.hear()
    assert resumed.marker
    assert resumed.payload_type == PCMU
    rest = (HELLO + PADDED_GOODBYE)[played:].translate(ALAW_TO_ULAW)
    assert resumed.payload + phone.hear_frames(len(rest) // 160 - 1) == rest
    assert media.next(session, Played) == Played(session, 1, False)
    media.send(Close(session))
    media.next(session, Closed)


def test_the_law_changes_without_losing_the_place(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone)
    media.send(Play(session, 1, ("en/hello", "en/hello"), True))
    heard = [phone.hear()]
    media.send(Update(session, phone.address, PCMU, DTMF, True))
    heard += [phone.hear() for _ in range(23)]
    laws = [packet.payload_type for packet in heard]
    change = laws.index(PCMU)
    assert laws == [PCMA] * change + [PCMU] * (24 - change)
    octets = b"".join(packet.payload for packet in heard)
    expected = HELLO + HELLO
    assert octets == expected[: 160 * change] + expected[160 * change :].translate(ALAW_TO_ULAW)
    media.next(session, Played)
    media.send(Close(session))
    media.next(session, Closed)


def test_an_update_moves_the_call_to_another_address(media: Media, phone: Phone, stranger: Phone) -> None:
    session, port = media.open(phone)
    media.send(Play(session, 1, ("silence/60000",), False))
    phone.hear()
    media.send(Update(session, stranger.address, PCMA, 96, True))
    stranger.hear()
    phone.press(port, 1)
    stranger.press(port, 2)
    media.send(Update(session, stranger.address, PCMU, DTMF, True))
    while stranger.hear().payload_type != PCMU:
        pass
    stranger.press(port, 3, timestamp=16000)
    assert media.next(session, Digit) == Digit(session, "3")
    media.send(Close(session))
    media.next(session, Played)
    assert media.next(session, Closed).session == session
