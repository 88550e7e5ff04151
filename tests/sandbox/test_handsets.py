"""The sandbox's phones and store, without a network; time is made up."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.bus.events import ReceiptState
from louhua.sandbox.handsets import ABSENT, Alert, Delivered, Effect, Handsets, Message, Report
from louhua.texts.encoding import segment, split_header

PHONE = "8613800138000"
SERVICE = "06001"
SOURCE, DESTINATION = (0, 1, SERVICE), (1, 1, PHONE)


def message(number: int = 1, body: str | bytes = "hello", **fields: Any) -> Message:
    values: dict[str, Any] = {
        "id": str(number),
        "owner": "louhua",
        "sender": SERVICE,
        "recipient": PHONE,
        "source": SOURCE,
        "destination": DESTINATION,
        "data_coding": 0,
        "body": body if isinstance(body, bytes) else body.encode("latin-1"),
        "submitted_at": 0.0,
        "expires_at": 100.0,
        "registered_delivery": 1,
    }
    return Message(**(values | fields))


def bodies(handsets: Handsets) -> list[str]:
    return [text.body for text in handsets.inbox(PHONE)]


def test_a_phone_never_mentioned_is_on() -> None:
    handsets, sent = Handsets(), message()
    assert handsets.is_on(PHONE)
    assert handsets.submit(sent, 1.0) == [Delivered(sent, 1.0), Report(sent, ReceiptState.DELIVERED, 1.0)]
    (text,) = handsets.inbox(PHONE)
    assert (text.sender, text.body, text.at.timestamp()) == (SERVICE, "hello", 1.0)


def test_a_phone_that_is_off_gets_it_when_it_returns() -> None:
    handsets, sent = Handsets(), message()
    handsets.phone_off(PHONE)
    assert handsets.submit(sent, 1.0) == []
    assert handsets.tick(50.0) == []
    assert (handsets.waiting(PHONE), bodies(handsets)) == (1, [])
    assert handsets.phone_on(PHONE, 60.0) == [
        Delivered(sent, 60.0),
        Report(sent, ReceiptState.DELIVERED, 60.0),
    ]
    assert (handsets.waiting(PHONE), bodies(handsets)) == (0, ["hello"])
    assert handsets.phone_on(PHONE, 61.0) == []


@pytest.mark.parametrize(
    ("registered", "on_submit", "on_return", "on_expiry"),
    [
        (0x00, [], [], []),
        (0x01, [], [ReceiptState.DELIVERED], [ReceiptState.EXPIRED]),
        (0x02, [], [], [ReceiptState.EXPIRED]),
        (0x10, [ReceiptState.ENROUTE], [], []),
        (0x11, [ReceiptState.ENROUTE], [ReceiptState.DELIVERED], [ReceiptState.EXPIRED]),
    ],
)
def test_reports_asked_for(
    registered: int,
    on_submit: list[ReceiptState],
    on_return: list[ReceiptState],
    on_expiry: list[ReceiptState],
) -> None:
    def states(effects: list[Effect]) -> list[ReceiptState]:
        return [effect.state for effect in effects if isinstance(effect, Report)]

    for finish, expected in ((True, on_return), (False, on_expiry)):
        handsets = Handsets()
        handsets.phone_off(PHONE)
        assert states(handsets.submit(message(registered_delivery=registered), 0.0)) == on_submit
        effects = handsets.phone_on(PHONE, 50.0) if finish else handsets.tick(100.0)
        assert states(effects) == expected


def test_absent_now_says_so() -> None:
    handsets, sent = Handsets(), message(registered_delivery=0x11)
    handsets.phone_off(PHONE)
    assert handsets.submit(sent, 1.0) == [
        Report(sent, ReceiptState.ENROUTE, 1.0, ABSENT, intermediate=True),
    ]


def test_validity_ends_while_the_phone_is_off() -> None:
    handsets, short, long = Handsets(), message(1, expires_at=10.0), message(2, "later", expires_at=20.0)
    handsets.phone_off(PHONE)
    handsets.submit(long, 0.0)
    handsets.submit(short, 0.0)
    assert handsets.tick(9.9) == []
    assert handsets.tick(10.0) == [Report(short, ReceiptState.EXPIRED, 10.0, ABSENT)]
    assert handsets.phone_on(PHONE, 15.0) == [Delivered(long, 15.0), Report(long, ReceiptState.DELIVERED, 15.0)]
    assert handsets.tick(30.0) == []
    record = handsets.query("1")
    assert record is not None
    assert (record.state, record.final_at, record.error) == (ReceiptState.EXPIRED, 10.0, ABSENT)


def test_what_expired_unnoticed_is_not_delivered() -> None:
    handsets, sent = Handsets(), message(expires_at=10.0)
    handsets.phone_off(PHONE)
    handsets.submit(sent, 0.0)
    assert handsets.phone_on(PHONE, 11.0) == [Report(sent, ReceiptState.EXPIRED, 11.0, ABSENT)]
    assert bodies(handsets) == []


def test_urgent_messages_first_then_in_order() -> None:
    handsets = Handsets()
    handsets.phone_off(PHONE)
    for number, (body, priority) in enumerate([("a", 0), ("b", 1), ("c", 0), ("d", 1)]):
        handsets.submit(message(number, body, priority=priority), 0.0)
    handsets.phone_on(PHONE, 1.0)
    assert bodies(handsets) == ["b", "d", "a", "c"]


def test_type_0_is_acknowledged_and_not_shown() -> None:
    handsets, probe = Handsets(), message(protocol_id=0x40)
    handsets.phone_off(PHONE)
    handsets.submit(probe, 0.0)
    assert handsets.phone_on(PHONE, 1.0) == [
        Delivered(probe, 1.0),
        Report(probe, ReceiptState.DELIVERED, 1.0),
    ]
    assert bodies(handsets) == []


def test_replace_types_take_the_place_of_the_same_sender_s_same_type() -> None:
    handsets = Handsets()
    sent = [
        message(1, "plain"), message(2, "one", protocol_id=0x41), message(3, "two", protocol_id=0x42),
        message(4, "other", protocol_id=0x41, sender="10086"), message(5, "one again", protocol_id=0x41),
        message(6, "plain again"),
    ]  # fmt: skip
    for one in sent:
        handsets.submit(one, 0.0)
    assert bodies(handsets) == ["plain", "two", "other", "one again", "plain again"]


def test_parts_are_read_as_one_text_when_all_are_there() -> None:
    handsets, long = Handsets(), "漏话提醒" * 40
    parts = segment(long, 7)
    for number, part in enumerate(reversed(parts)):
        assert bodies(handsets) == []
        place, body = split_header(part.payload)
        handsets.submit(message(number, data_coding=8, part=place, body=body), 0.0)
    assert bodies(handsets) == [long]


def test_set_dpf_alerts_each_asker_once() -> None:
    handsets = Handsets()
    handsets.phone_off(PHONE)
    handsets.submit(message(1, wants_alert=True), 0.0)
    handsets.submit(message(2, wants_alert=True), 0.0)
    handsets.submit(message(3, wants_alert=True, owner="other"), 0.0)
    alerts = [effect for effect in handsets.phone_on(PHONE, 1.0) if isinstance(effect, Alert)]
    assert alerts == [Alert("louhua", DESTINATION, SOURCE), Alert("other", DESTINATION, SOURCE)]
    handsets.phone_off(PHONE)
    assert handsets.phone_on(PHONE, 2.0) == []


def test_set_dpf_on_a_phone_that_is_on_alerts_nobody() -> None:
    handsets = Handsets()
    handsets.submit(message(wants_alert=True), 0.0)
    handsets.phone_off(PHONE)
    assert handsets.phone_on(PHONE, 1.0) == []


def test_cancel_and_replace_work_while_it_waits() -> None:
    handsets = Handsets()
    handsets.phone_off(PHONE)
    first, second = message(1), message(2, expires_at=10.0)
    handsets.submit(first, 0.0)
    handsets.submit(second, 0.0)
    assert handsets.waiting_between(SERVICE, PHONE) == ["1", "2"]
    assert handsets.waiting_between("10086", PHONE) == []
    assert handsets.cancel("1", 1.0) == [Report(first, ReceiptState.DELETED, 1.0)]
    assert handsets.cancel("1", 1.0) is None
    assert handsets.replace("2", b"new", 0, 20.0)
    assert not handsets.replace("1", b"new", 0, None)
    assert handsets.tick(15.0) == [], "the new validity counts"
    effects = handsets.phone_on(PHONE, 16.0)
    assert [type(effect) for effect in effects] == [Delivered]
    assert bodies(handsets) == ["new"]
    assert handsets.cancel("2", 17.0) is None
    assert not handsets.replace("2", b"newer", 0, None)
    assert handsets.query("3") is None


def test_replacing_with_a_shorter_validity_counts_too() -> None:
    handsets = Handsets()
    handsets.phone_off(PHONE)
    handsets.submit(message(1), 0.0)
    assert handsets.replace("1", b"new", 1, 5.0)
    assert [type(effect) for effect in handsets.tick(5.0)] == [Report]


def test_a_full_inbox_loses_its_oldest() -> None:
    handsets = Handsets()
    for number in range(1003):
        handsets.submit(message(number, f"text {number}"), 0.0)
    assert len(bodies(handsets)) == 1000
    assert bodies(handsets)[0] == "text 3"


def test_finished_messages_are_forgotten_in_the_end() -> None:
    handsets = Handsets(keep=2)
    for number in range(4):
        handsets.submit(message(number), 0.0)
    assert [handsets.query(str(number)) is not None for number in range(4)] == [False, False, True, True]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 30)),
        st.tuples(st.just("on"), st.just(0)),
        st.tuples(st.just("off"), st.just(0)),
        st.tuples(st.just("cancel"), st.integers(0, 10)),
        st.tuples(st.just("wait"), st.integers(0, 15)),
    ),
    max_size=40,
)


@given(steps)
def test_every_message_ends_once_and_never_on_a_phone_that_is_off(script: list[tuple[str, int]]) -> None:
    handsets, now = Handsets(), 0.0
    sent: dict[str, Message] = {}
    effects: list[Effect] = []
    for action, amount in script:
        before = len(effects)
        if action == "submit":
            one = message(len(sent), expires_at=now + amount)
            sent[one.id] = one
            effects += handsets.submit(one, now)
        elif action == "on":
            effects += handsets.phone_on(PHONE, now)
        elif action == "off":
            handsets.phone_off(PHONE)
        elif action == "cancel":
            effects += handsets.cancel(str(amount), now) or []
        else:
            now += amount
            effects += handsets.tick(now)
        if any(isinstance(effect, Delivered) for effect in effects[before:]):
            assert handsets.is_on(PHONE)
    effects += handsets.tick(now + 1000)
    reported = [effect.message.id for effect in effects if isinstance(effect, Report)]
    delivered = [effect.message for effect in effects if isinstance(effect, Delivered)]
    assert sorted(reported) == sorted(sent), "one report each"
    assert len(delivered) == len({one.id for one in delivered}) == len(handsets.inbox(PHONE))
    assert all(effect.at < effect.message.expires_at for effect in effects if isinstance(effect, Delivered))
    assert handsets.waiting(PHONE) == 0
