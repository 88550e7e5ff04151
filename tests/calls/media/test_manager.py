"""Processes that are full, killed, stopped or told nonsense."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.calls.media.phone import ADDRESS, DTMF, LIMIT_S, PCMA, Media, Phone, free_ports, packet

from louhua.calls.media.control import (
    MAX_DATAGRAM,
    Close,
    Closed,
    Digit,
    Lost,
    Open,
    Opened,
    Play,
    Played,
    Record,
    Refused,
    Report,
    Update,
    decode_reports,
    encode,
)
from louhua.calls.media.manager import divide

StartMedia = Callable[..., Media]


@pytest.fixture
def start_media(prompts: Path) -> Iterator[StartMedia]:
    started: list[Media] = []

    def start(ports: int, *, processes: int = 1) -> Media:
        started.append(Media(prompts, ports=free_ports(ports), processes=processes))
        return started[-1]

    yield start
    for media in started:
        media.manager.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(
    ("ports", "parts", "expected"),
    [
        ((20000, 29999), 1, [(20000, 29999)]),
        ((20000, 29999), 2, [(20000, 24999), (25000, 29999)]),
        ((20001, 20010), 2, [(20002, 20005), (20006, 20010)]),
        ((20000, 20007), 3, [(20000, 20001), (20002, 20003), (20004, 20007)]),
    ],
)
def test_ports_are_divided(ports: tuple[int, int], parts: int, expected: list[tuple[int, int]]) -> None:
    assert divide(ports, parts) == expected


def test_sessions_go_to_the_process_with_the_fewest(start_media: StartMedia, phone: Phone) -> None:
    media = start_media(40, processes=2)
    middle = min(media.open(phone)[1] for _ in range(2)) + 20
    ports = [media.open(phone)[1] for _ in range(8)]
    assert sum(port < middle for port in ports) == 4
    assert media.manager.sessions == 10


def test_ports_are_even_and_differ_and_when_none_is_left_a_session_is_refused(
    start_media: StartMedia, phone: Phone
) -> None:
    media = start_media(10)
    sessions = [media.open(phone) for _ in range(5)]
    ports = {port for _, port in sessions}
    assert len(ports) == 5
    assert all(port % 2 == 0 for port in ports)
    extra = media.session()
    media.send(Open(extra, phone.address, PCMA, DTMF, False))
    assert media.next(extra, Refused).why == "no RTP port is free"
    media.send(Play(extra, 1, ("en/hello",), True))
    media.next(extra, Refused)
    media.send(Close(extra))
    assert media.next(extra, Closed) == Closed(extra, 0, 0, 0)
    media.send(Close(sessions[0][0]))
    media.next(sessions[0][0], Closed)
    assert media.open(phone)[1] == sessions[0][1]


def test_a_port_that_somebody_else_holds_is_passed_over(start_media: StartMedia, phone: Phone) -> None:
    media = start_media(6)
    _first, port = media.open(phone)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((ADDRESS, port + 2))
        assert media.open(phone)[1] == port + 4
    assert media.open(phone)[1] == port + 2


def test_a_port_used_again_does_not_hear_what_its_last_peer_still_sends(
    start_media: StartMedia, phone: Phone, stranger: Phone
) -> None:
    media = start_media(2)
    first, port = media.open(phone)
    media.send(Close(first))
    assert media.next(first, Closed).received == 0
    phone.press(port, 1)
    second, again = media.open(stranger)
    assert again == port
    phone.press(port, 2, timestamp=16000)
    stranger.press(port, 3)
    assert media.next(second, Digit).key == "3"
    media.send(Play(second, 1, ("en/goodbye",), True))
    stranger.hear()
    assert phone.hears_nothing(0.03)


def test_a_number_that_is_open_is_not_opened_again(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone)
    media.send(Open(session, phone.address, PCMA, DTMF, False))
    media.next(session, Refused)
    media.send(Play(session, 1, ("en/goodbye",), True))
    phone.hear_frames(5)
    media.next(session, Played)


@pytest.mark.parametrize("remote", [("media.example.net", 4000), ("::1", 4000), ("255.255.255.255", 4000)])
def test_an_address_to_which_nothing_can_be_sent_is_refused(
    media: Media, phone: Phone, remote: tuple[str, int]
) -> None:
    session = media.session()
    media.send(Open(session, remote, PCMA, DTMF, False))
    media.next(session, Refused)
    good, _ = media.open(phone)
    media.send(Update(good, remote, PCMA, DTMF, True))
    media.next(good, Refused)
    media.send(Update(good, phone.address, PCMA, DTMF, True), Play(good, 1, ("en/goodbye",), True))
    phone.hear_frames(5)


@pytest.mark.parametrize("remote", [("0.0.0.0", 4000), ("127.0.0.1", 0)])
def test_an_address_that_means_hold_is_waited_out(media: Media, phone: Phone, remote: tuple[str, int]) -> None:
    session = media.session()
    media.send(Open(session, remote, PCMA, DTMF, False), Play(session, 1, ("en/goodbye",), True))
    media.next(session, Opened)
    media.send(Update(session, phone.address, PCMA, DTMF, True))
    phone.hear_frames(5)
    media.next(session, Played)


def test_a_killed_process_loses_its_sessions_and_is_started_again(
    start_media: StartMedia, phone: Phone, tmp_path: Path
) -> None:
    media = start_media(40, processes=2)
    opened = [media.open(phone) for _ in range(4)]
    path = tmp_path / "message.al"
    speaking, port = opened[0]
    media.send(Record(speaking, str(path), 60_000, 0, ""), Play(speaking, 1, ("silence/20",), False))
    media.next(speaking, Played)
    phone.say(port, *[packet(PCMA, bytes([n]) * 160, timestamp=160 * n) for n in range(100)])
    until(lambda: path.exists() and path.stat().st_size >= 8000)
    victim = next(pid for pid in media.manager.pids if holds_port(pid, port))
    os.kill(victim, signal.SIGKILL)
    lost = [session for session, _ in opened if session % 2 == speaking % 2]
    for session in lost:
        assert media.next(session, Lost) == Lost(session)
    assert media.manager.sessions == 2
    assert path.read_bytes() == b"".join(bytes([n]) * 160 for n in range(100))[: path.stat().st_size]
    media.send(Play(speaking, 2, ("en/hello",), True), Close(speaking))
    until(lambda: len(media.manager.pids) == 2 and victim not in media.manager.pids)
    for _ in range(2):
        session, _ = media.open(phone)
        media.send(Play(session, 1, ("en/goodbye",), True))
        media.next(session, Played)
    assert media.silent(speaking)


def holds_port(pid: int, port: int) -> bool:
    """Whether a process has a UDP port."""
    inodes = {
        line.split()[9]
        for line in Path(f"/proc/{pid}/net/udp").read_text().splitlines()[1:]
        if line.split()[1].endswith(f":{port:04X}")
    }
    links = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    return any(f"socket:[{inode}]" in links for inode in inodes)


def test_while_no_process_runs_there_is_no_session(start_media: StartMedia) -> None:
    media = start_media(10)
    os.kill(media.manager.pids[0], signal.SIGKILL)
    until(lambda: media.manager.new_session() is None)
    until(lambda: media.manager.new_session() is not None)


def test_signals_to_the_whole_node_do_not_end_calls(media: Media, phone: Phone) -> None:
    session, _ = media.open(phone)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(media.manager.pids[0], number)
    media.send(Play(session, 1, ("en/goodbye",), True))
    phone.hear_frames(5)
    media.next(session, Played)


def test_stopping_completes_recordings(start_media: StartMedia, phone: Phone, tmp_path: Path) -> None:
    media = start_media(10)
    session, port = media.open(phone)
    path = tmp_path / "message.al"
    media.send(Record(session, str(path), 60_000, 0, ""), Play(session, 1, ("silence/20",), False))
    media.next(session, Played)
    spoken = b"".join(bytes([n]) * 160 for n in range(30))
    phone.say(port, *[packet(PCMA, spoken[160 * n :][:160], timestamp=160 * n) for n in range(30)])
    phone.press(port, 1)
    media.next(session, Digit)
    pid = media.manager.pids[0]
    media.manager.stop()
    assert is_gone(pid)
    assert path.read_bytes() == spoken


@pytest.fixture
def control(prompts: Path) -> Iterator[tuple[socket.socket, "subprocess.Popen[bytes]"]]:
    """A media process without a manager."""
    first, last = free_ports(10)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.settimeout(LIMIT_S)
        process = subprocess.Popen(
            [
                sys.executable, "-m", "louhua.calls.media", "--fd", str(theirs.fileno()), "--address", ADDRESS,
                "--ports", f"{first}-{last}", "--prompts", str(prompts),
            ],
            pass_fds=(theirs.fileno(),),
        )  # fmt: skip
        theirs.close()
        yield ours, process
        ours.close()
        process.kill()
        process.wait()


def reports(ours: socket.socket, count: int) -> list[Report]:
    found: list[Report] = []
    while len(found) < count:
        found += decode_reports(ours.recv(MAX_DATAGRAM))
    return found


def test_a_process_ends_when_its_control_socket_closes(
    control: tuple[socket.socket, "subprocess.Popen[bytes]"], phone: Phone
) -> None:
    ours, process = control
    ours.send(encode([Open(1, phone.address, PCMA, DTMF, False), Play(1, 1, ("silence/60000",), True)]))
    phone.hear()
    ours.close()
    assert process.wait(LIMIT_S) == 0


def test_reports_that_nobody_reads_wait(
    control: tuple[socket.socket, "subprocess.Popen[bytes]"], phone: Phone
) -> None:
    ours, _ = control
    ours.send(encode([Open(1, phone.address, PCMA, DTMF, False)]))
    assert isinstance(reports(ours, 1)[0], Opened)
    total = 0
    for _ in range(400):
        ours.send(encode([Play(1, total + n, ("en/nothing-yet",), True) for n in range(20)]))
        total += 20
    found = reports(ours, total)
    assert [report.play for report in found if isinstance(report, Played)] == list(range(total))
