"""Reading RTP packets, whole, odd and broken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.calls.media.phone import packet

from louhua.calls.media.rtp import Packet, parse


def test_a_plain_packet() -> None:
    assert parse(packet(8, b"abc", sequence=5, timestamp=2**32 - 1, ssrc=9, marker=True)) == Packet(
        8, True, 2**32 - 1, 9, b"abc"
    )


PLAIN = packet(8, b"")[1:]


@pytest.mark.parametrize(
    ("what", "datagram", "payload"),
    [
        ("contributing sources", b"\x82" + PLAIN + bytes(8) + b"voice", b"voice"),
        ("a header extension", b"\x90" + PLAIN + b"\xbe\xde\x00\x01" + bytes(4) + b"voice", b"voice"),
        ("padding", b"\xa0" + PLAIN + b"voice\x00\x00\x03", b"voice"),
        ("no payload", b"\x80" + PLAIN, b""),
    ],
)
def test_what_a_header_may_have(what: str, datagram: bytes, payload: bytes) -> None:
    parsed = parse(datagram)
    assert parsed is not None, what
    assert parsed.payload == payload


@pytest.mark.parametrize(
    ("what", "datagram"),
    [
        ("nothing", b""),
        ("half a header", b"\x80" + PLAIN[:-1]),
        ("version 1", b"\x40" + PLAIN),
        ("a STUN request", b"\x00\x01\x00\x08\x21\x12\xa4\x42" + bytes(12)),
        ("missing sources", b"\x8f" + PLAIN),
        ("an extension longer than the packet", b"\x90" + PLAIN + b"\xbe\xde\x00\x09"),
        ("an extension cut short", b"\x90" + PLAIN + b"\xbe"),
        ("more padding than payload", b"\xa0" + PLAIN + b"\x09"),
    ],
)
def test_what_is_no_packet(what: str, datagram: bytes) -> None:
    assert parse(datagram) is None, what


@given(st.binary(max_size=64))
def test_no_datagram_is_too_odd_to_be_read(datagram: bytes) -> None:
    parsed = parse(b"\xb0" + datagram)
    assert parsed is None or len(parsed.payload) <= len(datagram)
