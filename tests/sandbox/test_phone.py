"""The sandbox's phone against SIPp, a callee's side that is not ours."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.sandbox.far_end import far_end

from louhua.bus.events import Reason
from louhua.ivr.prompts import PROMPTS
from louhua.sandbox.listening import Library
from louhua.sandbox.phone import After, CallReport, HangUp, Phone, PhoneError, Press, Say, Speak, Step, Wait
from louhua.sandbox.platform import free_port

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


IS_CANCELLED = """
  <recv request="CANCEL"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
  <send retrans="500"><![CDATA[
SIP/2.0 487 Request Terminated
[last_Via:]
[last_From:]
[last_To:];tag=[pid]
[last_Call-ID:]
CSeq: 1 INVITE
Content-Length: 0

]]></send>
  <recv request="ACK"/>
"""

NOTHING = Library({})


class Exchange:
    """SIPp playing one scenario, echoing the RTP it hears."""

    def __init__(self, directory: Path, *steps: str, calls: int = 1) -> None:
        self.port = free_port(socket.SOCK_DGRAM)
        scenario = directory / "uas.xml"
        scenario.write_text(f'<?xml version="1.0"?><scenario name="x">{"".join(steps)}</scenario>')
        self.process = subprocess.Popen(
            ["sipp", "-sf", str(scenario), "-i", "127.0.0.1", "-p", str(self.port), "-m", str(calls), "-nostdin",
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
        """SIPp's verdict: 0 when every call went by the scenario."""
        _, said = self.process.communicate(timeout=25)
        assert self.process.returncode in (0, 1), said
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


Start = Callable[..., Exchange]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Start]:
    """Start SIPp with the steps of a scenario."""
    started: list[Exchange] = []

    def start(*steps: str, calls: int = 1) -> Exchange:
        started.append(Exchange(tmp_path, *steps, calls=calls))
        return started[-1]

    yield start
    for each in started:
        each.close()


def call(exchange: Exchange, *script: Step, number: str = "13900139000", library: Library = NOTHING) -> CallReport:
    phone = Phone(number, ("127.0.0.1", exchange.port), library)
    return asyncio.run(phone.call("13800138000", script, answer_limit_s=5))


def test_the_phone_hangs_up(exchange: Start) -> None:
    sipp = exchange(ANSWER.format(status="200 OK"), IS_HUNG_UP)
    report = call(sipp, Press("12#"), HangUp())
    assert (report.status, report.ended_by, report.pressed) == (200, "phone", "12#")
    assert sipp.finish() == 0


def test_the_other_side_hangs_up(exchange: Start) -> None:
    sipp = exchange(ANSWER.format(status="200 OK"), HANGS_UP)
    report = call(sipp, Wait(60))
    assert (report.status, report.ended_by) == (200, "platform")
    assert report.seconds < 10
    assert sipp.finish() == 0


def test_a_refused_call_is_acknowledged(exchange: Start) -> None:
    sipp = exchange(ANSWER.format(status="486 Busy Here"))
    report = call(sipp, Press("1"))
    assert (report.status, report.ended_by, report.pressed) == (486, "platform", "")
    assert sipp.finish() == 0


def test_early_media_is_heard_and_cancelled(exchange: Start) -> None:
    sipp = exchange(
        ANSWER.format(status="183 Session Progress").partition('<recv request="ACK"/>')[0], IS_CANCELLED
    )
    report = call(sipp, Speak(0.1), Wait(0.1), HangUp())
    assert (report.status, report.ended_by) == (487, "phone")
    assert report.audio, "SIPp echoes what it hears"
    assert sipp.finish() == 0


def test_a_prompt_that_is_said_comes_back_and_is_known(exchange: Start) -> None:
    sipp = exchange(ANSWER.format(status="200 OK"), IS_HUNG_UP)
    name, prompt = "zh-hans/digit-1", (PROMPTS / "zh-hans/digit-1.al").read_bytes()
    report = call(sipp, Say(prompt), After("digit-1", limit_s=2), HangUp(), library=Library.load())
    assert [(heard.clip, heard.complete) for heard in report.heard] == [(name, True)]
    assert report.audio[: len(prompt)] == prompt
    assert report.seconds < 2
    assert sipp.finish() == 0


def test_twenty_calls_at_once(exchange: Start) -> None:
    sipp = exchange(ANSWER.format(status="200 OK"), IS_HUNG_UP, calls=20)
    phones = [Phone(f"139001390{number:02}", ("127.0.0.1", sipp.port), NOTHING) for number in range(20)]

    async def story() -> list[CallReport]:
        script = (Press("1"), HangUp())
        return await asyncio.gather(*(phone.call("13800138000", script) for phone in phones))

    reports = asyncio.run(story())
    assert [(report.status, report.ended_by, report.pressed) for report in reports] == [(200, "phone", "1")] * 20
    assert [report.caller for report in reports] == [f"86139001390{number:02}" for number in range(20)]
    assert sipp.finish() == 0


def test_nobody_answers() -> None:
    phone = Phone("13900139000", ("127.0.0.1", free_port(socket.SOCK_DGRAM)), Library({}))
    with pytest.raises(PhoneError, match="is louhua running there"):
        asyncio.run(phone.call("13800138000", [After("x")], answer_limit_s=0.2))


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (Reason.UNREACHABLE, "unavailable"), (Reason.BUSY, "user-busy"), (Reason.NO_ANSWER, "no-answer"),
        (Reason.UNCONDITIONAL, "unconditional"), (Reason.DEFLECTION, "deflection"), (Reason.UNKNOWN, "unknown"),
    ],
)  # fmt: skip
def test_the_exchange_says_why_it_forwards(reason: Reason, word: str) -> None:
    async def story() -> None:
        async with far_end() as far:
            phone = Phone("13900139000", far.address, NOTHING)
            call = asyncio.create_task(phone.call("13800138000", [HangUp()], reason=reason))
            invite = await far.connect()
            await far.is_hung_up()
            await call
            assert invite.header("Diversion") == f"<sip:+8613800138000@127.0.0.1>;reason={word};counter=1"

    asyncio.run(story())
