"""Subscriptions to the registrations of many numbers at one registrar: RFC 6665 without sockets and clocks.

Messages and times go in; messages to send and answers come out. Times are seconds of a monotonic clock.

A subscription is for one piece of news: when it says that a phone is registered it is ended. Whoever still wants
to know begins another, whose first NOTIFY has the state of then.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from louhua.informants import Registrar
from louhua.reachability.reg.reginfo import BadReginfo, Reginfo, read_reginfo
from louhua.reachability.reg.rules import Answer, Next, after_ending, answer_of, refresh_after, seconds
from louhua.sip import GIVE_UP_S, T1_S, T2_S, Headers, Message, answer_to, branch, parameter, tag, uri_of

_BODY: Final = "application/reginfo+xml"
_LONGEST_EXPIRES_S: Final = 86400
_TOO_SHORT_S: Final = 30.0
"""A registrar that ends subscriptions sooner is not asked again at once."""


class Said(msgspec.Struct, frozen=True):
    """What became known of a number. ``id`` is unique to it; ``retry_after`` is in seconds."""

    id: str
    number: str
    answer: Answer
    detail: str
    retry_after: float = 0.0


class _Request(msgspec.Struct):
    """A SUBSCRIBE without a final response: timers E and F (RFC 3261, section 17.1.2)."""

    message: Message
    branch: str
    expires: int
    sent_at: float
    again_at: float
    over_at: float
    wait: float = T1_S


class _Subscription(msgspec.Struct):
    """One dialog. ``remote_tag`` is empty until it is established."""

    number: str
    call_id: str
    local_tag: str
    target: str
    remote_tag: str = ""
    routes: tuple[str, ...] = ()
    cseq: int = 0
    remote_cseq: int = -1
    last_answer: tuple[int, str] = (200, "OK")
    version: int = -1
    wanted: bool = True
    queued: bool = False
    request: _Request | None = None
    least_expires: int = 0
    began_at: float = 0.0
    confirmed_at: float = -math.inf
    heard_at: float = -math.inf
    refresh_at: float = math.inf
    notify_by: float = math.inf
    wake_at: float = math.inf


class Subscriber:
    """The subscriptions at one registrar.

    ``outbox`` collects requests to send to it, ``said`` what it told; whoever takes them empties the lists.
    ``spread`` gives numbers from 0 to 1.
    """

    def __init__(self, config: Registrar, spread: Callable[[], float] = random.random) -> None:
        self._config = config
        self._spread = spread
        self._identity = config.identity or f"sip:louhua@{config.listen.partition(':')[0]}"
        self._expires = int(config.expires.total_seconds())
        self._by_number: dict[str, _Subscription] = {}
        self._by_call: dict[str, _Subscription] = {}
        self._ready: deque[_Subscription] = deque()
        self._timers: list[tuple[float, int, str]] = []
        self._timers_set = 0
        self._requests = 0
        self._tokens = 1.0
        self._tokens_at = -math.inf
        self._doubted_at = -math.inf
        self.silent = False
        """Whether a request had no answer, and nothing was heard since: one number at a time is tried then."""
        self.outbox: list[Message] = []
        self.said: list[Said] = []

    @property
    def numbers(self) -> list[str]:
        """The numbers that are wanted."""
        return list(self._by_number)

    @property
    def live(self) -> int:
        """How many subscriptions the registrar has confirmed."""
        return sum(sub.confirmed_at > -math.inf for sub in self._by_number.values())

    def subscribe(self, number: str) -> None:
        """Begin to ask about a number; nothing if that has begun."""
        if number not in self._by_number:
            self._begin(number)

    def unsubscribe(self, number: str) -> None:
        """Ask no more."""
        sub = self._by_number.pop(number, None)
        if sub is None:
            return
        sub.wanted = False
        if sub.request is None and not sub.remote_tag:
            self._drop(sub)
        elif sub.request is None:
            self._queue(sub)

    def tick(self, now: float) -> None:
        """Let time pass: send what is due at the configured rate, and repeat what was not answered."""
        if now > self._tokens_at:
            gained = (now - self._tokens_at) * self._config.rate
            self._tokens = min(max(1.0, self._config.rate / 5), self._tokens + gained)
            self._tokens_at = now
        while self._ready and self._tokens >= 1:
            sub = self._ready.popleft()
            sub.queued = False
            if self._by_call.get(sub.call_id) is not sub or sub.request is not None:
                continue
            if self.silent and self._requests and not sub.remote_tag:
                self._fail(sub, Answer.AWAY, "silent")
                continue
            self._tokens -= 1
            self._send(sub, now)
        while self._timers and self._timers[0][0] <= now:
            at, _, call_id = heapq.heappop(self._timers)
            due = self._by_call.get(call_id)
            if due is not None and due.wake_at == at:
                self._wake(due, now)

    def receive(self, message: Message, now: float) -> Message | None:
        """Take a message from the registrar; the response to a request."""
        self.silent = False
        if message.status:
            sub = self._by_call.get(message.header("Call-ID"))
            if sub is not None and message.method == "SUBSCRIBE":
                self._response(sub, message, now)
            return None
        if message.method == "NOTIFY":
            status, phrase = self._notify(message, now)
            extra: Headers = (("Accept", _BODY),) if status == 415 else ()
            return answer_to(message, status, phrase, (("Allow-Events", "reg"),) if status == 489 else extra)
        if message.method == "ACK":
            return None
        return answer_to(message, 405, "Method Not Allowed", (("Allow", "NOTIFY"),))

    def _begin(self, number: str, least_expires: int = 0) -> None:
        sub = _Subscription(
            number=number,
            call_id=f"{tag()}@{self._config.listen.partition(':')[0]}",
            local_tag=tag(),
            target=self._aor(number),
            least_expires=least_expires,
        )
        self._by_number[number] = self._by_call[sub.call_id] = sub
        self._queue(sub)

    def _aor(self, number: str) -> str:
        return self._config.uri.replace("{number}", number)

    def _queue(self, sub: _Subscription) -> None:
        if not sub.queued:
            sub.queued = True
            self._ready.append(sub)

    def _send(self, sub: _Subscription, now: float) -> None:
        expires = max(self._expires, sub.least_expires) if sub.wanted else 0
        sub.cseq += 1
        if not sub.remote_tag:
            sub.began_at = now
        name = branch()
        listen = self._config.listen
        known = (("P-Asserted-Identity", f"<{self._identity}>"),) if self._config.identity else ()
        remote = f"<{self._aor(sub.number)}>" + (f";tag={sub.remote_tag}" if sub.remote_tag else "")
        message = Message(
            f"SUBSCRIBE {sub.target} SIP/2.0",
            (
                ("Via", f"SIP/2.0/UDP {listen};branch={name};rport"),
                *(("Route", route) for route in sub.routes),
                ("Max-Forwards", "70"),
                ("From", f"<{self._identity}>;tag={sub.local_tag}"),
                ("To", remote),
                ("Call-ID", sub.call_id),
                ("CSeq", f"{sub.cseq} SUBSCRIBE"),
                ("Contact", f"<sip:louhua@{listen}>"),
                ("Event", "reg"),
                ("Expires", str(expires)),
                ("Accept", _BODY),
                *known,
            ),
        )
        sub.request = _Request(message, name, expires, now, now + T1_S, now + GIVE_UP_S)
        self._requests += 1
        self.outbox.append(message)
        self._schedule(sub, sub.request.again_at)

    def _schedule(self, sub: _Subscription, at: float) -> None:
        sub.wake_at = at
        if at < math.inf:
            self._timers_set += 1  # of the same time, the one set first comes first
            heapq.heappush(self._timers, (at, self._timers_set, sub.call_id))

    def _wake(self, sub: _Subscription, now: float) -> None:
        request = sub.request
        if request is not None and now >= request.over_at:
            self.silent = True
            self._fail(sub, Answer.AWAY, "no answer")
        elif request is not None:
            self.outbox.append(request.message)
            request.wait = min(2 * request.wait, T2_S)
            request.again_at = now + request.wait
            self._schedule(sub, min(request.again_at, request.over_at))
        elif not sub.wanted:
            if not sub.queued:
                self._drop(sub)
        elif now >= sub.notify_by:
            self._fail(sub, Answer.AWAY, "no NOTIFY")
        elif now >= sub.refresh_at:
            self._queue(sub)
        else:
            self._schedule(sub, min(sub.refresh_at, sub.notify_by))

    def _response(self, sub: _Subscription, message: Message, now: float) -> None:
        request = sub.request
        if request is None or parameter(message.header("Via"), "branch") != request.branch:
            return
        if message.status < 200:
            request.wait = T2_S
            return
        sub.request = None
        self._requests -= 1
        least = seconds(message.header("Min-Expires"))
        if message.status < 300:
            self._accepted(sub, message, request, now)
        elif not sub.wanted:
            self._drop(sub)
        elif message.status == 423 and request.expires < least <= _LONGEST_EXPIRES_S:
            sub.least_expires = least
            self._queue(sub)
        elif message.status == 481 and sub.remote_tag:
            self._lost(sub, now)
        else:
            after = seconds(message.header("Retry-After"))
            self._fail(sub, answer_of(message.status), str(message.status), after)

    def _accepted(self, sub: _Subscription, message: Message, request: _Request, now: float) -> None:
        if not sub.remote_tag:
            routes = tuple(reversed(message.addresses("Record-Route")))
            self._establish(sub, parameter(message.header("To"), "tag"), message, routes)
        if not request.expires:
            self._schedule(sub, now + GIVE_UP_S)  # the last NOTIFY may still come
        elif not sub.wanted:
            self._queue(sub)
        else:
            sub.confirmed_at = now
            granted = min(seconds(message.header("Expires")) or request.expires, request.expires)
            sub.refresh_at = now + refresh_after(granted, self._spread())
            sub.notify_by = math.inf if sub.heard_at >= request.sent_at else now + GIVE_UP_S
            self._schedule(sub, min(sub.refresh_at, sub.notify_by))

    def _establish(self, sub: _Subscription, remote_tag: str, message: Message, routes: tuple[str, ...]) -> None:
        sub.remote_tag = remote_tag
        sub.routes = routes
        if contact := uri_of(message.header("Contact")):
            sub.target = contact

    def _lost(self, sub: _Subscription, now: float) -> None:
        """The registrar forgot a subscription; if it has forgotten all, the others are to be noticed soon."""
        self._drop(sub)
        self._begin(sub.number, sub.least_expires)
        if sub.confirmed_at > self._doubted_at:
            self._doubted_at = now
            for other in self._by_number.values():
                if other.request is None and other.remote_tag:
                    self._queue(other)

    def _notify(self, message: Message, now: float) -> tuple[int, str]:
        sub = self._by_call.get(message.header("Call-ID"))
        remote_tag = parameter(message.header("From"), "tag")
        if (
            sub is None
            or not remote_tag
            or parameter(message.header("To"), "tag") != sub.local_tag
            or remote_tag != (sub.remote_tag or remote_tag)
        ):
            return 481, "Subscription Does Not Exist"
        if message.header("Event").partition(";")[0].strip().lower() != "reg":
            return 489, "Bad Event"
        if message.cseq == sub.remote_cseq:
            return sub.last_answer
        if message.cseq < sub.remote_cseq:
            return 500, "Out Of Order"
        sub.remote_cseq = message.cseq
        sub.last_answer = self._take(sub, message, now)
        return sub.last_answer

    def _take(self, sub: _Subscription, message: Message, now: float) -> tuple[int, str]:
        state = message.header("Subscription-State")
        if not state:
            return 400, "No Subscription-State"
        reginfo: Reginfo | None = None
        if message.body.strip():
            if message.header("Content-Type").partition(";")[0].strip().lower() != _BODY:
                return 415, "Unsupported Media Type"
            try:
                reginfo = read_reginfo(message.body)
            except BadReginfo as error:
                if sub.wanted:
                    self._fail(sub, Answer.AWAY, str(error))
                return 400, "Bad Registration Information"
        if not sub.remote_tag:
            routes = tuple(message.addresses("Record-Route"))
            self._establish(sub, parameter(message.header("From"), "tag"), message, routes)
        elif contact := uri_of(message.header("Contact")):
            sub.target = contact
        sub.heard_at, sub.notify_by = now, math.inf
        self._heard(sub, reginfo, state, now)
        return 200, "OK"

    def _heard(self, sub: _Subscription, reginfo: Reginfo | None, state: str, now: float) -> None:
        active = reginfo is not None and reginfo.active and sub.wanted
        if active:
            self._say(sub, Answer.ACTIVE, "registered")
        if state.partition(";")[0].strip().lower() == "terminated":
            self._terminated(sub, state, now, told=active)
        elif active:
            self.unsubscribe(sub.number)
        elif sub.wanted:
            if reginfo is not None and not reginfo.full and reginfo.version != sub.version + 1:
                self._queue(sub)  # something was lost; the answer to a refresh is the whole state
            if (expires := seconds(parameter(state, "expires"))) and sub.request is None:
                sub.refresh_at = min(sub.refresh_at, now + refresh_after(expires, self._spread()))
                self._schedule(sub, sub.refresh_at)
        if reginfo is not None:
            sub.version = reginfo.version

    def _terminated(self, sub: _Subscription, state: str, now: float, *, told: bool) -> None:
        if told or not sub.wanted:
            self._drop(sub)
            return
        reason, after = parameter(state, "reason"), seconds(parameter(state, "retry-after"))
        match after_ending(reason, after):
            case Next.AGAIN if now - sub.began_at >= _TOO_SHORT_S:
                self._drop(sub)
                self._begin(sub.number, sub.least_expires)
            case Next.NEVER:
                self._fail(sub, Answer.GAVE_UP, reason)
            case _:
                self._fail(sub, Answer.AWAY, reason or "terminated", after)

    def _fail(self, sub: _Subscription, answer: Answer, detail: str, retry_after: float = 0.0) -> None:
        if sub.wanted:
            self._say(sub, answer, detail, retry_after)
        self._drop(sub)

    def _say(self, sub: _Subscription, answer: Answer, detail: str, retry_after: float = 0.0) -> None:
        self.said.append(Said(f"{sub.call_id}:{sub.remote_cseq}", sub.number, answer, detail, retry_after))

    def _drop(self, sub: _Subscription) -> None:
        self._by_call.pop(sub.call_id, None)
        if self._by_number.get(sub.number) is sub:
            del self._by_number[sub.number]
        if sub.request is not None:
            sub.request = None
            self._requests -= 1
