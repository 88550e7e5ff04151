"""Alphabets, cutting and putting together: tables from 3GPP TS 23.038 and 23.040, and round trips."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.texts.encoding import (
    GSM_7BIT,
    UCS2,
    UDH_INDICATOR,
    Concatenation,
    Reassembler,
    Segment,
    TextTooLong,
    concatenation,
    decode_gsm,
    decode_text,
    encode_gsm,
    is_gsm,
    segment,
    split_header,
)

GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà\f^{}\\[~]|€"
)
gsm_texts = st.text(st.sampled_from(GSM), max_size=700)
texts = st.one_of(gsm_texts, st.text(max_size=400), st.text(st.sampled_from("漏话提醒a€😀"), max_size=400))


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("", b""),
        ("@", b"\x00"),
        ("Az09", b"Az09"),
        ("$_", b"\x02\x11"),
        ("¤", b"\x24"),
        ("¡§¿à", b"\x40\x5f\x60\x7f"),
        ("ΔΞÉ", b"\x10\x1a\x1f"),
        ("€", b"\x1b\x65"),
        ("[^]", b"\x1b\x3c\x1b\x14\x1b\x3e"),
        ("\f|~\\{}", b"\x1b\x0a\x1b\x40\x1b\x3d\x1b\x2f\x1b\x28\x1b\x29"),
    ],
)
def test_gsm_alphabet(text: str, octets: bytes) -> None:
    assert encode_gsm(text) == octets
    assert decode_gsm(octets) == text


@pytest.mark.parametrize("text", ["漏", "ç", "`", "\x1b", "😀", "\t"])
def test_what_the_gsm_alphabet_lacks(text: str) -> None:
    assert not is_gsm(text)
    with pytest.raises(ValueError, match="GSM alphabet"):
        encode_gsm(text)


@pytest.mark.parametrize(
    ("octets", "text"),
    [(b"\x1bA", "A"), (b"\x1b\x1b\x65", " €"), (b"a\x1b", "a "), (b"\x80\xff", "��")],
)
def test_damaged_gsm_is_read_as_well_as_possible(octets: bytes, text: str) -> None:
    assert decode_gsm(octets) == text


@given(gsm_texts)
def test_gsm_round_trip(text: str) -> None:
    assert is_gsm(text)
    assert decode_gsm(encode_gsm(text)) == text


@pytest.mark.parametrize(
    ("data_coding", "payload", "text"),
    [
        (0x00, b"\x00\x1b\x65", "@€"),
        (0x01, b"a@\xff", "a@�"),
        (0x03, b"\xe9", "é"),
        (0x08, "漏话😀".encode("utf-16-be"), "漏话😀"),
        (0x08, b"\x6f", "�"),
        (0x10, b"\x00", "@"),
        (0x18, "话".encode("utf-16-be"), "话"),
        (0x14, b"\xe9", "é"),
        (0xF0, b"\x00", "@"),
        (0xF5, b"\xe9", "é"),
        (0xC8, b"\x00", "@"),
    ],
)
def test_data_codings(data_coding: int, payload: bytes, text: str) -> None:
    assert decode_text(data_coding, payload) == text


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("", [0]),
        ("a" * 160, [160]),
        ("a" * 161, [159, 14]),
        ("a" * 306, [159, 159]),
        ("a" * 307, [159, 159, 7]),
        ("€" * 80, [160]),
        ("€" * 81, [158, 16]),
        ("漏" * 70, [140]),
        ("漏" * 71, [140, 14]),
        ("漏" * 134, [140, 140]),
        ("😀" * 35, [140]),
        ("😀" * 36, [138, 18]),
    ],
)
def test_sizes_of_parts(text: str, sizes: list[int]) -> None:
    """Septets are unpacked; six octets of header stand before each part (9.2.3.24.1)."""
    assert [len(part.payload) for part in segment(text, 7)] == sizes


@pytest.mark.parametrize(
    ("length", "room", "units"),
    [
        (60, 10, [60]),
        (61, 10, [57, 4]),
        (124, 10, [67, 57]),
        (125, 10, [67, 57, 1]),
        (134, 10, [67, 57, 10]),
        (40, 60, [33, 7]),
    ],
)
def test_room_is_left_in_the_last_part(length: int, room: int, units: list[int]) -> None:
    parts = segment("漏" * length, 1, room=room)
    header = 6 if len(parts) > 1 else 0
    assert [(len(part.payload) - header) // 2 for part in parts] == units


def test_a_part_says_which_it_is() -> None:
    first, second = segment("漏" * 71, 0x1FE)
    assert first == Segment(UCS2, UDH_INDICATOR, bytes((5, 0, 3, 0xFE, 2, 1)) + "漏".encode("utf-16-be") * 67)
    assert second.payload[:6] == bytes((5, 0, 3, 0xFE, 2, 2))


def test_limits_are_errors() -> None:
    assert len(segment("a" * 153 * 255, 0)) == 255
    with pytest.raises(TextTooLong):
        segment("a" * (153 * 255 + 1), 0)
    with pytest.raises(ValueError, match="room"):
        segment("漏", 0, room=66)


@given(texts, st.integers(0, 255), st.integers(0, 65))
def test_cutting_keeps_every_rule(text: str, reference: int, room: int) -> None:
    parts = segment(text, reference, room=room)
    ucs2 = not is_gsm(text)
    width, alone, in_part = (2, 70, 67) if ucs2 else (1, 160, 153)
    assert {part.data_coding for part in parts} == {UCS2 if ucs2 else GSM_7BIT}
    if len(parts) == 1:
        assert len(parts[0].payload) <= (alone - room) * width
        assert parts[0].esm_class == 0
        assert decode_text(parts[0].data_coding, parts[0].payload) == text
        return
    bodies = [split_header(part.payload) for part in parts]
    assert [found for found, _ in bodies] == [
        Concatenation(reference, len(parts), number + 1) for number in range(len(parts))
    ]
    assert all(len(body) <= in_part * width for _, body in bodies)
    assert 0 < len(bodies[-1][1]) <= (in_part - room) * width
    # Each part reads alone: none begins or ends within a character.
    assert "".join(decode_text(parts[0].data_coding, body) for _, body in bodies) == text


@given(texts, st.integers(0, 2**16))
def test_parts_in_any_order_and_twice_make_the_text(text: str, seed: int) -> None:
    parts = segment(text, 3)
    shuffled = parts * 2
    random.Random(seed).shuffle(shuffled)
    reassembler = Reassembler()
    seen: set[int] = set()
    for part in shuffled:
        found, body = split_header(part.payload) if part.esm_class else (None, part.payload)
        if found is None:
            assert decode_text(part.data_coding, body) == text
            continue
        seen.add(found.number)
        whole = reassembler.add("a", "b", found, part.data_coding, body, 0.0)
        assert (whole is not None) == (len(seen) == len(parts))
        if whole is not None:
            assert whole == text
            return


@pytest.mark.parametrize(
    ("payload", "found", "body"),
    [
        (b"\x05\x00\x03\x09\x02\x01hi", Concatenation(9, 2, 1), b"hi"),
        (b"\x06\x08\x04\x01\x02\x03\x02hi", Concatenation(0x0102, 3, 2), b"hi"),
        (b"\x06\x05\x04\x0b\x84\x23\xf0hi", None, b"hi"),
        (b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x01\x02\x02hi", Concatenation(1, 2, 2), b"hi"),
        (b"\x05\x00\x03\x09\x02\x03hi", None, b"hi"),
        (b"\x05\x00\x03\x09\x00\x00hi", None, b"hi"),
        (b"\x05\x00\x03", None, b"\x05\x00\x03"),
        (b"\x01\x00hi", None, b"hi"),
        (b"", None, b""),
    ],
)
def test_user_data_headers(payload: bytes, found: Concatenation | None, body: bytes) -> None:
    assert split_header(payload) == (found, body)


@given(st.binary(max_size=40))
def test_any_payload_has_a_header_or_not(payload: bytes) -> None:
    _, body = split_header(payload)
    assert payload.endswith(body)


def test_a_surrogate_pair_split_by_another_sender_is_mended() -> None:
    octets = "话😀".encode("utf-16-be")
    reassembler = Reassembler()
    assert reassembler.add("a", "b", Concatenation(1, 2, 1), UCS2, octets[:4], 0.0) is None
    assert reassembler.add("a", "b", Concatenation(1, 2, 2), UCS2, octets[4:], 0.0) == "话😀"


def test_texts_of_different_people_do_not_mix() -> None:
    reassembler = Reassembler()
    assert reassembler.add("a", "x", Concatenation(1, 2, 1), GSM_7BIT, b"a1", 0.0) is None
    assert reassembler.add("b", "x", Concatenation(1, 2, 2), GSM_7BIT, b"b2", 0.0) is None
    assert reassembler.add("a", "x", Concatenation(1, 2, 2), GSM_7BIT, b"a2", 0.0) == "a1a2"


def test_incomplete_texts_are_given_up_and_bounded() -> None:
    reassembler = Reassembler(limit=2)
    for number, sender in enumerate("abc"):
        reassembler.add(sender, "x", Concatenation(1, 2, 2), GSM_7BIT, sender.encode(), float(number))
    assert reassembler.expire(2.0) == [("b", "x", "b")]
    assert reassembler.expire(2.5) == [("c", "x", "c")]


def test_sar_figures_make_a_concatenation_only_of_several_parts() -> None:
    assert concatenation(513, 2, 2) == Concatenation(513, 2, 2)
    assert concatenation(513, 1, 1) is None
