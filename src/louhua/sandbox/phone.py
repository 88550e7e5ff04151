"""A sandbox phone: places a call through an exchange that forwards it, listens, presses keys, speaks.

The exchange is part of the phone: it sends the INVITE that a network sends when the callee's phone is off, busy
or not answered, with the callee in Diversion (RFC 5806) and the caller in P-Asserted-Identity (RFC 3325).
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Final, Self

import msgspec

from louhua.bus.events import Reason
from louhua.numbers import canonical, national
from louhua.sandbox.listening import Ear, Heard, Library, is_clip
from louhua.sandbox.sip import Dialog, Transport
from louhua.sandbox.uac import Uac
from louhua.sandbox.voice import EVENT_TYPE, KEYS, Voice
from louhua.sip import Headers, Message, tag

_DIVERSION: Final = {
    Reason.UNREACHABLE: "unavailable",
    Reason.BUSY: "user-busy",
    Reason.NO_ANSWER: "no-answer",
    Reason.UNCONDITIONAL: "unconditional",
    Reason.DEFLECTION: "deflection",
    Reason.UNKNOWN: "unknown",
}
_ANONYMOUS: Final = '"Anonymous" <sip:anonymous@anonymous.invalid>'
_GOODBYE_S: Final = 2.0
"""How long the last request of a call may wait for its answer."""

_MEDIA_HOST: Final = re.compile(r"^c=IN IP4 (\S+)", re.MULTILINE)
_MEDIA_PORT: Final = re.compile(r"^m=audio (\d+) ", re.MULTILINE)
_MEDIA_EVENTS: Final = re.compile(r"^a=rtpmap:(\d+) telephone-event/", re.MULTILINE)


class Wait(msgspec.Struct, frozen=True):
    """Do nothing for ``seconds``."""

    seconds: float


class Quiet(msgspec.Struct, frozen=True):
    """Wait until something was said and then nothing for ``seconds``; at most ``limit_s`` seconds.

    What was said before the last keys does not count. The menu itself is silent for two seconds before its beep.
    """

    seconds: float = 2.5
    limit_s: float = 60.0


class After(msgspec.Struct, frozen=True):
    """Wait until a prompt was heard to its end, at most ``limit_s`` seconds.

    ``clip`` is its name, with or without the language. What ended before the last keys, or was waited for by an
    earlier step, does not count.
    """

    clip: str
    limit_s: float = 60.0


class Press(msgspec.Struct, frozen=True):
    """Press keys (``0``-``9``, ``*``, ``#``); ``ValueError`` for others."""

    keys: str

    def __post_init__(self) -> None:
        if wrong := set(self.keys) - set(KEYS):
            raise ValueError(f"a phone has no key {min(wrong)!r}; its keys are {KEYS}")


class Speak(msgspec.Struct, frozen=True):
    """Make a sound for ``seconds``."""

    seconds: float


class Say(msgspec.Struct, frozen=True):
    """Say what was recorded: A-law at 8 kHz, as ``louhua.sandbox.audio.read_audio`` gives it."""

    audio: bytes


class HangUp(msgspec.Struct, frozen=True):
    """End the call."""


Step = Wait | Quiet | After | Press | Speak | Say | HangUp


class CallReport(msgspec.Struct, kw_only=True):
    """A finished call. ``status`` is the last answer to the INVITE, ``noticed`` whether anything answered it (100
    counts); ``ended_by`` is "platform" or "phone".

    ``audio`` is what was heard, A-law at 8 kHz, pauses included; ``gaps_ms`` are the times between its packets.
    """

    caller: str
    callee: str
    reason: Reason
    noticed: bool = False
    status: int = 0
    ended_by: str = ""
    pressed: str = ""
    seconds: float = 0.0
    heard: list[Heard] = []
    audio: bytes = b""
    gaps_ms: list[float] = []


Watcher = Callable[[str, str], None]
"""Told of each thing as it happens: ("answered", status), ("hears", clip), ("presses", keys), ("speaks",
seconds), ("misses", what was waited for in vain), ("ended", by)."""


class PhoneError(Exception):
    """The call could not be placed; the message says why."""


class Phone:
    """A caller's phone, for one call after the other or several at once.

    ``platform`` is Louhua's ``sip.listen``; ``service_number`` is what the exchange forwards to. Numbers are as
    dialled in ``country``; an empty ``number`` is a caller who withholds it. Leaving ``async with`` hangs up.
    """

    def __init__(
        self,
        number: str,
        platform: tuple[str, int],
        library: Library,
        *,
        country: str = "CN",
        service_number: str = "06001",
    ) -> None:
        self.number = canonical(number, country)
        self._platform = platform
        self._library = library
        self._country = country
        self._service_number = service_number
        self._live: set[_LiveCall] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.hang_up()
        for live in list(self._live):
            await live.closed.wait()

    def hang_up(self) -> None:
        """End every call of this phone."""
        for live in self._live:
            live.hang_up()

    async def call(
        self,
        callee: str,
        script: Sequence[Step] = (),
        *,
        reason: Reason = Reason.UNREACHABLE,
        watcher: Watcher = lambda _what, _detail: None,
        answer_limit_s: float = 20.0,
        limit_s: float = 900.0,
        call_id: str = "",
    ) -> CallReport:
        """Call somebody whose phone cannot take it, follow the script, and stay until the call is over.

        After ``limit_s`` seconds of voice the phone hangs up, and when the call is cancelled too. ``call_id`` is
        its Call-ID, made up where it is empty. Raises ``PhoneError`` when the platform says nothing for
        ``answer_limit_s`` seconds.
        """
        report = CallReport(caller=self.number, callee=canonical(callee, self._country), reason=reason)
        live = _LiveCall(report, Ear(self._library), watcher)
        self._live.add(live)
        try:
            await live.open(self._platform, self._service_number, call_id)
            await live.place(answer_limit_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await live.follow(script)
        finally:
            self._live.discard(live)
            await live.close()
        return report


class _LiveCall:
    """One call from INVITE to BYE: the script, and the listener of its signalling."""

    def __init__(self, report: CallReport, ear: Ear, watcher: Watcher) -> None:
        self._report = report
        self._ear = ear
        self._watcher = watcher
        self._hearing: str | None = None
        self._told = 0
        self._passed = 0
        self._pressed_at = 0.0
        self._peer = ""
        self._news = asyncio.Event()
        self._place_taken = asyncio.Event()
        self._ended = asyncio.Event()
        self._started = time.monotonic()
        self._sip: Transport | None = None
        self._voice: Voice | None = None
        self._uac: Uac | None = None
        self.closed = asyncio.Event()

    async def open(self, platform: tuple[str, int], service_number: str, call_id: str) -> None:
        """Open the sockets for SIP and RTP."""
        loop = asyncio.get_running_loop()
        _, self._sip = await loop.create_datagram_endpoint(lambda: Transport(self._receive), remote_addr=platform)
        host, port = self._sip.local
        _, self._voice = await loop.create_datagram_endpoint(
            lambda: Voice(self._ear, self._on_frame), local_addr=(host, 0)
        )
        self._peer = f"{platform[0]}:{platform[1]}"
        user = _user(self._report.caller)
        caller = f"<sip:{user}@{host}>" if user else _ANONYMOUS
        dialog = Dialog(
            target=f"sip:{service_number}@{self._peer}",
            local=f"{caller};tag={tag()}",
            remote=f"<sip:{service_number}@{platform[0]}>",
            contact=f"sip:{user or 'anonymous'}@{host}:{port}",
            via=f"{host}:{port}",
            call_id=call_id or f"{tag()}@{host}",
        )
        self._uac = Uac(self._sip, dialog, self)

    def _receive(self, message: Message) -> None:
        self._signalling.receive(message)

    @property
    def _signalling(self) -> Uac:
        assert self._uac is not None
        return self._uac

    @property
    def _media(self) -> Voice:
        assert self._voice is not None
        return self._voice

    async def place(self, limit_s: float) -> None:
        """Send the forwarded INVITE and wait for the voice path or a refusal.

        One that rings for too long is cancelled; raises ``PhoneError`` when nothing answers at all.
        """
        assert self._sip is not None
        host = self._sip.local[0]
        self._signalling.invite(_offer(host, self._media.port), _forwarding(self._report, host))
        try:
            async with asyncio.timeout(limit_s):
                await self._place_taken.wait()
        except TimeoutError:
            if not self._signalling.noticed:
                raise PhoneError(f"nobody answers at {self._peer}; is louhua running there?") from None
            self.hang_up()

    async def follow(self, script: Sequence[Step]) -> None:
        """Do one step after the other, then stay; the call may end at any moment."""
        following = asyncio.create_task(self._follow(script))
        following.add_done_callback(lambda _: self._news.set())
        try:
            while not self._ended.is_set():
                if following.done():
                    following.result()
                await self._next_news()
        finally:
            following.cancel()
            await asyncio.wait({following})

    async def _follow(self, script: Sequence[Step]) -> None:
        for step in script:
            match step:
                case Wait(seconds=seconds):
                    await asyncio.sleep(seconds)
                case Quiet():
                    await self._quiet(step)
                case After():
                    await self._after(step)
                case Press(keys=keys):
                    await self._press(keys)
                case Speak(seconds=seconds):
                    self._watcher("speaks", f"{seconds:g}")
                    await self._media.hum(seconds)
                case Say(audio=audio):
                    self._watcher("speaks", f"{len(audio) / 8000:g}")
                    await self._media.say(audio)
                case HangUp():
                    self.hang_up()

    async def _press(self, keys: str) -> None:
        self._watcher("presses", keys)
        self._passed, self._pressed_at = len(self._ear.heard), time.monotonic()
        for key in keys:
            self._report.pressed += key
            await self._media.press(key)

    async def _quiet(self, step: Quiet) -> None:
        deadline = time.monotonic() + step.limit_s
        while (now := time.monotonic()) < deadline:
            said_at = self._media.loud_at
            left = said_at + step.seconds - now if said_at > self._pressed_at else step.seconds
            if left <= 0:
                self._passed = len(self._ear.heard)
                return
            await asyncio.sleep(min(left, deadline - now))
        self._watcher("misses", "silence")

    async def _after(self, step: After) -> None:
        try:
            async with asyncio.timeout(step.limit_s):
                while True:
                    for heard in self._ear.heard[self._passed :]:
                        self._passed += 1
                        if heard.complete and is_clip(heard.clip, step.clip):
                            return
                    await self._next_news()
        except TimeoutError:
            self._watcher("misses", step.clip)

    async def _next_news(self) -> None:
        """Wait until a message came, a prompt ended, or the script did."""
        news = self._news
        await news.wait()
        if news is self._news:
            self._news = asyncio.Event()

    def hang_up(self) -> None:
        """End the call."""
        if self._uac is not None:
            self._uac.hang_up()

    async def close(self) -> None:
        """Hang up if that was not done, let the last request be answered, close the sockets, finish the report."""
        try:
            await self._take_leave()
        finally:
            self._close_sockets()
            self.closed.set()
        self._report.heard = self._ear.close()
        self._report.seconds = time.monotonic() - self._started
        if self._report.ended_by:
            self._watcher("ended", self._report.ended_by)

    async def _take_leave(self) -> None:
        uac = self._uac
        if uac is not None and uac.noticed:
            uac.hang_up()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    while not uac.idle:
                        await self._next_news()
            self._report.noticed, self._report.status = True, uac.status
        if self._voice is not None:
            await self._voice.drain()

    def _close_sockets(self) -> None:
        if self._sip is not None:
            self._sip.close()
        if self._voice is not None:
            self._voice.close()
            self._report.audio = bytes(self._voice.audio)
            self._report.gaps_ms = self._voice.gaps_ms

    def answered(self, status: int, sdp: str) -> None:
        """The platform answered, perhaps with where it wants the voice."""
        if not self._ended.is_set():
            self._watcher("answered", str(status))
        self._report.status = status
        port = _MEDIA_PORT.search(sdp)
        if port is not None and status < 300 and not self._ended.is_set():
            host, events = _MEDIA_HOST.search(sdp), _MEDIA_EVENTS.search(sdp)
            peer = host[1] if host else self._peer.partition(":")[0]
            self._media.send_to((peer, int(port[1])), int(events[1]) if events else EVENT_TYPE)
            self._place_taken.set()

    def over(self, by: str) -> None:
        """The call is over."""
        self._report.ended_by = by
        self._ended.set()
        self._place_taken.set()

    def changed(self) -> None:
        """A message came."""
        self._news.set()

    def _on_frame(self) -> None:
        for heard in self._ear.heard[self._told :]:
            self._tell(heard.clip)
            self._told, self._hearing = self._told + 1, None
            self._news.set()
        if self._ear.hearing is not None:
            self._tell(self._ear.hearing)

    def _tell(self, clip: str) -> None:
        """Say what is heard, once for each time."""
        if clip != self._hearing:
            self._hearing = clip
            self._watcher("hears", clip)


def _user(number: str) -> str:
    """A canonical number as networks write it: E.164 with the plus sign, short codes as they are."""
    return f"+{number}" if national(number) != number else number


def _forwarding(report: CallReport, host: str) -> Headers:
    """What the exchange adds: who calls, whom, and why that call comes here."""
    caller = _user(report.caller)
    known = f"<tel:{caller}>" if caller.startswith("+") else f"<sip:{caller}@{host}>"
    return (
        ("P-Asserted-Identity", known if caller else _ANONYMOUS),
        *(() if caller else (("Privacy", "id"),)),
        ("Diversion", f"<sip:{_user(report.callee)}@{host}>;reason={_DIVERSION[report.reason]};counter=1"),
        ("Allow", "INVITE, ACK, CANCEL, BYE, INFO, OPTIONS"),
    )


def _offer(host: str, port: int) -> str:
    """A-law and telephone-events (RFC 4566, RFC 4733)."""
    lines = (
        "v=0", f"o=phone 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0",
        f"m=audio {port} RTP/AVP 8 {EVENT_TYPE}", "a=rtpmap:8 PCMA/8000",
        f"a=rtpmap:{EVENT_TYPE} telephone-event/8000", f"a=fmtp:{EVENT_TYPE} 0-15", "a=ptime:20",
    )  # fmt: skip
    return "\r\n".join(lines) + "\r\n"
