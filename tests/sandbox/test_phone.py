"""The sandbox's phone against SIPp, a callee's side that is not ours."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from louhua.bus.events import Reason
from louhua.sandbox.listening import Library
from louhua.sandbox.phone import After, CallReport, HangUp, Phone, PhoneError, Press, Speak, Step, Wait
from louhua.sandbox.platform import free_port
from louhua.sandbox.sip import parse

ANSWER = """
  <recv request="INVITE" crlf="true"/>
  <send><![CDATA[
SIP/2.0 100 Trying
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <send retrans="500"><![CDATA[
SIP/2.0 {status}
[last_Via:]
[last_From:]
[last_To:];tag=[pid]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=x 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:101 telephone-event/8000
]]></send>
  <recv request="ACK"/>
"""

HANGS_UP = """
  <pause milliseconds="300"/>
  <send retrans="500"><![CDATA[
BYE sip:x@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
From: <sip:06001@[local_ip]>;tag=[pid]
To: <sip:x@[remote_ip]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="200"/>
"""

IS_HUNG_UP = """
  <recv request="BYE"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
"""


class Exchange:
    """SIPp playing one scenario."""

    def __init__(self, directory: Path, *steps: str) -> None:
        self.port = free_port(socket.SOCK_DGRAM)
        scenario = directory / "uas.xml"
        scenario.write_text(f'<?xml version="1.0"?><scenario name="x">{"".join(steps)}</scenario>')
        self.process = subprocess.Popen(
            ["sipp", "-sf", str(scenario), "-i", "127.0.0.1", "-p", str(self.port), "-m", "1", "-nostdin",
             "-timeout", "20s", "-rtp_echo", "-mp", str(free_port(socket.SOCK_DGRAM) // 2 * 2)],
            cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._await_socket()

    def _await_socket(self) -> None:
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            listening = Path("/proc/net/udp").read_text()
            if f"0100007F:{self.port:04X}" in listening:
                return
            time.sleep(0.01)
        raise AssertionError("SIPp does not listen")

    def finish(self) -> int:
        _, said = self.process.communicate(timeout=25)
        assert self.process.returncode in (0, 1), said
        return self.process.returncode


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[list[Exchange]]:
    started: list[Exchange] = []
    yield started
    for exchange in started:
        if exchange.process.poll() is None:
            exchange.process.kill()
        exchange.process.communicate()


def call(exchange: Exchange, *script: Step, number: str = "13900139000") -> CallReport:
    phone = Phone(number, ("127.0.0.1", exchange.port), Library({}))
    return asyncio.run(phone.call("13800138000", script, answer_limit_s=5))


def test_the_phone_hangs_up(answering: list[Exchange], tmp_path: Path) -> None:
    answering.append(Exchange(tmp_path, ANSWER.format(status="200 OK"), IS_HUNG_UP))
    report = call(answering[0], Press("12#"), HangUp())
    assert (report.status, report.ended_by, report.pressed) == (200, "phone", "12#")
    assert answering[0].finish() == 0


def test_the_other_side_hangs_up(answering: list[Exchange], tmp_path: Path) -> None:
    answering.append(Exchange(tmp_path, ANSWER.format(status="200 OK"), HANGS_UP))
    report = call(answering[0], Wait(60))
    assert (report.status, report.ended_by) == (200, "platform")
    assert report.seconds < 10
    assert answering[0].finish() == 0


def test_a_refused_call_is_acknowledged(answering: list[Exchange], tmp_path: Path) -> None:
    answering.append(Exchange(tmp_path, ANSWER.format(status="486 Busy Here")))
    report = call(answering[0], Press("1"))
    assert (report.status, report.ended_by, report.pressed) == (486, "platform", "")
    assert answering[0].finish() == 0


def test_what_is_spoken_comes_back(answering: list[Exchange], tmp_path: Path) -> None:
    answering.append(Exchange(tmp_path, ANSWER.format(status="200 OK"), IS_HUNG_UP))
    report = call(answering[0], Speak(0.4), Wait(0.2), HangUp())
    assert len(report.audio) == 20 * 160, "SIPp echoes what it hears"
    assert answering[0].finish() == 0


def test_nobody_answers() -> None:
    phone = Phone("13900139000", ("127.0.0.1", free_port(socket.SOCK_DGRAM)), Library({}))
    with pytest.raises(PhoneError, match="is louhua running there"):
        asyncio.run(phone.call("13800138000", [After("x")], answer_limit_s=0.2))


@pytest.mark.parametrize(
    ("reason", "word"),
    [(Reason.UNREACHABLE, "unavailable"), (Reason.BUSY, "user-busy"), (Reason.NO_ANSWER, "no-answer")],
)
def test_the_exchange_says_why_it_forwards(reason: Reason, word: str) -> None:
    async def story() -> str:
        loop = asyncio.get_running_loop()
        received: asyncio.Future[bytes] = loop.create_future()

        class Listener(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, _addr: object) -> None:
                if not received.done():
                    received.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Listener, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        phone = Phone("", ("127.0.0.1", port), Library({}))
        with pytest.raises(PhoneError):
            await phone.call("13800138000", reason=reason, answer_limit_s=0.2)
        transport.close()
        message = parse(await received)
        assert message is not None
        assert message.header("Privacy") == "id"
        return message.header("Diversion")

    assert asyncio.run(story()).endswith(f"<sip:+8613800138000@127.0.0.1>;reason={word};counter=1")
