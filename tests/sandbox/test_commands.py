"""The sandbox by hand: the commands a person types, against a running network."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from louhua.cli import app
from louhua.config import Config, load, split_address
from louhua.sandbox.network import Network
from louhua.sandbox.platform import free_port, settings, to_toml


@pytest.fixture
def config_path(tmp_path: Path) -> Path:
    path = tmp_path / "louhua.toml"
    path.write_text(to_toml(settings(free_port(socket.SOCK_STREAM), {"node": {"data": str(tmp_path)}})))
    return path


@pytest.fixture
def network(config_path: Path) -> Iterator[Config]:
    """A running sandbox network, in a thread with a loop of its own."""
    config = load(config_path)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = Network(config)
    asyncio.run_coroutine_threadsafe(running.start(), loop).result(10)
    yield config
    asyncio.run_coroutine_threadsafe(running.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def phone(config_path: Path, *words: str) -> Result:
    runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})
    number, *action = words
    return runner.invoke(app, ["sandbox", "phone", "--config", str(config_path), number, *action])


@pytest.mark.usefixtures("network")
def test_a_phone_is_switched_and_texts(config_path: Path) -> None:
    assert phone(config_path, "13800138000", "off").output == "13800138000 is off\n"
    refused = phone(config_path, "13800138000", "send", "D")
    assert refused.exit_code == 1
    assert "switch it on first" in refused.output
    assert phone(config_path, "13800138000", "on").exit_code == 0
    assert phone(config_path, "13800138000", "send", "D").output == "sent to 06001\n"
    assert phone(config_path, "13800138000", "inbox").output == "no texts\n"


@pytest.mark.parametrize(
    ("state", "said"),
    [("on", "is on"), ("off", "is off"), ("busy", "is busy"), ("no-answer", "does not answer")],
)
@pytest.mark.usefixtures("network")
def test_every_state_has_a_command(config_path: Path, state: str, said: str) -> None:
    assert phone(config_path, "13800138000", state).output == f"13800138000 {said}\n"


def test_a_network_that_does_not_run_is_explained(config_path: Path) -> None:
    done = phone(config_path, "13800138000", "on")
    assert done.exit_code == 1
    assert "louhua sandbox run" in done.output


def test_a_length_of_time_is_checked(config_path: Path) -> None:
    done = phone(config_path, "139", "call", "138", "--hang-up-after", "soon")
    assert done.exit_code == 1
    assert "write it like 30s" in done.output


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--speak", "-3", "a tone lasts up to"),
        ("--speak", "no-such.wav", "No such file"),
        ("--save", "/no-such-directory/heard.wav", "is not a directory"),
    ],
)
def test_what_cannot_be_said_or_saved_is_refused_before_the_call(
    config_path: Path, option: str, value: str, said: str
) -> None:
    done = phone(config_path, "139", "call", "138", option, value)
    assert done.exit_code == 1
    assert said in done.output


@pytest.mark.parametrize(("status", "code"), [("486 Busy Here", 1), ("200 OK", 0)])
def test_a_refused_call_ends_with_status_1(config_path: Path, network: Config, status: str, code: int) -> None:
    """The platform's place is taken by who answers every INVITE alike."""
    host, port = split_address(network.sip.listen)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as platform:
        platform.bind((host, port))
        answering = threading.Thread(target=_answer, args=(platform, status), daemon=True)
        answering.start()
        done = phone(config_path, "13900139000", "call", "13800138000", "--hang-up-after", "200ms")
    assert done.exit_code == code, done.output
    assert f"({status.split()[0]})" in done.output


def _answer(platform: socket.socket, status: str) -> None:
    sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8\r\n"
    with contextlib.suppress(OSError):
        while True:
            request, peer = platform.recvfrom(4096)
            method, *lines = request.decode().split("\r\n")
            if method.startswith("ACK"):
                continue
            kept = [line for line in lines if line.startswith(("Via:", "From:", "To:", "Call-ID:", "CSeq:"))]
            said = status if method.startswith("INVITE") else "200 OK"
            body = sdp if said == "200 OK" and method.startswith("INVITE") else ""
            kept = [f"{line};tag=p" if line.startswith("To:") and ";tag=" not in line else line for line in kept]
            answer = [
                f"SIP/2.0 {said}",
                *kept,
                "Contact: <sip:127.0.0.1>",
            ]
            answer += ["Content-Type: application/sdp"] if body else []
            answer += [f"Content-Length: {len(body)}", "", body]
            platform.sendto("\r\n".join(answer).encode(), peer)
