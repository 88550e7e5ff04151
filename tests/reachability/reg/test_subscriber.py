"""Subscriptions over a network that loses, repeats and forges, and at registrars of every kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.reachability.reg.far_end import NUMBER, FarEnd, body, call_id, config, remote_tag

from louhua.reachability.reg.rules import Answer, Next, after_ending, answer_of, refresh_after, seconds
from louhua.reachability.reg.subscriber import Subscriber
from louhua.sip import Message, parse

OTHER = "8613900139000"


@pytest.fixture
def far() -> FarEnd:
    return FarEnd()


def test_a_subscription_names_what_it_wants(far: FarEnd) -> None:
    request = far.subscribed()
    assert request.start == f"SUBSCRIBE sip:+{NUMBER}@ims.example SIP/2.0"
    assert request.header("To") == f"<sip:+{NUMBER}@ims.example>"
    assert request.header("From").startswith("<sip:louhua@127.0.0.1>;tag=")
    assert [request.header(name) for name in ("Event", "Expires", "Accept", "CSeq", "Max-Forwards")] == [
        "reg", "600", "application/reginfo+xml", "1 SUBSCRIBE", "70",
    ]  # fmt: skip
    assert request.header("Contact") == "<sip:louhua@127.0.0.1:5070>"
    assert request.all("P-Asserted-Identity") == []
    assert parse(request.encode()) == Message(request.start, (*request.headers, ("Content-Length", "0")))


def test_who_we_are_can_be_named() -> None:
    request = FarEnd(identity="sip:alerts@ims.example").subscribed()
    assert request.header("P-Asserted-Identity") == "<sip:alerts@ims.example>"
    assert request.header("From").startswith("<sip:alerts@ims.example>;tag=")


def test_a_phone_that_comes_back_is_told_and_the_subscription_ended(far: FarEnd) -> None:
    request = far.subscribed()
    far.accept(request)
    assert far.notify(request, body("init")) == 200
    assert far.said() == []
    assert far.subscriber.live == 1
    assert far.later(60) == []
    assert far.notify(request, body("active", "partial", 1)) == 200
    assert far.said() == [(NUMBER, Answer.ACTIVE, "registered")]
    (ending,) = far.sent()
    assert (ending.header("Expires"), ending.header("CSeq")) == ("0", "2 SUBSCRIBE")
    assert ending.target == "sip:presence@10.0.0.9:5060"
    assert remote_tag(ending) == "far"
    far.accept(ending, 0)
    assert far.notify(request, body("active"), "terminated;reason=timeout") == 200
    assert far.said() == []
    assert far.notify(request, body("active"), "terminated;reason=timeout") == 481
    assert far.later(100) == []


def test_a_phone_that_is_on_already_is_told_at_once(far: FarEnd) -> None:
    far.notify(request := far.subscribed(), body("active"))
    assert far.said() == [(NUMBER, Answer.ACTIVE, "registered")]
    assert far.sent() == [], "the NOTIFY was faster than the response"
    far.accept(request)
    (ending,) = far.sent()
    assert ending.header("Expires") == "0"


def test_news_has_an_id_of_its_own(far: FarEnd) -> None:
    ids = set()
    for _ in range(3):
        request = far.subscribed()
        far.notify(request, body("active"), "terminated;reason=timeout")
        ids |= {said.id for said in far.subscriber.said}
    assert len(ids) == 3


def test_an_unanswered_request_is_repeated_and_given_up(far: FarEnd) -> None:
    request = far.subscribed()
    began = far.now
    times = []
    while far.now < began + 40:
        times += [far.now - began] * len(far.datagrams(0.05))
    due = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert times == pytest.approx(due, abs=0.06 * len(due))
    assert far.said() == [(NUMBER, Answer.AWAY, "no answer")]
    assert far.subscriber.silent
    far.accept(request)
    assert far.sent() == [], "too late"
    assert not far.subscriber.silent, "but it is there"


def test_a_provisional_response_makes_repetitions_rare(far: FarEnd) -> None:
    request = far.subscribed()
    far.answer(request, 100)
    assert len(far.datagrams(31)) == 8


def test_while_the_registrar_is_silent_one_number_is_tried(far: FarEnd) -> None:
    far.subscribed()
    far.later(33)
    assert far.said()
    for number in (NUMBER, OTHER, "861"):
        far.subscriber.subscribe(number)
    (request,) = far.sent()
    assert sorted(far.said()) == [("861", Answer.AWAY, "silent"), (OTHER, Answer.AWAY, "silent")]
    far.accept(request)
    far.subscriber.subscribe(OTHER)
    far.subscriber.subscribe("861")
    assert len(far.sent()) == 2


def test_a_subscription_is_refreshed_in_time(far: FarEnd) -> None:
    request = far.subscribed()
    far.accept(request, 100)
    far.notify(request, body("init"), "active;expires=100")
    assert far.later(74) == []
    (refresh,) = far.later(2)
    assert call_id(refresh) == call_id(request)
    assert (refresh.header("CSeq"), refresh.header("Expires"), remote_tag(refresh)) == (
        "2 SUBSCRIBE",
        "600",
        "far",
    )
    far.accept(refresh, 100)
    far.notify(request, body("init"), "active;expires=100")
    assert far.later(74) == []
    assert len(far.later(2)) == 1
    assert far.said() == []


def test_a_notify_may_shorten_a_subscription(far: FarEnd) -> None:
    request = far.subscribed()
    far.accept(request, 600)
    far.notify(request, body("init"), "active;expires=40")
    assert len(far.later(31)) == 1


def test_a_subscription_without_notify_is_none(far: FarEnd) -> None:
    far.accept(far.subscribed())
    far.later(33)
    assert far.said() == [(NUMBER, Answer.AWAY, "no NOTIFY")]


def test_an_interval_too_brief_is_made_longer(far: FarEnd) -> None:
    request = far.subscribed()
    far.answer(request, 423, Min_Expires=3600)
    (again,) = far.sent()
    assert (again.header("Expires"), again.header("CSeq"), call_id(again)) == (
        "3600",
        "2 SUBSCRIBE",
        call_id(request),
    )


@pytest.mark.parametrize("least", ["", "600", "0", "99999999999", "soon"])
def test_an_interval_that_makes_no_sense_is_a_refusal(far: FarEnd, least: str) -> None:
    far.answer(far.subscribed(), 423, Min_Expires=least)
    assert far.sent() == []
    assert far.said() == [(NUMBER, Answer.GAVE_UP, "423")]


def test_a_registrar_that_restarted_is_subscribed_to_anew(far: FarEnd) -> None:
    requests = []
    for number in (NUMBER, OTHER):
        requests.append(far.subscribed(number))
        far.accept(requests[-1], 600)
        far.notify(requests[-1], body("init"))
        far.later(100)
    (refresh,) = far.later(255)
    far.answer(refresh, 481)
    anew, doubted = sorted(far.sent(), key=lambda message: message.cseq)
    assert (anew.header("To"), anew.cseq) == (requests[0].header("To"), 1)
    assert call_id(anew) != call_id(refresh)
    assert call_id(doubted) == call_id(requests[1]), "the others are looked after at once"
    far.answer(doubted, 481)
    (other,) = far.sent()
    assert other.header("To") == requests[1].header("To")
    far.accept(other)
    assert far.said() == []


def test_481_to_the_first_request_is_a_refusal(far: FarEnd) -> None:
    far.answer(far.subscribed(), 481)
    assert far.said() == [(NUMBER, Answer.GAVE_UP, "481")]


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (404, Answer.GAVE_UP), (403, Answer.GAVE_UP), (489, Answer.GAVE_UP), (401, Answer.GAVE_UP),
        (604, Answer.GAVE_UP), (408, Answer.AWAY), (480, Answer.AWAY), (500, Answer.AWAY), (503, Answer.AWAY),
        (302, Answer.AWAY),
    ],
)  # fmt: skip
def test_refusals(far: FarEnd, status: int, answer: Answer) -> None:
    assert answer_of(status) is answer
    far.answer(far.subscribed(), status, Retry_After="120 (busy)")
    assert [item.retry_after for item in far.subscriber.said] == [120]
    assert far.said() == [(NUMBER, answer, str(status))]
    assert far.later(100) == []


@pytest.mark.parametrize(
    ("reason", "retry_after", "follows"),
    [
        ("deactivated", 0, Next.AGAIN), ("timeout", 0, Next.AGAIN), ("probation", 0, Next.LATER),
        ("giveup", 0, Next.LATER), ("rejected", 0, Next.NEVER), ("noresource", 0, Next.NEVER),
        ("invariant", 0, Next.NEVER), ("", 0, Next.AGAIN), ("", 60, Next.LATER), ("vendors-own", 60, Next.LATER),
        ("Rejected", 0, Next.NEVER),
    ],
)  # fmt: skip
def test_endings(far: FarEnd, reason: str, retry_after: int, follows: Next) -> None:
    assert after_ending(reason, retry_after) is follows
    request = far.subscribed()
    far.accept(request)
    far.notify(request, body("init"))
    far.later(40)
    state = "terminated" + (f";reason={reason}" if reason else "")
    far.notify(request, "", state + (f";retry-after={retry_after}" if retry_after else ""))
    assert len(far.sent()) == (follows is Next.AGAIN)
    assert [said[1] for said in far.said()] == {
        Next.AGAIN: [], Next.LATER: [Answer.AWAY], Next.NEVER: [Answer.GAVE_UP]
    }[follows]  # fmt: skip


def test_a_registrar_that_ends_at_once_is_not_hammered(far: FarEnd) -> None:
    request = far.subscribed()
    far.notify(request, "", "terminated;reason=deactivated")
    assert far.sent() == []
    assert far.said() == [(NUMBER, Answer.AWAY, "deactivated")]


def test_a_gap_between_versions_asks_for_the_whole_state(far: FarEnd) -> None:
    request = far.subscribed()
    far.accept(request)
    far.notify(request, body("init", "full", 4))
    far.notify(request, body("terminated", "partial", 5))
    assert far.sent() == []
    far.notify(request, body("terminated", "partial", 7))
    (refresh,) = far.sent()
    assert (call_id(refresh), refresh.header("Expires")) == (call_id(request), "600")
    far.accept(refresh)
    far.notify(request, body("terminated", "full", 1))
    assert far.later(10) == [], "a full state counts whatever its version"


def test_who_does_not_want_to_know_any_more_unsubscribes(far: FarEnd) -> None:
    request = far.subscribed()
    far.subscriber.unsubscribe(NUMBER)
    assert far.subscriber.numbers == []
    far.accept(request)
    (ending,) = far.sent()
    assert ending.header("Expires") == "0"
    far.answer(ending, 481)
    assert far.later(100) == []
    assert far.said() == []


def test_what_was_never_sent_needs_no_end() -> None:
    far = FarEnd(rate=1)
    far.subscriber.subscribe(OTHER)
    far.subscriber.subscribe(NUMBER)
    far.subscriber.unsubscribe(NUMBER)
    assert len(far.sent()) == 1
    far.subscriber.unsubscribe(OTHER)
    assert all(OTHER in message.header("To") for message in far.later(5))


def test_requests_are_paced() -> None:
    far = FarEnd(rate=10)
    for n in range(100):
        far.subscriber.subscribe(f"8613{n:09}")
    began = far.now
    first = [message for message in far.later(5) if message.cseq == 1]
    assert 45 <= len({call_id(message) for message in first}) <= 53
    assert far.now - began == pytest.approx(5)


def test_routes_are_kept(far: FarEnd) -> None:
    request = far.subscribed()
    far.answer(request, 200, Expires=100, Contact="sip:p@10.0.0.9", Record_Route="<sip:a;lr>, <sip:b;lr>")
    far.notify(request, body("init"), "active")
    (refresh,) = far.later(80)
    assert refresh.all("Route") == ["<sip:b;lr>", "<sip:a;lr>"]
    assert refresh.target == "sip:presence@10.0.0.9:5060", "the latest Contact"


@pytest.mark.parametrize(
    ("changes", "text", "status"),
    [
        ({"Call-ID": "forged"}, body(), 481),
        ({"To": "<sip:louhua@127.0.0.1>;tag=guessed"}, body(), 481),
        ({"To": "<sip:louhua@127.0.0.1>"}, body(), 481),
        ({"From": "<sip:a@b>"}, body(), 481),
        ({"From": "<sip:a@b>;tag=other-fork"}, body(), 481),
        ({"Event": "presence"}, body(), 489),
        ({"Event": ""}, body(), 489),
        ({"Subscription-State": ""}, body(), 400),
        ({"Content-Type": "application/pidf+xml"}, body(), 415),
        ({}, "<reginfo", 400),
        ({}, "<!DOCTYPE x>" + body(), 400),
    ],
)
def test_hostile_notifies_say_nothing(far: FarEnd, changes: dict[str, str], text: str, status: int) -> None:
    request = far.subscribed()
    far.accept(request)
    assert far.notify(request, text, changes=changes) == status
    assert Answer.ACTIVE not in [answer for _, answer, _ in far.said()]


def test_notifies_in_the_wrong_order(far: FarEnd) -> None:
    request = far.subscribed()
    far.accept(request)
    assert far.notify(request, body("init"), cseq=5) == 200
    assert far.notify(request, body("active"), cseq=4) == 500
    assert far.notify(request, body("active"), cseq=5) == 200, "a repetition: its content was taken already"
    assert far.said() == []
    assert far.notify(request, body("active"), cseq=6) == 200
    assert len(far.said()) == 1


def test_a_body_that_cannot_be_read_ends_the_subscription(far: FarEnd) -> None:
    request = far.subscribed()
    far.accept(request)
    far.notify(request, "<presence/>")
    assert far.said() == [(NUMBER, Answer.AWAY, "the root is not reginfo")]
    assert far.notify(request, body()) == 481


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 405), ("INVITE", 405), ("SUBSCRIBE", 405)])
def test_other_requests_are_not_for_us(far: FarEnd, method: str, status: int) -> None:
    message = Message(f"{method} sip:x SIP/2.0", (("Call-ID", "c"), ("CSeq", f"1 {method}")))
    answer = far.subscriber.receive(message, far.now)
    assert answer is not None
    assert (answer.status, answer.header("Allow")) == (status, "NOTIFY")


@pytest.mark.parametrize(
    ("value", "number"),
    [("60", 60), (" 60 ;duration=3", 60), ("60 (later)", 60), ("", 0), ("-1", 0), ("٣", 0), ("9" * 10, 604800)],
)
def test_seconds(value: str, number: int) -> None:
    assert seconds(value) == number


@given(st.integers(60, 86400), st.floats(0, 1))
def test_a_refresh_leaves_time_for_another_try(expires: int, spread: float) -> None:
    assert expires * 0.7 < refresh_after(expires, spread) <= expires * 0.9


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_datagram_is_survived(octets: bytes) -> None:
    subscriber = Subscriber(config())
    start = b"NOTIFY sip:x SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 NOTIFY\r\n"
    for datagram in (octets, start + octets, start + b"\r\n" + octets):
        if message := parse(datagram):
            answer = subscriber.receive(message, 0.0)
            if answer is not None:
                assert parse(answer.encode()) is not None


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: who is wanted is asked about, and nothing is left behind."""

    def __init__(self) -> None:
        super().__init__()
        self.far = FarEnd()
        self.requests: list[Message] = []
        self.wanted: set[str] = set()

    def _look(self, messages: list[Message]) -> None:
        self.requests = (self.requests + messages)[-20:]
        for number, _, _ in self.far.said():
            assert number in self.wanted, "only what was asked is told"
            self.wanted.discard(number)

    @rule(number=st.sampled_from([NUMBER, OTHER]))
    def subscribe(self, number: str) -> None:
        self.far.subscriber.subscribe(number)
        self.wanted.add(number)
        self._look(self.far.sent())

    @rule(number=st.sampled_from([NUMBER, OTHER]))
    def unsubscribe(self, number: str) -> None:
        self.far.subscriber.unsubscribe(number)
        self.wanted.discard(number)
        self._look(self.far.sent())

    @rule(data=st.data(), status=st.sampled_from([100, 200, 404, 423, 481, 503]), expires=st.integers(0, 700))
    def respond(self, data: st.DataObject, status: int, expires: int) -> None:
        if self.requests:
            request = data.draw(st.sampled_from(self.requests))
            self.far.answer(request, status, Expires=expires, Min_Expires=expires)
            self._look(self.far.sent())

    @rule(
        data=st.data(),
        text=st.sampled_from(["", "x", body("init"), body("active"), body("terminated", "partial", 3)]),
        state=st.sampled_from(["active;expires=60", "pending", "terminated", "terminated;reason=rejected", ""]),
    )
    def notify(self, data: st.DataObject, text: str, state: str) -> None:
        if self.requests:
            self.far.notify(data.draw(st.sampled_from(self.requests)), text, state)
            self._look(self.far.sent())

    @rule(seconds=st.sampled_from([0.5, 5, 40]))
    def wait(self, seconds: float) -> None:
        self._look(self.far.later(seconds))

    @invariant()
    def what_is_wanted_is_asked(self) -> None:
        assert set(self.far.subscriber.numbers) == self.wanted

    @invariant()
    def requests_are_counted(self) -> None:
        subscriber = self.far.subscriber
        open_requests = [sub for sub in subscriber._by_call.values() if sub.request is not None]
        assert subscriber._requests == len(open_requests)

    def teardown(self) -> None:
        for number in (NUMBER, OTHER):
            self.far.subscriber.unsubscribe(number)
        self.far.later(100)
        assert not self.far.subscriber._by_call, "nothing is left when nobody wants to know"


TestAnyOrder = AnyOrder.TestCase
