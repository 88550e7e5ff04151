"""A sandbox phone: places a call through an exchange that forwards it, listens, presses keys, speaks.

The exchange is part of the phone: it sends the INVITE that a network sends when the callee's phone is off, busy
or not answered, with the callee in Diversion (RFC 5806) and the caller in P-Asserted-Identity (RFC 3325).
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from louhua.bus.events import Reason
from louhua.numbers import canonical
from louhua.sandbox.listening import Ear, Heard, Library
from louhua.sandbox.sip import Dialog, Message, Transport, answer_to, tag
from louhua.sandbox.voice import EVENT_TYPE, Voice

_DIVERSION: Final = {
    Reason.UNREACHABLE: "unavailable",
    Reason.BUSY: "user-busy",
    Reason.NO_ANSWER: "no-answer",
    Reason.UNCONDITIONAL: "unconditional",
    Reason.DEFLECTION: "deflection",
    Reason.UNKNOWN: "unknown",
}


class Wait(msgspec.Struct, frozen=True):
    """Do nothing for ``seconds``."""

    seconds: float


class After(msgspec.Struct, frozen=True):
    """Wait until a prompt whose name ends so was heard to its end, at most ``limit_s`` seconds."""

    clip: str
    limit_s: float = 60.0


class Press(msgspec.Struct, frozen=True):
    """Press keys."""

    keys: str


class Speak(msgspec.Struct, frozen=True):
    """Make a sound for ``seconds``."""

    seconds: float


class HangUp(msgspec.Struct, frozen=True):
    """End the call."""


Step = Wait | After | Press | Speak | HangUp


class CallReport(msgspec.Struct, kw_only=True):
    """A finished call. ``status`` is the last answer to the INVITE; ``ended_by`` "platform", "phone" or ""."""

    caller: str
    callee: str
    reason: Reason
    status: int = 0
    ended_by: str = ""
    pressed: str = ""
    seconds: float = 0.0
    heard: list[Heard] = []
    audio: bytes = b""
    gaps_ms: list[float] = []


Watcher = Callable[[str, str], None]
"""Told of each thing as it happens: ("hears", clip), ("presses", key), ("answered", status), ("ended", by)."""


class PhoneError(Exception):
    """The call could not be placed; the message says why."""


class Phone:
    """A caller's phone. ``platform`` is Louhua's ``sip.listen``."""

    def __init__(self, number: str, platform: tuple[str, int], library: Library) -> None:
        self.number = canonical(number)
        self._platform = platform
        self._library = library

    async def call(
        self,
        callee: str,
        script: Sequence[Step] = (),
        *,
        reason: Reason = Reason.UNREACHABLE,
        watcher: Watcher = lambda _what, _detail: None,
        answer_limit_s: float = 20.0,
    ) -> CallReport:
        """Call somebody whose phone cannot take it, follow the script, and stay until the call is over."""
        report = CallReport(caller=self.number, callee=canonical(callee), reason=reason)
        live = _LiveCall(report, self._platform, Ear(self._library), watcher)
        await live.open()
        try:
            await live.place(answer_limit_s)
            if live.talking:
                await live.follow(script)
                await live.ended.wait()
        finally:
            await live.close()
        return report


class _LiveCall:
    """One call from INVITE to BYE."""

    def __init__(self, report: CallReport, platform: tuple[str, int], ear: Ear, watcher: Watcher) -> None:
        self._report = report
        self._platform = platform
        self._ear = ear
        self._watcher = watcher
        self._heard_so_far = 0
        self._hearing: str | None = None
        self._news = asyncio.Event()
        self._answered = asyncio.Event()
        self._branch = f"z9hG4bK{tag()}"
        self._started = time.monotonic()
        self._cseq = 1
        self.talking = False
        self.ended = asyncio.Event()

    async def open(self) -> None:
        """Open the sockets for SIP and RTP."""
        loop = asyncio.get_running_loop()
        host = self._platform[0] if self._platform[0].startswith("127.") else "0.0.0.0"
        _, self._sip = await loop.create_datagram_endpoint(
            lambda: Transport(self._platform, self._on_message), local_addr=(host, 0)
        )
        _, self._voice = await loop.create_datagram_endpoint(
            lambda: Voice(self._ear, self._on_frame), local_addr=(host, 0)
        )
        address, port = self._sip.local
        self._dialog = Dialog(
            target=f"sip:{self._platform[0]}:{self._platform[1]}",
            local_uri=f"sip:+{self._report.caller}@{address}",
            contact=f"sip:{self._report.caller or 'anonymous'}@{address}:{port}",
            remote=f"<sip:06001@{self._platform[0]}>",
            via=f"{address}:{port}",
            call_id=f"{tag()}@{address}",
            local_tag=tag(),
        )

    async def place(self, limit_s: float) -> None:
        """Send the forwarded INVITE and wait for the voice path; raises ``PhoneError`` when nobody answers."""
        self._sip.repeat("INVITE", self._invite(), slow=False)
        try:
            await asyncio.wait_for(self._answered.wait(), limit_s)
        except TimeoutError:
            host, port = self._platform
            raise PhoneError(f"nobody answers at {host}:{port}; is louhua running there?") from None

    async def follow(self, script: Sequence[Step]) -> None:
        """Do one step after the other; the call may end at any moment."""
        following = asyncio.create_task(self._follow(script))
        over = asyncio.create_task(self.ended.wait())
        await asyncio.wait({following, over}, return_when=asyncio.FIRST_COMPLETED)
        for task in (following, over):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _follow(self, script: Sequence[Step]) -> None:
        for step in script:
            match step:
                case Wait(seconds=seconds):
                    await asyncio.sleep(seconds)
                case After():
                    await self._after(step)
                case Press(keys=keys):
                    self._watcher("presses", keys)
                    for key in keys:
                        self._report.pressed += key
                        await self._voice.press(key)
                case Speak(seconds=seconds):
                    self._watcher("speaks", f"{seconds:g}")
                    await self._voice.speak(seconds)
                case HangUp():
                    self.hang_up()

    async def _after(self, step: After) -> None:
        passed = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(step.limit_s):
                while True:
                    for heard in self._ear.heard[passed:]:
                        if heard.complete and heard.clip.endswith(step.clip):
                            return
                    passed = len(self._ear.heard)
                    self._news.clear()
                    await self._news.wait()

    def hang_up(self) -> None:
        """End the call: BYE when it was connected, else CANCEL."""
        if self._report.status == 200:
            self._cseq += 1
            self._sip.repeat("BYE", self._dialog.request("BYE", f"z9hG4bK{tag()}", self._cseq), slow=True)
        else:
            cancel = self._dialog.request("CANCEL", self._branch, 1)
            self._sip.repeat("CANCEL", cancel, slow=True)
        self._end("phone")

    async def close(self) -> None:
        """Let a last BYE be answered, close the sockets, finish the report."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while self._sip.repeating & {"BYE", "CANCEL"}:
                    self._news.clear()
                    await self._news.wait()
        self._sip.close()
        self._voice.close()
        self._report.heard = self._ear.close()
        self._report.audio = bytes(self._voice.audio)
        self._report.gaps_ms = self._voice.gaps_ms
        self._report.seconds = time.monotonic() - self._started

    def _invite(self) -> Message:
        report, host = self._report, self._sip.local[0]
        identity = f"<tel:+{report.caller}>" if report.caller else '"Anonymous" <sip:anonymous@anonymous.invalid>'
        extra = (
            ("P-Asserted-Identity", identity),
            *((("Privacy", "id"),) if not report.caller else ()),
            ("Diversion", f"<sip:+{report.callee}@{host}>;reason={_DIVERSION[report.reason]};counter=1"),
            ("Allow", "INVITE, ACK, CANCEL, BYE, INFO, OPTIONS"),
        )
        return self._dialog.request("INVITE", self._branch, 1, self._sdp(), extra)

    def _sdp(self) -> str:
        host = self._sip.local[0]
        lines = (
            "v=0", f"o=phone 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0",
            f"m=audio {self._voice.port} RTP/AVP 8 {EVENT_TYPE}", "a=rtpmap:8 PCMA/8000",
            f"a=rtpmap:{EVENT_TYPE} telephone-event/8000", f"a=fmtp:{EVENT_TYPE} 0-15", "a=ptime:20",
        )  # fmt: skip
        return "\r\n".join(lines) + "\r\n"

    def _on_message(self, message: Message) -> None:
        if message.header("Call-ID") != self._dialog.call_id:
            return
        if message.status:
            self._on_response(message)
        else:
            self._on_request(message)
        self._news.set()

    def _on_response(self, response: Message) -> None:
        if response.method != "INVITE":
            self._sip.settle(response.method)
            return
        self._sip.settle("INVITE")
        status = response.status
        if status >= 200:
            self._acknowledge(response)
        if status in (180, 183, 200) and response.body:
            self._dialog.follow(response)
            self._talk(response)
        if status > 100:
            if status != self._report.status:
                self._watcher("answered", str(status))
            self._report.status = status
        if status >= 300:
            self._end("platform")
            self._answered.set()

    def _acknowledge(self, response: Message) -> None:
        """ACK: a request of its own after 2xx, else part of the transaction (RFC 3261, 13.2.2.4, 17.1.1.3)."""
        if response.status < 300:
            self._dialog.follow(response)
            self._sip.send(self._dialog.request("ACK", f"z9hG4bK{tag()}", 1))
        else:
            self._dialog.remote = response.header("To")
            self._sip.send(self._dialog.request("ACK", self._branch, 1))

    def _talk(self, response: Message) -> None:
        lines = response.body.splitlines()
        host = next((line.split()[-1] for line in lines if line.startswith("c=")), self._platform[0])
        port = next((int(line.split()[1]) for line in lines if line.startswith("m=audio")), 0)
        self._voice.send_to((host, port))
        self.talking = True
        self._answered.set()

    def _on_request(self, request: Message) -> None:
        match request.method:
            case "BYE":
                self._sip.send(answer_to(request, 200, "OK"))
                self._end("platform")
            case "OPTIONS" | "INFO":
                self._sip.send(answer_to(request, 200, "OK"))
            case "ACK":
                pass
            case _:
                self._sip.send(answer_to(request, 501, "Not Implemented"))

    def _on_frame(self) -> None:
        hearing = self._ear.hearing
        if hearing is not None and hearing != self._hearing:
            self._watcher("hears", hearing)
        if hearing is not None:
            self._hearing = hearing
        if len(self._ear.heard) != self._heard_so_far:
            self._heard_so_far = len(self._ear.heard)
            if hearing is None:
                self._hearing = None
            self._news.set()

    def _end(self, by: str) -> None:
        if not self.ended.is_set():
            self._report.ended_by = by
            self._watcher("ended", by)
            self.ended.set()
