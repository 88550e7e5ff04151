"""Keys: each press once, whatever the network does to its packets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.calls.media.phone import DTMF, event, packet

from louhua.calls.media.dtmf import KEYS, KeyReceiver
from louhua.calls.media.rtp import Packet, parse


def heard(key: int, timestamp: int, duration: int, *, end: bool = False, marker: bool = False) -> Packet:
    parsed = parse(packet(DTMF, event(key, duration, end=end), timestamp=timestamp, marker=marker))
    assert parsed is not None
    return parsed


def keys(packets: list[Packet]) -> str:
    receiver = KeyReceiver()
    return "".join(key for key in map(receiver.receive, packets) if key)


def press(key: int, timestamp: int, *, length: int = 800, marker: bool = True) -> list[Packet]:
    """All packets of a press: one each 20 ms, and its end three times."""
    spoken = [
        heard(key, timestamp, duration, marker=marker and duration == 160) for duration in range(160, length, 160)
    ]
    return [*spoken, *[heard(key, timestamp, length, end=True)] * 3]


@pytest.mark.parametrize(("event_number", "key"), list(enumerate("0123456789*#")))
def test_every_key_has_its_event(event_number: int, key: str) -> None:
    assert keys(press(event_number, 0)) == key


def test_a_key_is_reported_by_its_first_packet() -> None:
    receiver = KeyReceiver()
    assert receiver.receive(heard(5, 0, 0)) == "5"


@pytest.mark.parametrize(
    ("what", "packets", "expected"),
    [
        ("end packets only", [heard(2, 0, 800, end=True)] * 3, "2"),
        ("one end packet only", [heard(2, 0, 800, end=True)], "2"),
        ("no marker at all", press(2, 0, marker=False), "2"),
        ("a marker on every packet", [heard(2, 0, 160, marker=True)] * 5, "2"),
        ("the same key twice", press(2, 0) + press(2, 2400), "22"),
        ("the same key twice, all ends lost", press(2, 0)[:4] + press(2, 2400)[:4], "22"),
        ("end before beginning", press(2, 0)[::-1], "2"),
        ("the last of one after the first of the next", [*press(1, 0)[:5], *press(2, 3200), press(1, 0)[6]], "12"),
        ("timestamps around zero", press(7, 2**32 - 100) + press(7, 1500), "77"),
        ("letters and hook flash", press(12, 0) + press(15, 2400) + press(16, 4800), ""),
    ],
)  # fmt: skip
def test_what_networks_do(what: str, packets: list[Packet], expected: str) -> None:
    assert keys(packets) == expected, what


def long_press(key: int, *, segments: int, lost: int = 0) -> list[Packet]:
    """A press of several times 8.19 s in segments; of each segment the last ``lost`` packets are missing."""
    packets = []
    for segment in range(segments):
        start = segment * 0xFFFF
        spoken = [heard(key, start, duration) for duration in [*range(160, 0xFFFF, 160), 0xFFFF]]
        packets += spoken[: len(spoken) - lost]
    return [*packets, *[heard(key, (segments - 1) * 0xFFFF, 0xFFFF, end=True)] * 3]


@pytest.mark.parametrize("lost", [0, 1, 8])
def test_a_key_held_for_longer_than_a_duration_counts_is_one_press(lost: int) -> None:
    assert keys(long_press(3, segments=3, lost=lost)) == "3"


def test_a_key_held_long_whose_duration_wraps_is_one_press() -> None:
    assert keys([heard(3, 0, duration % 0x10000) for duration in range(160, 200_000, 160)]) == "3"


def test_the_same_key_after_a_long_one_is_another_press() -> None:
    held = [heard(3, 0, duration) for duration in range(160, 0xF000, 160)]
    assert keys([*held, heard(3, 0, 0xF000, end=True), *press(3, 0xFFFF)]) == "33"
    assert keys([*held, *press(3, 0xFFFF)]) == "33", "its first packet has the marker"


def test_an_event_cut_short_is_no_key() -> None:
    assert KeyReceiver().receive(Packet(DTMF, True, 0, 7, b"\x02\x0a")) is None


@given(
    st.lists(st.integers(0, 11), max_size=12),
    st.randoms(use_true_random=False),
    st.integers(0, 2**32 - 1),
)
def test_loss_repeats_and_reordering_within_a_press_change_nothing(numbers: list[int], random, start: int) -> None:  # type: ignore[no-untyped-def]  # fmt: skip
    packets = []
    for place, number in enumerate(numbers):
        pressed = press(number, (start + 2400 * place) % 2**32)
        survivors = [one for one in pressed if random.random() > 0.6] or [random.choice(pressed)]
        survivors += random.choices(survivors, k=2)
        random.shuffle(survivors)
        packets += survivors
    assert keys(packets) == "".join(KEYS[number] for number in numbers)


@given(st.permutations(range(14)))
def test_two_presses_in_any_order_of_packets_are_two_keys(order: list[int]) -> None:
    packets = press(1, 0) + press(2, 2400)
    assert sorted(keys([packets[place] for place in order])) == ["1", "2"]
