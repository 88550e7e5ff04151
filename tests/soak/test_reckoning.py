"""The reckoning finds what is wrong: one good soak, spoilt in one place at a time."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from louhua.alerts.states import Kind
from louhua.alerts.wording import Facts, Wording
from louhua.bus.events import Choice, Reason
from louhua.charging.plans import Plan
from louhua.config import Service
from louhua.sandbox.handsets import TYPE_0, Message
from louhua.soak import reckoning
from louhua.soak.ledger import PROOF, Call, Dialled, Ended, Person
from louhua.soak.money import UNCHARGED, Books
from louhua.soak.reckoning import Evidence, Record, Written, reckon
from louhua.soak.smsc import Got, JournalLine, Switched, Taken
from louhua.texts.encoding import segment, split_header

OPEN, TEASED, PRIVATE = "8613800000000", "8613800000001", "8613800000002"
ANNA, BEN = "8613900000000", "8613900000001"
OFF, ON = 100.0, 200.0
"""When all phones were off."""

PEOPLE = [
    Person(number=OPEN, registered=True, voicemail=True, tells_power_on=True),
    Person(number=TEASED, registered=False, voicemail=False, tells_power_on=True),
    Person(number=PRIVATE, registered=True, voicemail=False, tells_power_on=False),
]


def call(name: str, caller: str, callee: str, wants: Choice, at: float, **ended: Any) -> Call:
    """A call whose caller heard that the choice was taken, unless ``ended`` says otherwise."""
    heard = ("menu-intro", *([PROOF[wants]] if wants in PROOF else []))
    well: dict[str, Any] = {
        "noticed": True,
        "answered_at": at + 0.1,
        "status": 200,
        "ended_by": "platform",
        "pressed": "2",
        "heard": heard,
    }
    return Call(
        Dialled(call_id=name, at=at, caller=caller, callee=callee, reason=Reason.UNREACHABLE, wants=wants),
        Ended(call_id=name, at=at + 4, **(well | ended)),
    )


def record(of: Call, **changes: Any) -> Record:
    dialled = of.dialled
    kept = Record(
        id=f"r-{dialled.call_id}",
        sip_call_id=dialled.call_id,
        caller=dialled.caller,
        callee=dialled.callee,
        choice=dialled.wants,
    )
    return msgspec.structs.replace(kept, **changes)


CALLS = [
    call("c1", ANNA, OPEN, Choice.CALL_BACK, 110),
    call("c2", ANNA, OPEN, Choice.CALL_BACK, 120),
    call("c3", BEN, OPEN, Choice.POWER_ON, 130),
    call("c4", ANNA, TEASED, Choice.NONE, 140),
    call("c5", BEN, TEASED, Choice.NONE, 150),
    call("c6", BEN, PRIVATE, Choice.POWER_ON, 160),
    call("c7", ANNA, OPEN, Choice.MESSAGE, 170),
    call("c8", BEN, OPEN, Choice.CALL_OTHER, 175),
]


def words(kind: Kind, callee: str, caller: str, calls: int) -> str:
    facts = Facts(
        kind=kind,
        callee=callee,
        caller=caller,
        calls=calls,
        last_at=datetime(2026, 11, 23, 9, 5, tzinfo=UTC),
        other_number="861088886666",
    )
    return Wording(Service(), 24).alert(facts, None)


def text(
    row: int, recipient: str, body: str, at: float = ON + 1, copy: str = "", tp_pid: int = 0, got_at: float = 0
) -> list[JournalLine]:
    """A text in the SMSC's journal: each of its messages is taken, and got at once."""
    lines: list[JournalLine] = []
    for number, part in enumerate(segment(body, row)):
        concatenation, payload = split_header(part.payload) if part.esm_class & 0x40 else (None, part.payload)
        message = Message(
            id=f"m{row}.{number}{copy}",
            owner="louhua",
            sender="06001",
            recipient=recipient,
            source=(0, 1, "06001"),
            destination=(1, 1, recipient),
            data_coding=part.data_coding,
            body=payload,
            part=concatenation,
            submitted_at=at,
            expires_at=at + 1000,
            reference=row & 0xFFFF,
            protocol_id=tp_pid,
        )
        lines += [Taken(message), Got(message.id, got_at or at)]
    return lines


TEXTS = {
    1: (OPEN, words(Kind.CALL_BACK, OPEN, ANNA, 2), 2),
    2: (BEN, words(Kind.POWER_ON, OPEN, BEN, 1), 1),
    3: (TEASED, words(Kind.TEASER, TEASED, "", 2), 2),
    4: (PRIVATE, words(Kind.MISSED, PRIVATE, BEN, 1), 1),
    5: (OPEN, words(Kind.MESSAGE, OPEN, ANNA, 1), 1),
    6: (OPEN, words(Kind.CALL_OTHER, OPEN, BEN, 1), 1),
}
"""By their ids in the outbox: recipient, body, and how many calls the alert counts."""

SWITCHES: list[JournalLine] = [
    Switched(phone, on, at) for phone in (OPEN, TEASED, PRIVATE) for on, at in ((False, OFF), (True, ON))
]


def journal(without: Sequence[int] = (), more: Sequence[JournalLine] = ()) -> list[JournalLine]:
    lines = [line for row, (to, body, _) in TEXTS.items() if row not in without for line in text(row, to, body)]
    return [*SWITCHES, *lines, *more]


def outbox(resent: Sequence[int] = (), more: Sequence[Written] = ()) -> list[Written]:
    rows = [
        Written(id=row, recipient=to, resent=row in resent, alert_id=10 * row, alert_calls=calls)
        for row, (to, _, calls) in TEXTS.items()
    ]
    return [*rows, *more]


BOOKS = Books(plan=Plan(name="free", valid_from=date(2026, 1, 1)), zone=ZoneInfo("Asia/Shanghai"))
"""Nothing costs anything."""


def evidence(**changes: Any) -> Evidence:
    good = Evidence(
        people=PEOPLE,
        calls=CALLS,
        records=[record(one) for one in CALLS],
        outbox=outbox(),
        journal=journal(),
        books=BOOKS,
    )
    return msgspec.structs.replace(good, **changes)


def found(**changes: Any) -> set[str]:
    return {difference.what for difference in reckon(evidence(**changes)).differences}


def test_a_good_soak_has_no_differences() -> None:
    result = reckon(evidence())
    assert result.differences == []
    assert (result.calls, result.taken, result.recorded) == (8, 8, 8)
    assert (result.owed, result.told, result.texts, result.resent) == (8, 8, 6, 0)


ALERT_TWICE = text(7, OPEN, TEXTS[1][1], ON + 2)
NOT_YET = text(1, OPEN, TEXTS[1][1], OFF + 30)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"records": [record(one) for one in CALLS[1:]]}, {reckoning.LOST_CALL, reckoning.DOUBLED_TEXT}),
        (
            {"records": [*(record(one) for one in CALLS), record(CALLS[6], id="again")]},
            {reckoning.DOUBLED_CALL, reckoning.LOST_TEXT},
        ),
        (
            {"records": [*(record(one) for one in CALLS), record(CALLS[0], sip_call_id="?")]},
            {reckoning.UNKNOWN_CALL},
        ),
        (
            {"records": [record(CALLS[0], caller=BEN), *(record(one) for one in CALLS[1:])]},
            {reckoning.WRONG_CALL, reckoning.LOST_TEXT, reckoning.DOUBLED_TEXT},
        ),
        (
            {"records": [record(CALLS[0], choice=Choice.NONE), *(record(one) for one in CALLS[1:])]},
            {reckoning.WRONG_CALL, reckoning.LOST_TEXT, reckoning.DOUBLED_TEXT},
        ),
        *(({"journal": journal(without=[row])}, {reckoning.LOST_TEXT}) for row in TEXTS),
        *(
            ({"journal": journal(more=text(row, to, body, ON + 2, "again"))}, {reckoning.DOUBLED_TEXT})
            for row, (to, body, _) in TEXTS.items()
        ),
        (
            {
                "journal": journal(more=ALERT_TWICE),
                "outbox": outbox(more=[Written(id=7, recipient=OPEN, resent=False, alert_id=70, alert_calls=2)]),
            },
            {reckoning.DOUBLED_TEXT},
        ),
        (
            {
                "journal": journal(more=ALERT_TWICE),
                "outbox": outbox(more=[Written(id=7, recipient=OPEN, resent=False, alert_id=10, alert_calls=2)]),
            },
            {reckoning.DOUBLED_TEXT},
        ),
        ({"journal": journal(more=ALERT_TWICE)}, {reckoning.UNKNOWN_TEXT}),
        ({"journal": journal(more=text(1, OPEN, "你好", ON + 2))}, {reckoning.DOUBLED_TEXT}),
        ({"journal": journal(without=[1], more=NOT_YET)}, {reckoning.PHONE_OFF}),
        (
            {"journal": journal(without=[2], more=text(2, BEN, TEXTS[2][1], OFF + 50))},
            {reckoning.PHONE_OFF},
        ),
        (
            {
                "journal": journal(more=text(7, BEN, words(Kind.POWER_ON, PRIVATE, BEN, 1))),
                "outbox": outbox(more=[Written(id=7, recipient=BEN, resent=False, alert_id=70, alert_calls=1)]),
            },
            {reckoning.FORBIDDEN},
        ),
        ({"outbox": outbox()[:-1]}, {reckoning.UNKNOWN_TEXT, reckoning.LOST_TEXT}),
    ],
)
def test_what_is_wrong_is_found(changes: dict[str, Any], what: set[str]) -> None:
    assert found(**changes) == what


def test_money_is_reckoned_too() -> None:
    plan = Plan.model_validate({"name": "dear", "valid_from": date(2026, 1, 1), "items": {"missed": {"price": 1}}})
    assert found(books=msgspec.structs.replace(BOOKS, plan=plan)) == {UNCHARGED}


def test_a_text_that_came_twice_is_allowed_where_it_is_marked() -> None:
    result = reckon(
        evidence(journal=journal(more=text(1, OPEN, TEXTS[1][1], ON + 2, "again")), outbox=outbox([1]))
    )
    assert result.differences == []
    assert (result.marked, result.resent, result.texts, result.told) == (1, 1, 7, 8)


def test_an_alert_written_again_counts_once_where_its_first_text_is_marked() -> None:
    again = Written(id=7, recipient=OPEN, resent=False, alert_id=10, alert_calls=2)
    result = reckon(evidence(journal=journal(more=ALERT_TWICE), outbox=outbox([1], [again])))
    assert result.differences == []
    assert result.resent == 1


def test_a_text_of_two_parts_counts_when_both_are_there() -> None:
    long = text(5, OPEN, TEXTS[5][1] + "。" * 60)
    assert len(long) == 4
    assert found(journal=journal(without=[5], more=long)) == set()
    assert found(journal=journal(without=[5], more=long[:2])) == {reckoning.LOST_TEXT}


def test_probes_are_no_texts() -> None:
    assert found(journal=journal(more=text(9, OPEN, "x", OFF + 10, tp_pid=TYPE_0))) == set()


def test_a_text_on_a_phone_that_is_off_is_found() -> None:
    lines = [line for line in journal() if not isinstance(line, Switched) or line.number != OPEN]
    assert found(journal=[*lines, Switched(OPEN, False, OFF)]) == {reckoning.PHONE_OFF}


def test_what_the_phone_was_on_for_may_come_after_it_is_off_again() -> None:
    assert found(journal=[*journal(), Switched(OPEN, False, ON + 0.5), Switched(OPEN, True, ON + 1)]) == set()


@pytest.mark.parametrize(("rang_at", "answered_at", "late"), [
    (OFF - 5, OFF + 20, True), (OFF - 5, None, True), (OFF - 5, OFF - 4, False), (OFF - 500, None, False),
])  # fmt: skip
def test_news_of_a_phone_that_was_late_is_no_fault_of_the_platform(
    rang_at: float, answered_at: float | None, late: bool
) -> None:
    rang = call("c9", ANNA, PRIVATE, Choice.NONE, rang_at, answered_at=answered_at)
    rang = Call(msgspec.structs.replace(rang.dialled, reason=Reason.BUSY), rang.ended)
    told = text(4, PRIVATE, words(Kind.MISSED, PRIVATE, BEN, 1), OFF + 70, got_at=ON)
    result = reckon(evidence(calls=[*CALLS, rang], journal=journal(without=[4], more=told)))
    wrong = [each for each in result.differences if each.what == reckoning.PHONE_OFF]
    assert (result.late, bool(wrong)) == (late, not late)


@pytest.mark.parametrize(
    ("ended", "recorded_as", "what"),
    [
        ({"noticed": False, "status": 0, "pressed": "", "heard": ()}, None, set()),
        ({"status": 503, "pressed": "", "heard": ()}, None, set()),
        ({"status": 0, "pressed": "", "heard": ()}, None, {reckoning.LOST_CALL}),
        ({"heard": ("menu-intro",)}, None, {reckoning.LOST_CALL}),
        ({"heard": ("menu-intro",)}, Choice.NONE, {reckoning.LOST_TEXT}),
        ({"heard": ("menu-intro",)}, Choice.CALL_BACK, {reckoning.LOST_TEXT}),
        ({"heard": ("menu-intro",)}, Choice.POWER_ON, {reckoning.WRONG_CALL, reckoning.LOST_TEXT}),
        ({"pressed": "", "heard": ()}, Choice.CALL_BACK, {reckoning.WRONG_CALL, reckoning.LOST_TEXT}),
        ({"heard": ("menu-intro", "no-key", "goodbye")}, Choice.NONE, {reckoning.LOST_TEXT}),
    ],
)
def test_a_call_that_broke_off_is_judged_by_what_its_caller_knows(
    ended: dict[str, Any], recorded_as: Choice | None, what: set[str]
) -> None:
    broken = call("c9", ANNA, PRIVATE, Choice.CALL_BACK, 180, **ended)
    records = [record(one) for one in CALLS]
    if recorded_as is not None:
        records.append(record(broken, choice=recorded_as))
    assert found(calls=[*CALLS, broken], records=records) == what
