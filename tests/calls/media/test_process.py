"""A media process in a thread of the test's, where it can be given what does not happen."""

import socket
import threading
from collections.abc import Iterator

import pytest
from tests.calls.media.phone import ADDRESS, DTMF, LIMIT_S, PCMA, Phone, free_ports

from louhua.calls.media.control import (
    MAX_DATAGRAM,
    Close,
    Closed,
    Lost,
    Open,
    Opened,
    Play,
    Played,
    Refused,
    Report,
    decode_reports,
    encode,
)
from louhua.calls.media.lines import Lines
from louhua.calls.media.process import MediaProcess
from louhua.calls.media.prompts import Prompts, Run


class FaultyPrompts(Prompts):
    """Prompts of which one is a defect."""

    def run(self, clip: str) -> Run | None:
        if clip == "fault":
            raise ZeroDivisionError
        return super().run(clip)


@pytest.fixture
def control() -> Iterator[socket.socket]:
    """The call role's end of a process' control socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = MediaProcess(theirs, Lines(ADDRESS, *free_ports(4)), FaultyPrompts({"a": bytes(160)}))
    thread = threading.Thread(target=process.run)
    with ours, theirs:
        ours.settimeout(LIMIT_S)
        thread.start()
        yield ours
        ours.close()
        thread.join(LIMIT_S)
    assert not thread.is_alive()


def reports(control: socket.socket, count: int) -> list[Report]:
    found: list[Report] = []
    while len(found) < count:
        found += decode_reports(control.recv(MAX_DATAGRAM))
    return found


def test_a_fault_in_one_session_ends_that_session_alone(control: socket.socket, phone: Phone) -> None:
    control.send(encode([Open(number, phone.address, PCMA, DTMF, False) for number in (1, 2)]))
    assert [type(report) for report in reports(control, 2)] == [Opened, Opened]
    control.send(encode([Play(1, 1, ("fault",), True), Play(1, 2, ("a",), True), Play(2, 3, ("a",), True)]))
    assert reports(control, 3) == [Lost(1), Refused(1, "no such session"), Played(2, 3, False)]
    assert phone.hear().payload == bytes(160)


def test_the_port_of_a_lost_session_is_free_again(control: socket.socket, phone: Phone) -> None:
    for number in range(6):
        control.send(encode([Open(number, phone.address, PCMA, DTMF, False), Play(number, 1, ("fault",), True)]))
        assert [type(report) for report in reports(control, 2)] == [Opened, Lost]
    control.send(encode([Close(3)]))
    assert reports(control, 1) == [Closed(3, 0, 0, 0)]
