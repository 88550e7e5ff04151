"""The conversation as tshark, which is not ours, reads it off the wire."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvloop
from tests.charging.diameter.conversation import PATIENCE_S, PAYER, ask, charging, network, until_routed, used

from louhua.charging.credit import Settled, Verdict

FIELDS = (
    "diameter.flags.request", "diameter.flags.T", "diameter.Session-Id", "diameter.CC-Request-Type",
    "diameter.CC-Request-Number", "diameter.Result-Code", "diameter.Value-Digits", "diameter.Exponent",
    "diameter.Currency-Code", "diameter.Termination-Cause", "diameter.Requested-Action",
)  # fmt: skip
WIRE, RENT = "louhua.example;louhua;wire", "louhua.example;louhua;rent"
SUCCESS = "2001"


@contextmanager
def captured(file: Path, port: int) -> Iterator[None]:
    """Everything from and to a port on loopback is written to ``file``, from the first packet to the DPR."""
    process = subprocess.Popen(
        ["tshark", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", file, "-a", "duration:60"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _until(lambda: _is_open(file, port) or process.poll() is not None)
        if process.poll() is not None:
            assert process.stderr is not None
            said = process.stderr.read()
            if "permission" in said.lower() or "not permitted" in said.lower():
                pytest.skip(f"capturing on loopback is not permitted here: {said.strip()}")
            pytest.fail(f"tshark does not capture: {said}")
        yield
        _until(lambda: messages(file, port, "diameter.cmd.code == 282", ["frame.number"]))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def _is_open(file: Path, port: int) -> bool:
    """Whether the capture has begun: what is connected now stands in it."""
    socket.create_connection(("127.0.0.1", port), 1).close()
    return file.exists() and bool(messages(file, port, "tcp.flags.syn == 1", ["frame.number"]))


def _until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "tshark did not capture what went over the wire"
        time.sleep(0.1)


def messages(file: Path, port: int, which: str, fields: Sequence[str]) -> list[dict[str, str]]:
    """The fields of each packet with a message, as tshark decodes them."""
    done = subprocess.run(
        ["tshark", "-r", file, "-d", f"tcp.port=={port},diameter", "-Y", which, "-T", "fields",
         *(part for field in fields for part in ("-e", field))],
        check=False, capture_output=True, text=True, timeout=60,  # the file may end in the middle of a packet
    )  # fmt: skip
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in done.stdout.splitlines()]


def test_the_conversation_on_the_wire(tmp_path: Path) -> None:
    with network(tmp_path) as net:
        port = net.relay.port

        async def talk() -> None:
            async with charging(net.config) as adapter:
                await until_routed(adapter)
                assert await adapter.reserve([ask("wire", 250)]) == [Verdict.GRANTED]
                assert await adapter.settle([used("wire", 150, again=True)]) == [Settled.DONE]
                assert await adapter.debit([ask("rent", 500)]) == [Verdict.GRANTED]

        file = tmp_path / "conversation.pcapng"
        with captured(file, port):
            uvloop.run(talk())
    found = messages(file, port, "diameter.cmd.code == 272", FIELDS)
    assert [tuple(each.values()) for each in found if each["diameter.Session-Id"] in {WIRE, RENT}] == [
        ("1", "0", WIRE, "1", "0", "", "250", "-3", "156", "", ""),
        ("0", "0", WIRE, "1", "0", f"{SUCCESS},{SUCCESS}", "250", "-3", "156", "", ""),
        ("1", "1", WIRE, "3", "1", "", "150", "-3", "156", "1", ""),
        ("0", "0", WIRE, "3", "1", SUCCESS, "", "", "", "", ""),
        ("1", "0", RENT, "4", "0", "", "500", "-3", "156", "", "0"),
        ("0", "0", RENT, "4", "0", f"{SUCCESS},{SUCCESS}", "500", "-3", "156", "", ""),
    ]
    who = ("diameter.applicationId", "diameter.Subscription-Id-Data", "diameter.Service-Context-Id")
    requests = messages(file, port, "diameter.cmd.code == 272 && diameter.flags.request == 1", who)
    assert {tuple(each.values()) for each in requests} == {("4", PAYER, "32274@3gpp.org")}
    capabilities = messages(file, port, "diameter.cmd.code == 257", ["diameter.Result-Code"])
    assert [each["diameter.Result-Code"] for each in capabilities] == ["", SUCCESS]
    assert not messages(file, port, "diameter && _ws.expert", ["_ws.expert.message"])
