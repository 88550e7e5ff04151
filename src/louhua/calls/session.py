"""One live call: the ``Call`` protocol over a SIP leg and a voice, and what ends it.

Keys, reports, and what the caller does in SIP arrive here in the SIP thread and step the dialogue. However a
call ends, ``_finish`` runs exactly once and makes its one ``CallEnded``.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from louhua.bus.events import CallEnded, Choice, Outcome
from louhua.calls import sdp
from louhua.calls.call import CallInfo, HungUp, Recording, Result
from louhua.calls.driver import Awaited, Driver
from louhua.calls.leg import Leg
from louhua.calls.loop import Timer
from louhua.calls.media.control import Closed, Digit, Lost, Opened, Played, Recorded, Refused, Report
from louhua.calls.services import Services
from louhua.calls.spool import SHORTEST_MESSAGE_MS, recorded_so_far
from louhua.calls.voice import Recordings, Voice, VoiceFailed
from louhua.calls.wire import Request, Verdict, header
from louhua.config import Trunk
from louhua.subscribers.profiles import Profile

log = structlog.get_logger()

LOOKUP_LIMIT_S: Final = 0.3
"""How long the database may take to say who somebody is."""

_OPEN_LIMIT_S: Final = 2.0
_ANSWER_LIMIT_S: Final = 32.0
_CLOSE_LIMIT_S: Final = 2.0
_KEYS_KEPT: Final = 64

_EARLY_MEDIA: Final = header("P-Early-Media", "sendrecv")
"""RFC 5009: both ways, since keys have to pass as well as prompts."""


class Offered:
    """What an INVITE says of its caller's abilities, beside the parties.

    ``media`` is ``None`` when it had no SDP; ``reliable``: provisional responses may be reliable (RFC 3262);
    ``gated``: early media has to be asked for (RFC 5009).
    """

    __slots__ = ("gated", "media", "reliable")

    def __init__(self, media: sdp.Media | None, *, reliable: bool, gated: bool) -> None:
        self.media = media
        self.reliable = reliable
        self.gated = gated


class LiveCall:
    """A call that was accepted. ``over`` is called once, with its event."""

    def __init__(
        self,
        services: Services,
        trunk: Trunk,
        info: CallInfo,
        offered: Offered,
        over: Callable[["LiveCall", CallEnded], None],
    ) -> None:
        self._services = services
        self._trunk = trunk
        self._info = info
        self._offered = offered
        self._over_callback = over
        self._result = Result()
        self._noted = _snapshot(self._result)
        self._leg = Leg(services.wire, self)
        self._driver = Driver(services.loop, done=self._on_dialogue_over, paused=self._note_progress)
        self._recordings = Recordings(services.recordings, info.id)
        self._voice: Voice | None = None
        self._limit: Timer | None = None
        self._keys: deque[str] = deque(maxlen=_KEYS_KEPT)
        self._keys_by_rtp: bool | None = None
        self._stop_keys = ""
        self._playing = 0
        self._barge_in = False
        self._answered_at: datetime | None = None
        self._connected = False
        self._early = False
        self._ended = False
        self._leg_over = False
        self._outcome: Outcome | None = None
        self._over = False

    # What a dialogue may do (louhua.calls.call.Call).

    @property
    def info(self) -> CallInfo:
        """Who, whom and why."""
        return self._info

    @property
    def result(self) -> Result:
        """What to report when the call is over."""
        return self._result

    @property
    def free_answer(self) -> bool:
        """Whether the caller is not charged: the voice path is open before the answer."""
        return self._early and not self._connected

    async def profiles(self) -> tuple[Profile, Profile]:
        """Profiles of (caller, callee), by default those of somebody who never registered."""
        self._need_caller()
        numbers = [number for number in (self._info.caller, self._info.callee) if number]
        found: Mapping[str, Profile] = {}
        try:
            self._services.lookup(numbers, self._on_found)
        except Exception:
            log.exception("call.lookup_failed", call=self._info.id)
        else:
            found = await self._driver.wait(Awaited.PROFILES, LOOKUP_LIMIT_S) or found
        return self._profile(self._info.caller, found), self._profile(self._info.callee, found)

    async def answer(self) -> None:
        """Open the voice path: 200 OK, or 183 where the trunk answers with early media."""
        self._need_caller()
        if self._voice is not None:
            return
        voice = await self._open_voice()
        if self._trunk.answer == "early-media" and self._offered.media is not None:
            self._early = True
            headers = (_EARLY_MEDIA,) if self._offered.gated else ()
            self._leg.progress(voice.description(), reliable=self._offered.reliable, headers=headers)
            self._answered_at = self._services.now()
        else:
            await self._answer_with_200(voice)

    async def connect(self) -> None:
        """Answer with 200 OK if that has not been done yet."""
        self._need_caller()
        if self._connected:
            return
        voice = self._voice or await self._open_voice()
        if self._leg.awaits_acknowledgement:
            await self._driver.wait(Awaited.ACKNOWLEDGED, _ANSWER_LIMIT_S)
        await self._answer_with_200(voice)

    async def release(self, code: int, phrase: str) -> None:
        """End the call with a final response; once it is connected, with BYE."""
        self._need_caller()
        self._ended = True
        self._outcome = Outcome.COMPLETED if self._answered_at else Outcome.RELEASED
        self._let_go(code, phrase)

    async def play(self, clips: Sequence[str], *, barge_in: bool = True) -> str | None:
        """Play clips; a key, where it may interrupt, ends the playing and is returned."""
        voice = self._need_voice()
        if barge_in and self._keys:
            return self._keys.popleft()
        self._barge_in = barge_in
        self._playing = voice.play(tuple(clips), barge_in=barge_in)
        key: str | None = await self._driver.wait(Awaited.PLAYED)
        return key

    async def key(self, timeout: float) -> str | None:  # noqa: ASYNC109
        """The next key, or ``None`` after ``timeout`` seconds."""
        self._need_caller()
        if self._keys:
            return self._keys.popleft()
        key: str | None = await self._driver.wait(Awaited.KEY, timeout)
        return key

    async def record(self, *, max_ms: int, silence_ms: int, stop_keys: str = "#") -> Recording:
        """Record until a stop key, silence or ``max_ms``; a caller who hangs up ends it too.

        Keys that nobody asked for until now are forgotten: they were not meant for what follows the message.
        """
        voice = self._need_voice()
        self._keys.clear()
        path = self._recordings.new()
        self._services.journal.recording(self._info.id, path)
        self._stop_keys = stop_keys
        voice.record(path, max_ms=max_ms, silence_ms=silence_ms, stop_keys=stop_keys)
        recording: Recording = await self._driver.wait(Awaited.RECORDED)
        return recording

    # What happens to the call.

    def begin(self, request: Request, transaction: Any) -> Verdict:
        """Take the INVITE and start the dialogue."""
        verdict = self._leg.begin(request, transaction)
        self._limit = self._services.loop.call_later(self._services.longest_call_s, self.cut, "too long")
        self._driver.start(self._services.dialogue(self))
        return verdict

    def cut(self, why: str) -> None:
        """End the call from our side, whatever it is doing."""
        if not self._ended:
            log.info("call.cut", call=self._info.id, why=why)
            self._outcome = Outcome.COMPLETED
            self._end()

    def on_report(self, report: Report) -> None:
        """Take a report of the media process."""
        _REPORTS[type(report)](self, report)

    def _on_lost(self, _report: Lost) -> None:
        """The media process died: the call ends with what is known of it."""
        if self._over:
            return
        if self._voice is not None:
            self._voice.lost()
        self._outcome = self._outcome or Outcome.FAILED
        self._ended = True
        if self._driver.awaited is Awaited.RECORDED:
            self._keep(recorded_so_far(self._recordings.last))
        if self._driver.awaited is not None:
            self._driver.throw(HungUp())

    def on_gone(self) -> None:
        """The caller hung up."""
        self._leg_over = True
        if not self._ended:
            self._end()

    def on_unacknowledged(self) -> None:
        """The caller never confirmed our answer."""
        if not self._ended:
            self._outcome = Outcome.FAILED
        self.on_gone()

    def on_key(self, key: str) -> None:
        """A key came by INFO."""
        self._press(key, by_rtp=False)

    def on_offer(self, text: str | None) -> str:
        """The caller changes the session; raises ``NotAcceptable`` when we cannot follow."""
        if self._voice is None or not self._voice.port or self._over:
            raise sdp.NotAcceptable("no session to change")
        return self._voice.change(text)

    def on_answer(self, text: str) -> None:
        """The caller answered our offer."""
        if self._voice is None or self._over:
            return
        try:
            self._voice.update(sdp.parse(text))
        except sdp.NotAcceptable as error:
            log.info("call.answer_refused", call=self._info.id, why=str(error))
            self._outcome = Outcome.FAILED
            self._end()
            return
        if self._driver.awaited is Awaited.ANSWER:
            self._driver.resume(True)

    def on_acknowledged(self) -> None:
        """The caller confirmed our reliable 183."""
        if self._driver.awaited is Awaited.ACKNOWLEDGED:
            self._driver.resume(True)

    # Voice.

    async def _open_voice(self) -> Voice:
        session = self._services.open_session(self)
        if session is None:
            raise VoiceFailed("no media process")
        voice = self._voice = Voice(
            self._services.command,
            session,
            self._services.media_address,
            self._offered.media,
            latch=self._trunk.latch,
        )
        port = await self._driver.wait(Awaited.OPENED, _OPEN_LIMIT_S)
        if not port:
            raise VoiceFailed("no port")
        voice.opened(port)
        return voice

    async def _answer_with_200(self, voice: Voice) -> None:
        """Send 200; where the offer is ours, the caller's answer comes with the ACK."""
        self._need_caller()
        self._connected = True
        self._answered_at = self._answered_at or self._services.now()
        self._leg.connect(voice.description())
        if self._offered.media is None and not await self._driver.wait(Awaited.ANSWER, _ANSWER_LIMIT_S):
            raise VoiceFailed("no answer to our offer")

    def _need_caller(self) -> None:
        if self._ended:
            raise HungUp

    def _need_voice(self) -> Voice:
        self._need_caller()
        if self._voice is None or not self._voice.port:
            raise RuntimeError("the dialogue has not answered")
        return self._voice

    # Keys, reports and lookups.

    def _press(self, key: str, *, by_rtp: bool) -> None:
        if self._keys_by_rtp is None:
            self._keys_by_rtp = by_rtp
        if self._ended or self._keys_by_rtp is not by_rtp:
            return
        awaited = self._driver.awaited
        if awaited is Awaited.KEY:
            self._driver.resume(key)
        elif awaited is Awaited.PLAYED and self._barge_in:
            if not by_rtp:
                self._need_voice().stop()
            self._driver.resume(key)
        elif awaited is Awaited.RECORDED:
            if not by_rtp and key in self._stop_keys:
                self._need_voice().end_recording(key)
        else:
            self._keys.append(key)

    def _on_found(self, profiles: Mapping[str, Profile]) -> None:
        """From whatever thread the lookup answers in."""
        self._services.loop.call_soon(self._on_profiles, profiles)

    def _on_profiles(self, profiles: Mapping[str, Profile]) -> None:
        if self._driver.awaited is Awaited.PROFILES:
            self._driver.resume(profiles)

    def _profile(self, number: str, found: Mapping[str, Profile]) -> Profile:
        return found.get(number) or self._services.plan.stranger(number)

    def _on_opened(self, report: Opened) -> None:
        if self._driver.awaited is Awaited.OPENED:
            self._driver.resume(report.port)

    def _on_refused(self, report: Refused) -> None:
        log.warning("call.media_refused", call=self._info.id, why=report.why)
        if self._driver.awaited is Awaited.OPENED:
            self._driver.resume(None)

    def _on_digit(self, report: Digit) -> None:
        self._press(report.key, by_rtp=True)

    def _on_played(self, report: Played) -> None:
        if self._driver.awaited is Awaited.PLAYED and report.play == self._playing:
            self._driver.resume(None)

    def _on_recorded(self, report: Recorded) -> None:
        if self._driver.awaited is not Awaited.RECORDED:
            return
        recording = Recording(path=report.path, ms=report.ms, key=report.key)
        if self._ended:
            self._keep(recording)
            self._driver.throw(HungUp())
        else:
            self._driver.resume(recording)

    def _on_closed(self, _report: Closed) -> None:
        if self._driver.awaited is Awaited.RECORDED:
            self._driver.throw(HungUp())

    def _keep(self, recording: Recording | None) -> None:
        """What a caller said before hanging up is a message when it is longer than a second."""
        if recording is not None and recording.ms > SHORTEST_MESSAGE_MS:
            self._result.recording = recording

    # The end.

    def _end(self) -> None:
        """Tell the dialogue that the caller is gone, once a running recording is on disk."""
        self._ended = True
        if self._driver.awaited is Awaited.RECORDED and self._voice is not None:
            self._voice.close()
            self._driver.throw_after(_CLOSE_LIMIT_S, HungUp())
        elif self._driver.awaited is not None:
            self._driver.throw(HungUp())

    def _note_progress(self) -> None:
        now = _snapshot(self._result)
        if now != self._noted:
            self._noted = now
            self._services.journal.note(self._info.id, self._result)

    def _on_dialogue_over(self, error: Exception | None) -> None:
        if isinstance(error, VoiceFailed):
            log.warning("call.no_voice", call=self._info.id, why=str(error))
        elif error is not None and not isinstance(error, HungUp):
            log.error("call.dialogue_failed", call=self._info.id, exc_info=error)
        failed = error is not None and not isinstance(error, HungUp)
        self._finish(Outcome.FAILED if failed else self._outcome or self._natural_outcome())

    def _natural_outcome(self) -> Outcome:
        """The outcome where nothing said otherwise: a caller who left after choosing has completed."""
        if self._ended and self._result.choice is Choice.NONE:
            return Outcome.ABANDONED
        return Outcome.COMPLETED if self._ended or self._answered_at else Outcome.RELEASED

    def _finish(self, outcome: Outcome) -> None:
        """The event first: whatever then goes wrong in letting go, the call is recorded."""
        self._over = self._ended = True
        if self._limit is not None:
            self._limit.cancel()
        event = self._event(outcome)
        self._services.journal.end(event)
        self._over_callback(self, event)
        if self._voice is not None:
            self._voice.close()
        kept = self._result.recording
        self._recordings.remove_all_but(kept.path if kept else None)
        self._let_go(self._trunk.release_code, "Call Ended")

    def _let_go(self, code: int, phrase: str) -> None:
        """End the SIP dialogue if it still stands."""
        if self._leg_over:
            return
        self._leg_over = True
        if self._connected:
            self._leg.hang_up()
        else:
            self._leg.refuse(code, phrase)

    def _event(self, outcome: Outcome) -> CallEnded:
        info, result = self._info, self._result
        return CallEnded(
            id=info.id, node=self._services.node, trunk=info.trunk, sip_call_id=info.sip_call_id,
            callee=info.callee, caller=info.caller, reason=info.reason, treatment=result.treatment,
            choice=result.choice, outcome=outcome, started_at=info.started_at,
            ended_at=self._services.now(), answered_at=self._answered_at, other_number=result.other_number,
            recording=Path(result.recording.path).name if result.recording else "",
            recording_ms=result.recording.ms if result.recording else 0,
        )  # fmt: skip


_REPORTS: Final[dict[type, Callable[[LiveCall, Any], None]]] = {
    Opened: LiveCall._on_opened,
    Refused: LiveCall._on_refused,
    Digit: LiveCall._on_digit,
    Played: LiveCall._on_played,
    Recorded: LiveCall._on_recorded,
    Closed: LiveCall._on_closed,
    Lost: LiveCall._on_lost,
}


def _snapshot(result: Result) -> tuple[object, ...]:
    return (result.treatment, result.choice, result.other_number, result.recording)
