"""The sandbox by hand: the commands a person types, against a running network."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from louhua.cli import app
from louhua.config import Config, load
from louhua.processes import StartError
from louhua.sandbox.network import Network, script_of
from louhua.sandbox.phone import After, HangUp, Press, Speak, Wait
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


@pytest.mark.parametrize("state", ["on", "off", "busy", "no-answer"])
@pytest.mark.usefixtures("network")
def test_every_state_has_a_command(config_path: Path, state: str) -> None:
    assert phone(config_path, "13800138000", state).output == f"13800138000 is {state}\n"


def test_a_network_that_does_not_run_is_explained(config_path: Path) -> None:
    done = phone(config_path, "13800138000", "on")
    assert done.exit_code == 1
    assert "louhua sandbox run" in done.output


def test_the_door_is_the_owners_only(network: Config) -> None:
    from louhua.sandbox.network import door

    assert door(network).stat().st_mode & 0o077 == 0


def test_two_networks_on_one_port_are_explained(network: Config) -> None:
    with pytest.raises(StartError, match="is another sandbox running"):
        asyncio.run(Network(network).start())


def test_a_configuration_without_smsc_is_explained() -> None:
    with pytest.raises(StartError, match="add one"):
        Network(Config())


def test_a_command_line_becomes_a_script() -> None:
    assert script_of({"press": ["3 0108888#"], "after": "menu-other"}) == [
        After("menu-other", limit_s=25), Press("3"), After("number-enter"), Press("0108888#"),
    ]  # fmt: skip
    assert script_of({"hang_up_after": 2.0}) == [Wait(2.0), HangUp()]
    assert Speak(3.0) in script_of({"press": ["1"], "speak": 3})


def test_a_length_of_time_is_checked(config_path: Path) -> None:
    done = phone(config_path, "139", "call", "138", "--hang-up-after", "soon")
    assert done.exit_code == 1
    assert "write it like 30s" in done.output
