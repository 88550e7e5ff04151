"""The call server of a node: takes INVITEs from the trunks, keeps the live calls, and lets them end.

It owns the thread in which it runs: SIP, timers, dialogues and media reports are handled there one after the
other. Only profile lookups and the events of ended calls cross to another thread.
"""

import gc
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from louhua.bus.events import CallEnded
from louhua.calls import admission, sdp
from louhua.calls.admission import Peers, Refusal
from louhua.calls.call import CallInfo, Dialogue
from louhua.calls.leg import session_of
from louhua.calls.loop import Loop
from louhua.calls.media.control import Closed, Command, Lost, Report
from louhua.calls.metrics import CALLS, LIVE, REFUSED
from louhua.calls.parties import Parties, find_parties, own_numbers
from louhua.calls.services import Journal, Lookup, MediaPool, MediaSink
from louhua.calls.session import LiveCall, Offered
from louhua.calls.wire import (
    ALLOW,
    Request,
    Response,
    Verdict,
    Wire,
    complaints_logged,
    header,
    headers_of,
    source_of,
)
from louhua.config import Config, Trunk, split_address
from louhua.numbers import masked
from louhua.subscribers.plan import NumberPlan

log = structlog.get_logger()

_LINGER_S: Final = 2.0
"""How long after the last call the answers to our BYEs, and ACKs, may still come."""

_LINGER_STEP_S: Final = 0.02
_STRANGERS_NAMED: Final = 1000
_GC_THRESHOLDS: Final = (20_000, 5, 3)
"""A call leaves some 14 KB in cycles, half a minute after its end and so among the oldest objects. Fewer and
larger collections than the default cost less; these look at the oldest every 5,000 calls or so."""

Source = tuple[str, str]
"""Call-ID and From tag: one call, however its INVITE travelled."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


class CallServer:
    """The SIP side of the call role.

    ``dialogue`` runs for every call. ``lookup`` finds profiles; it has 300 ms. ``journal`` is the node's
    spool; ``publish`` is told of every ended call, after the journal. ``media`` are the media processes;
    whoever runs them passes on what they say to ``on_media_reports``. Raises ``StartError`` when
    ``sip.listen`` cannot be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        media: MediaPool,
        dialogue: Dialogue,
        lookup: Lookup,
        journal: Journal,
        publish: Callable[[CallEnded], None],
        recordings: Path,
        now: Callable[[], datetime] = _utc_now,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        sip = config.sip
        listen = split_address(sip.listen)
        self.dialogue, self.lookup, self.journal, self.now = dialogue, lookup, journal, now
        self.node = config.node.name
        self.country = config.service.country
        self.plan = NumberPlan(config)
        self.media_address = sip.media_address
        self.recordings = recordings
        self.longest_call_s = sip.longest_call.total_seconds()
        self._max_calls = sip.max_calls
        self._own = own_numbers(config.service)
        self._peers = Peers(sip.trunks)
        self._media = media
        self._publish = publish
        self._new_id = new_id
        self._calls: dict[Source, LiveCall] = {}
        self._sources: dict[LiveCall, Source] = {}
        self._sessions: dict[int, MediaSink] = {}
        self._strangers: set[str] = set()
        self._draining = False
        self._stopping = False
        self.loop = Loop()
        contact = sip.media_address if listen[0] == "0.0.0.0" else listen[0]
        self.wire = Wire(
            self.loop, listen, contact, gate=self._gate, knows=self._knows, on_request=self._on_request
        )

    @property
    def address(self) -> tuple[str, int]:
        """Where SIP is heard."""
        return self.wire.address

    @property
    def live(self) -> int:
        """Calls at this moment; from any thread."""
        return len(self._calls)

    def run(self) -> None:
        """Serve in this thread, which has to be the one that imported sippy, until ``stop``."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        with complaints_logged(self.loop):
            log.info("calls.listening", host=self.address[0], port=self.address[1])
            self.loop.run()
        self.wire.close()
        self.loop.close()

    def drain(self) -> None:
        """Refuse new calls from now on; from any thread."""
        self._draining = True

    def stop(self, limit_s: float) -> None:
        """Refuse new calls, let live ones end within ``limit_s``, then ``run`` returns; from any thread."""
        self._draining = True
        self.loop.call_soon(self._stop, limit_s)

    def on_media_reports(self, reports: Sequence[Report]) -> None:
        """Media processes said something; from any thread."""
        self.loop.call_soon(self._on_reports, reports)

    def open_session(self, sink: MediaSink) -> int | None:
        """A new media session for a call."""
        session = self._media.new_session()
        if session is not None:
            self._sessions[session] = sink
        return session

    def command(self, command: Command) -> None:
        """Have a media process carry out a command."""
        self._media.send((command,))

    # Requests.

    def _knows(self, address: str) -> bool:
        return self._peers.trunk_of(address) is not None

    def _gate(self, request: Request) -> Response | None:
        """Refuse whoever belongs to no trunk."""
        source = source_of(request)
        if self._knows(source):
            return None
        if source not in self._strangers and len(self._strangers) < _STRANGERS_NAMED:
            self._strangers.add(source)
            log.warning("calls.unknown_peer", source=source, method=request.getMethod()[:20])
        return _response(request, admission.UNKNOWN_PEER)

    def _on_request(self, request: Request, transaction: Any) -> Verdict:
        """A request that belongs to no dialogue."""
        try:
            taken = self._take(request, transaction)
        except Exception:
            log.exception("calls.request_failed", method=request.getMethod()[:20])
            taken = admission.SERVER_ERROR
        return (_response(request, taken), None, None) if isinstance(taken, Refusal) else taken

    def _take(self, request: Request, transaction: Any) -> Verdict | Refusal:
        method = request.getMethod()
        if request.getHFBody("to").getTag() is not None or method == "BYE":
            return admission.NO_SUCH_CALL
        if method == "OPTIONS":
            return self._refused_now() or (_capabilities(request), None, None)
        if method != "INVITE":
            return admission.refused_method(method)
        return self._take_invite(request, transaction)

    def _take_invite(self, request: Request, transaction: Any) -> Verdict | Refusal:
        trunk = self._peers.trunk_of(source_of(request))
        source = (str(request.getHFBody("call-id")), str(request.getHFBody("from").getTag()))
        merged = admission.MERGED if source in self._calls else None
        refusal = merged or self._refused_now() or admission.refused_by_headers(request)
        if refusal is not None or trunk is None:
            return refusal or admission.UNKNOWN_PEER
        offered = _offered(request)
        if isinstance(offered, Refusal):
            return offered
        parties = find_parties(
            headers_of(request),
            str(request.getRURI().original_uri),
            trunk,
            own=self._own,
            country=self.country,
        )
        if not parties.callee:
            log.warning("calls.no_callee", trunk=trunk.name, caller=masked(parties.caller))
            return admission.NO_CALLEE
        return self._begin(source, trunk, parties, offered, request, transaction)

    def _refused_now(self) -> Refusal | None:
        """What stands against any further call; who asks by OPTIONS hears the same."""
        if self._draining:
            return admission.DRAINING
        if len(self._calls) >= self._max_calls:
            return admission.FULL
        return None if self._media.pids else admission.NO_MEDIA

    def _begin(
        self,
        source: Source,
        trunk: Trunk,
        parties: Parties,
        offered: Offered,
        request: Request,
        transaction: Any,
    ) -> Verdict | Refusal:
        info = CallInfo(
            id=self._new_id(), trunk=trunk.name, sip_call_id=source[0], caller=parties.caller,
            callee=parties.callee, reason=parties.reason, started_at=self.now(),
        )  # fmt: skip
        call = LiveCall(self, trunk, info, offered, self._on_over)
        if not self.journal.begin(info):
            return admission.NO_JOURNAL
        self._calls[source] = call
        self._sources[call] = source
        LIVE.inc()
        try:
            return call.begin(request, transaction)
        except Exception:
            log.exception("calls.begin_failed", call=info.id)
            self._forget(call)
            self.journal.stored((info.id,))
            return admission.BAD_REQUEST

    # What ends.

    def _on_over(self, call: LiveCall, event: CallEnded) -> None:
        self._forget(call)
        CALLS.labels(event.trunk, event.treatment, event.outcome, event.choice).inc()
        log.debug(
            "calls.ended", call=event.id, trunk=event.trunk, caller=masked(event.caller),
            callee=masked(event.callee), reason=event.reason, treatment=event.treatment,
            choice=event.choice, outcome=event.outcome,
        )  # fmt: skip
        self._publish(event)

    def _forget(self, call: LiveCall) -> None:
        source = self._sources.pop(call, None)
        if source is not None:
            del self._calls[source]
            LIVE.dec()

    def _on_reports(self, reports: Sequence[Report]) -> None:
        for report in reports:
            sink = self._sessions.get(report.session)
            if isinstance(report, Closed | Lost):
                self._sessions.pop(report.session, None)
            if sink is not None:
                sink.on_report(report)

    def _stop(self, limit_s: float) -> None:
        if not self._stopping:
            self._stopping = True
            log.info("calls.stopping", live=self.live, limit_s=limit_s)
            self.loop.call_later(limit_s, self._cut_all)
            self._stop_when_empty()

    def _cut_all(self) -> None:
        for call in list(self._calls.values()):
            call.cut("stopping")

    def _stop_when_empty(self, lingered_s: float = 0.0) -> None:
        """Stop once no call is left and what ended it is confirmed, or will not be: BYE, ACK."""
        if not self._calls:
            lingered_s += _LINGER_STEP_S
            if self.wire.idle or lingered_s > _LINGER_S:
                self.loop.stop()
                return
        self.loop.call_later(_LINGER_STEP_S, self._stop_when_empty, lingered_s)


def _response(request: Request, refusal: Refusal) -> Response:
    """The final response of a refusal, counted."""
    REFUSED.labels(refusal.cause).inc()
    response = request.genResponse(refusal.code, refusal.phrase, server="Louhua")
    response.appendHeaders(refusal.headers)
    return response


def _capabilities(request: Request) -> Response:
    """The answer to OPTIONS (RFC 3261, section 11.2)."""
    response = request.genResponse(200, "OK", server="Louhua")
    response.appendHeaders((ALLOW, _ACCEPT, header("Supported", ", ".join(admission.SUPPORTED))))
    return response


_ACCEPT: Final = header("Accept", "application/sdp")


def _offered(request: Request) -> Offered | Refusal:
    """What the caller can do and wants; a refusal when that is nothing for us."""
    text = session_of(request)
    if text is None and request.getBody() is not None:
        return admission.NO_SDP
    media = None
    if text is not None:
        try:
            media = sdp.parse(text)
        except sdp.NotAcceptable as error:
            log.info("calls.offer_refused", why=str(error))
            return admission.NOT_ACCEPTABLE
    tags = admission.tags_of(request, "supported") | admission.tags_of(request, "require")
    gated = any("supported" in str(each.body.body).lower() for each in request.getHFs("p-early-media"))
    return Offered(media, reliable="100rel" in tags, gated=gated)
