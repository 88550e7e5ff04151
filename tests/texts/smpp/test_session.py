"""Sessions of both roles, without sockets; time is made up."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louhua.texts.smpp.codec import RESPONSES, decode, encode
from louhua.texts.smpp.errors import PduError, ProtocolError, WindowFull
from louhua.texts.smpp.frames import FrameDecoder
from louhua.texts.smpp.pdu import (
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QuerySm,
    QuerySmResp,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)
from louhua.texts.smpp.session import Answered, Broken, Event, Expired, Limits, PeerUnbound, Received, Session
from louhua.texts.smpp.states import Role, State
from louhua.texts.smpp.status import Status

LIMITS = Limits(window=3, unanswered=2, response_timeout=10.0, enquire_link=30.0, init_timeout=5.0)


def sent(session: Session) -> list[Pdu]:
    frames, error = FrameDecoder().feed(session.data_to_send())
    assert error is None
    return [decode(frame) for frame in frames]


def bound(role: Role = Role.ESME, bind: type[Pdu] = BindTransceiver, now: float = 0.0) -> Session:
    """A session in the state that the bind leads to."""
    session = Session(role, now, LIMITS)
    response = RESPONSES[bind]
    if role is Role.ESME:
        session.request(bind(), now, "bind")
        assert session.receive(encode(response(1)), now) == [Answered(response(1), "bind")]
    else:
        session.receive(encode(bind(1)), now)
        assert session.respond(response(1))
    session.data_to_send()
    return session


@pytest.mark.parametrize(
    ("bind", "state"),
    [
        (BindTransceiver, State.BOUND_TRX),
        (BindReceiver, State.BOUND_RX),
        (BindTransmitter, State.BOUND_TX),
    ],
)
@pytest.mark.parametrize("role", list(Role))
def test_a_bind_leads_to_its_state(role: Role, bind: type[Pdu], state: State) -> None:
    assert bound(role, bind).state is state


def test_a_refused_bind_leaves_the_session_open() -> None:
    session = Session(Role.ESME, 0.0, LIMITS)
    session.request(BindTransceiver(), 0.0, "bind")
    assert session.receive(encode(BindTransceiverResp(1, 0x0E)), 0.1) == [
        Answered(BindTransceiverResp(1, 0x0E), "bind")
    ]
    assert session.state is State.OPEN


def test_requests_are_numbered_and_responses_find_them_in_any_order() -> None:
    session = bound()
    numbers = [session.request(SubmitSm(destination_addr=str(n)), 1.0, n) for n in range(3)]
    assert numbers == [2, 3, 4]
    assert [pdu.sequence for pdu in sent(session)] == numbers
    responses = [SubmitSmResp(4, 0, "c"), SubmitSmResp(2, 0, "a"), SubmitSmResp(3, 0x58)]
    events = session.receive(b"".join(map(encode, responses)), 2.0)
    assert events == [Answered(responses[0], 2), Answered(responses[1], 0), Answered(responses[2], 1)]
    assert session.outstanding == 0


def test_sequence_numbers_wrap_and_skip_what_waits() -> None:
    session = bound()
    session._sequence = 0x7FFFFFFE
    assert session.request(SubmitSm(), 0.0) == 0x7FFFFFFF
    assert session.request(SubmitSm(), 0.0) == 1
    session._sequence = 0x7FFFFFFE
    assert session.request(SubmitSm(), 0.0) == 2


def test_the_window_is_kept_and_control_passes_it() -> None:
    session = bound()
    for _ in range(3):
        session.request(SubmitSm(), 0.0)
    assert session.room == 0
    with pytest.raises(WindowFull):
        session.request(QuerySm(), 0.0)
    session.request(EnquireLink(), 0.0)
    session.receive(encode(SubmitSmResp(2)), 0.0)
    assert session.room == 1


def test_what_may_not_be_sent_is_refused_and_leaves_no_trace() -> None:
    session = bound(bind=BindReceiver)
    with pytest.raises(ProtocolError):
        session.request(SubmitSm(), 0.0)
    with pytest.raises(ProtocolError):
        session.request(DeliverSm(), 0.0)
    transceiver = bound()
    with pytest.raises(PduError):
        transceiver.request(SubmitSm(destination_addr="1" * 30), 0.0)
    assert transceiver.outstanding == 0
    assert session.data_to_send() == transceiver.data_to_send() == b""


def test_deliver_sm_waits_for_its_owner() -> None:
    session = bound()
    assert session.receive(encode(DeliverSm(9, short_message=b"x")), 1.0) == [
        Received(DeliverSm(9, short_message=b"x"))
    ]
    assert session.data_to_send() == b""
    assert session.unanswered == 1
    assert session.respond(DeliverSmResp(9))
    assert sent(session) == [DeliverSmResp(9)]
    assert not session.respond(DeliverSmResp(9)), "once is enough"
    assert not session.respond(DeliverSmResp(10)), "never asked"
    assert session.data_to_send() == b""


def test_too_many_unanswered_are_refused_for_now() -> None:
    session = bound()
    stream = b"".join(encode(DeliverSm(number)) for number in (7, 8, 9))
    assert session.receive(stream, 0.0) == [Received(DeliverSm(7)), Received(DeliverSm(8))]
    assert sent(session) == [DeliverSmResp(9, Status.ESME_RX_T_APPN)]
    session.respond(DeliverSmResp(7))
    assert session.receive(encode(DeliverSm(9)), 0.0) == [Received(DeliverSm(9))]


def test_alert_notification_and_outbind_need_no_answer() -> None:
    alert = AlertNotification(5, source_addr="1")
    session = bound()
    assert session.receive(encode(alert), 0.0) == [Received(alert)]
    fresh = Session(Role.ESME, 0.0, LIMITS)
    assert fresh.receive(encode(Outbind(6)), 0.0) == [Received(Outbind(6))]
    assert session.unanswered == fresh.unanswered == 0


def test_enquire_link_and_unbind_are_answered_at_once() -> None:
    session = bound()
    assert session.receive(encode(EnquireLink(5)), 0.0) == []
    assert session.receive(encode(Unbind(6)), 0.0) == [PeerUnbound()]
    assert sent(session) == [EnquireLinkResp(5), UnbindResp(6)]
    assert session.state is State.UNBOUND


def test_our_unbind_ends_when_it_is_answered() -> None:
    session = bound()
    number = session.request(Unbind(), 0.0, "unbind")
    assert session.receive(encode(UnbindResp(number)), 0.1) == [Answered(UnbindResp(number), "unbind")]
    assert session.state is State.UNBOUND
    with pytest.raises(ProtocolError):
        session.request(SubmitSm(), 0.2)


@pytest.mark.parametrize(
    ("role", "bind", "request_", "response"),
    [
        (Role.SMSC, BindReceiver, SubmitSm(5), SubmitSmResp(5, Status.ESME_RINVBNDSTS)),
        (Role.SMSC, BindTransceiver, BindReceiver(5), BindReceiverResp(5, Status.ESME_RALYBND)),
        (Role.ESME, BindTransceiver, SubmitSm(5), SubmitSmResp(5, Status.ESME_RINVBNDSTS)),
        (Role.ESME, BindTransmitter, DeliverSm(5), DeliverSmResp(5, Status.ESME_RINVBNDSTS)),
    ],
)
def test_what_is_out_of_place_is_refused(role: Role, bind: type[Pdu], request_: Pdu, response: Pdu) -> None:
    session = bound(role, bind)
    assert session.receive(encode(request_), 0.0) == []
    assert sent(session) == [response]


def test_a_submit_before_the_bind_is_refused() -> None:
    session = Session(Role.SMSC, 0.0, LIMITS)
    assert session.receive(encode(SubmitSm(1)), 0.0) == []
    assert sent(session) == [SubmitSmResp(1, Status.ESME_RINVBNDSTS)]


def test_an_alert_out_of_place_is_passed_over() -> None:
    assert bound(bind=BindTransmitter).receive(encode(AlertNotification(5)), 0.0) == []


def raw(number: int, body: bytes = b"", sequence: int = 9) -> bytes:
    return struct.pack(">IIII", 16 + len(body), number, 0, sequence) + body


def test_malformed_requests_are_answered_and_the_session_goes_on() -> None:
    session = bound()
    events = session.receive(raw(0x99) + raw(5, b"x") + encode(DeliverSm(3)), 0.0)
    assert events == [Received(DeliverSm(3))]
    assert sent(session) == [
        GenericNack(9, Status.ESME_RINVCMDID),
        DeliverSmResp(9, Status.ESME_RINVCMDLEN),
    ]


def test_malformed_responses_are_passed_over() -> None:
    session = bound()
    assert session.receive(raw(0x80000099) + raw(0x80000003, b"x", 2), 0.0) == []
    assert session.data_to_send() == b""


def test_an_impossible_length_breaks_the_session() -> None:
    session = bound()
    events = session.receive(encode(DeliverSm(3)) + b"\0\0\0\x0f" + bytes(30), 0.0)
    assert events == [Received(DeliverSm(3)), Broken("command_length is 15")]
    assert sent(session) == [GenericNack(0, Status.ESME_RINVCMDLEN)]
    assert session.state is State.CLOSED
    assert session.receive(encode(DeliverSm(4)), 0.0) == []


def test_responses_to_nothing_are_counted() -> None:
    session = bound()
    number = session.request(QuerySm(), 0.0, "query")
    assert session.receive(encode(SubmitSmResp(number)) + encode(SubmitSmResp(99)), 0.0) == []
    assert session.faults.strays == 2
    assert session.receive(encode(QuerySmResp(number)), 0.0) == [Answered(QuerySmResp(number), "query")]


def test_generic_nack_answers_any_request() -> None:
    session = bound()
    number = session.request(SubmitSm(), 0.0, "text")
    nack = GenericNack(number, Status.ESME_RINVCMDID)
    assert session.receive(encode(nack), 0.0) == [Answered(nack, "text")]
    assert session.room == 3


def test_requests_expire_in_their_order() -> None:
    session = bound()
    session.request(SubmitSm(), 1.0, "a")
    session.request(SubmitSm(), 2.0, "b")
    assert session.next_tick() == 11.0
    assert session.tick(10.9) == []
    assert session.tick(11.0) == [Expired("a")]
    assert session.room == 2
    assert session.receive(encode(SubmitSmResp(2)), 11.5) == []
    assert session.faults.strays == 1
    assert session.tick(12.0) == [Expired("b")]


def test_a_lost_connection_expires_everything() -> None:
    session = bound()
    session.request(SubmitSm(), 1.0, "a")
    session.request(EnquireLink(), 1.0, "e")
    session.receive(encode(DeliverSm(3)), 1.0)
    assert session.lost() == [Expired("a"), Expired("e")]
    assert session.state is State.CLOSED
    assert not session.respond(DeliverSmResp(3))
    assert session.lost() == []


@pytest.mark.parametrize("role", list(Role))
def test_no_bind_in_time_breaks(role: Role) -> None:
    session = Session(role, 100.0, LIMITS)
    assert session.next_tick() == 105.0
    assert session.tick(104.9) == []
    assert session.tick(105.0) == [Broken("no bind in time")]
    assert session.tick(106.0) == []


def test_a_silent_peer_is_asked_and_then_given_up() -> None:
    session = bound(now=0.0)
    assert session.next_tick() == 30.0
    assert session.tick(29.9) == []
    assert session.data_to_send() == b""
    assert session.tick(30.0) == []
    assert sent(session) == [EnquireLink(2)]
    assert session.next_tick() == 40.0
    assert session.tick(35.0) == []
    assert session.data_to_send() == b"", "asked once"
    assert session.tick(40.0) == [Broken("the peer is silent")]


def test_an_answered_enquire_link_starts_over() -> None:
    session = bound()
    session.tick(30.0)
    assert session.receive(encode(EnquireLinkResp(2)), 31.0) == []
    assert session.tick(45.0) == []
    assert session.next_tick() == 61.0


def test_any_octet_is_a_sign_of_life() -> None:
    session = bound()
    session.tick(30.0)
    session.receive(encode(DeliverSm(3))[:5], 39.0)
    assert session.tick(41.0) == []
    assert session.state is State.BOUND_TRX


@given(st.lists(st.binary(max_size=50), max_size=8), st.sampled_from(list(Role)), st.booleans())
def test_noise_never_raises(chunks: list[bytes], role: Role, after_bind: bool) -> None:
    session = bound(role) if after_bind else Session(role, 0.0, LIMITS)
    for now, chunk in enumerate(chunks):
        session.receive(chunk, float(now))
        session.tick(float(now))
    sent(session)


pdu_kinds = st.sampled_from(
    [SubmitSm, QuerySm, DeliverSm, BindTransceiver, Unbind, EnquireLink, GenericNack, SubmitSmResp]
)


@given(st.lists(st.tuples(pdu_kinds, st.integers(0, 6), st.integers(0, 2)), max_size=12))
def test_well_formed_pdus_in_any_order_never_raise(script: list[tuple[type[Pdu], int, int]]) -> None:
    session = bound()
    for now, (kind, sequence, status) in enumerate(script):
        session.receive(encode(kind(sequence, status)), float(now))
        session.tick(float(now))
    sent(session)


class Wire:
    """Two sessions, the octets between them cut anywhere."""

    def __init__(self) -> None:
        limits = Limits(window=4, unanswered=100)
        self.esme, self.smsc = Session(Role.ESME, 0.0, limits), Session(Role.SMSC, 0.0, limits)
        self.up = self.down = b""
        self.results: dict[Any, Pdu | None] = {}
        self.asked: list[Pdu] = []

    def move(self, upwards: bool, octets: int, now: float) -> None:
        self.up += self.esme.data_to_send()
        self.down += self.smsc.data_to_send()
        if upwards:
            chunk, self.up = self.up[:octets], self.up[octets:]
            self.handle(self.smsc.receive(chunk, now))
        else:
            chunk, self.down = self.down[:octets], self.down[octets:]
            self.handle(self.esme.receive(chunk, now))

    def handle(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Received):
                self.asked.append(event.pdu)
            elif isinstance(event, Answered):
                assert event.token not in self.results
                self.results[event.token] = event.pdu
            elif isinstance(event, Expired):
                assert event.token not in self.results
                self.results[event.token] = None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.just(0)),
        st.tuples(st.just("answer"), st.integers(0, 3)),
        st.tuples(st.just("up"), st.integers(1, 200)),
        st.tuples(st.just("down"), st.integers(1, 200)),
        st.tuples(st.just("wait"), st.integers(1, 8)),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(steps, st.booleans())
def test_every_request_has_one_result(script: list[tuple[str, int]], cut: bool) -> None:
    """However requests, answers, octets and time interleave, and whether the line is cut or drained."""
    wire, now = Wire(), 0.0
    numbers: list[int] = []
    wire.esme.request(BindTransceiver(), now, "bind")
    wire.move(True, 1000, now)
    wire.smsc.respond(BindTransceiverResp(wire.asked.pop().sequence))
    wire.move(False, 1000, now)
    for action, amount in script:
        if action == "submit" and wire.esme.state is State.BOUND_TRX and wire.esme.room:
            numbers.append(wire.esme.request(SubmitSm(short_message=bytes(20)), now, len(numbers)))
        elif action == "answer" and wire.asked:
            number = wire.asked.pop(amount % len(wire.asked)).sequence
            wire.smsc.respond(SubmitSmResp(number, 0, str(number)))
        elif action in ("up", "down"):
            wire.move(action == "up", amount, now)
        elif action == "wait":
            now += amount
            wire.handle(wire.esme.tick(now))
    if cut:
        wire.handle(wire.esme.lost())
    else:
        wire.handle(wire.esme.tick(now + 100))
        wire.handle(wire.esme.lost())
    assert set(wire.results) == {"bind", *range(len(numbers))}
    assert wire.esme.outstanding == 0
    for key, number in enumerate(numbers):
        assert wire.results[key] in (None, SubmitSmResp(number, 0, str(number)))
