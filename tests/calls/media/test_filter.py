"""The kernel's filter, on real sockets."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.calls.media.phone import packet

from louhua.calls.media import filter as packet_filter

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with ExitStack() as stack:
        here, there = (stack.enter_context(socket.socket(family, socket.SOCK_DGRAM)) for _ in range(2))
        try:
            here.bind((request.param, 0))
        except OSError:
            pytest.skip("no IPv6 here")
        here.setblocking(False)
        there.connect(here.getsockname())
        yield here, there


def received(sock: socket.socket) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(sock.recv(2048))
        except BlockingIOError:
            return found


ALL = [packet(kind, bytes(160), marker=marker) for kind in (0, 8, 13, 96, 101) for marker in (False, True)]


@pytest.mark.parametrize("wanted", [(), (101,), (0, 8, 101), (0,), tuple(range(128))])
def test_only_wanted_payload_types_pass(pair: Pair, wanted: tuple[int, ...]) -> None:
    here, there = pair
    packet_filter.attach(here, packet_filter.program(wanted))
    for datagram in ALL:
        there.send(datagram)
    passed = [datagram for datagram in ALL if datagram[1] & 0x7F in wanted]
    assert received(here) == passed
    assert packet_filter.dropped(here) == len(ALL) - len(passed)


def test_what_is_not_rtp_does_not_pass(pair: Pair) -> None:
    here, there = pair
    packet_filter.attach(here, packet_filter.program((101,)))
    for datagram in (b"", b"\x80", b"\x00\x65" + bytes(20), b"\xc0\x65" + bytes(20)):
        there.send(datagram)
    assert received(here) == []


def test_a_filter_takes_the_place_of_the_one_before(pair: Pair) -> None:
    here, there = pair
    packet_filter.attach(here, packet_filter.program(()))
    packet_filter.attach(here, packet_filter.program((8,)))
    there.send(packet(8, b"voice"))
    assert received(here) == [packet(8, b"voice")]
