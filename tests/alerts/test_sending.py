"""What becomes of due alerts, as tables: told, put off, never told, in one text or several."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.alerts import sending
from louhua.alerts.sending import Telling, caller_as_sender, judge, put_off, tellings, within_limits
from louhua.alerts.states import Kind
from louhua.alerts.store import Due
from louhua.config import Alerts
from louhua.hours import NEVER, parse_hours
from louhua.subscribers.profiles import Privacy, Profile, Sender, Status

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=ZONE)
NIGHT = NOON.replace(hour=23)
CALLEE, CALLER = "8613800138000", "8613900139000"
SETTINGS = Alerts()
QUIET = Alerts(quiet_hours=parse_hours("22:00-07:00"))


def due(kind: Kind = Kind.MISSED, **changes: Any) -> Due:
    values: dict[str, Any] = {
        "id": 1, "kind": kind, "callee": CALLEE, "caller": CALLER,
        "recipient": CALLER if kind is Kind.POWER_ON else CALLEE, "calls": 1, "last_at": NOON, "other_number": "",
    }  # fmt: skip
    return Due(**(values | changes))


def people(**callee: Any) -> Callable[[str], Profile]:
    known = {CALLEE: Profile(number=CALLEE, **callee)}
    return lambda number: known.get(number) or Profile(number=number)


def fate(alert: Due, profile_of: Callable[[str], Profile], settings: Alerts, at: datetime) -> str | datetime:
    judged = judge([alert], profile_of, {(CALLEE, CALLER)}, settings, at)
    if judged.delayed:
        return judged.delayed[0].due_at
    return "told" if judged.told else "never"


BLOCKED = frozenset({CALLER})


@pytest.mark.parametrize(
    ("kind", "callee", "expected"),
    [
        (Kind.CALL_BACK, {}, "told"),
        (Kind.CALL_BACK, {"status": Status.SUSPENDED}, "never"),
        (Kind.CALL_BACK, {"blocked": BLOCKED}, "never"),
        (Kind.MISSED, {}, "never"),
        (Kind.POWER_ON, {}, "told"),
        (Kind.POWER_ON, {"power_on": Privacy.NOBODY}, "never"),
        (Kind.POWER_ON, {"power_on": Privacy.LIST}, "never"),
        (Kind.POWER_ON, {"power_on": Privacy.LIST, "allowed": BLOCKED}, "told"),
        (Kind.POWER_ON, {"power_on": Privacy.LIST, "allowed": BLOCKED, "blocked": BLOCKED}, "never"),
        (Kind.POWER_ON, {"power_on_hours": parse_hours("08:00-20:00")}, "told"),
        (Kind.POWER_ON, {"power_on_hours": parse_hours("20:00-08:00")}, "never"),
        (Kind.POWER_ON, {"power_on_hours": NEVER}, "never"),
    ],
)
def test_who_may_be_told(kind: Kind, callee: dict[str, Any], expected: str) -> None:
    assert fate(due(kind), people(**callee), SETTINGS, NOON) == expected


def test_a_caller_who_is_suspended_is_told_nothing() -> None:
    def profile_of(number: str) -> Profile:
        return Profile(number=number, status=Status.OWING if number == CALLER else Status.REGISTERED)

    assert fate(due(Kind.POWER_ON), profile_of, SETTINGS, NOON) == "never"
    assert fate(due(Kind.CALL_BACK), profile_of, SETTINGS, NOON) == "told", "the callee is, of his call"


@pytest.mark.parametrize(
    ("caller", "settings", "expected"),
    [(CALLER, SETTINGS, "never"), (CALLER, Alerts(missed_after_message=True), "told"), ("", SETTINGS, "told")],
)
def test_a_message_makes_up_for_missed_calls(caller: str, settings: Alerts, expected: str) -> None:
    alert = due(Kind.MISSED, caller=caller)
    judged = judge([alert], people(), {(CALLEE, CALLER), (CALLEE, "")}, settings, NOON)
    assert bool(judged.told) is (expected == "told")


MORNING = datetime(2026, 11, 24, 7, 0, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("kind", "own", "settings", "at", "expected"),
    [
        (Kind.CALL_BACK, None, QUIET, NIGHT, MORNING),
        (Kind.CALL_BACK, None, QUIET, NOON, "told"),
        (Kind.CALL_BACK, None, SETTINGS, NIGHT, "told"),
        (Kind.CALL_BACK, NEVER, QUIET, NIGHT, "told"),
        (Kind.CALL_BACK, parse_hours("11:00-13:30"), QUIET, NOON, NOON.replace(hour=13, minute=30)),
        (Kind.TEASER, None, QUIET, NIGHT, MORNING),
        (Kind.DETAIL, None, QUIET, NIGHT, "told"),
    ],
)
def test_quiet_hours_put_off_what_was_not_just_asked_for(
    kind: Kind, own: Any, settings: Alerts, at: datetime, expected: str | datetime
) -> None:
    assert fate(due(kind), people(quiet_hours=own), settings, at) == expected


def test_quiet_hours_are_the_recipients() -> None:
    assert fate(due(Kind.POWER_ON), people(quiet_hours=parse_hours("00:00-24:00")), SETTINGS, NOON) == "told"


def kinds_of(texts: list[Telling]) -> list[list[Kind]]:
    return [[alert.kind for alert in text.alerts] for text in texts]


ALL = [due(kind, id=number) for number, kind in enumerate(Kind)]


def test_one_text_an_alert() -> None:
    assert kinds_of(tellings(ALL, people())) == [[kind] for kind in Kind]


def test_who_wants_digests_gets_one_text_about_all_callers() -> None:
    texts = kinds_of(tellings(ALL, people(digest=True)))
    assert texts == [
        [Kind.TEASER], [Kind.DETAIL], [Kind.POWER_ON],
        [Kind.MISSED, Kind.CALL_BACK, Kind.CALL_OTHER, Kind.MESSAGE],
    ]  # fmt: skip


def test_what_was_put_off_is_told_together() -> None:
    alerts = [due(Kind.MISSED, id=1, digest=True), due(Kind.CALL_BACK, id=2), due(Kind.MESSAGE, id=3, digest=True)]
    assert kinds_of(tellings(alerts, people())) == [[Kind.CALL_BACK], [Kind.MISSED, Kind.MESSAGE]]


@pytest.mark.parametrize(
    ("own", "settings", "total", "sent"),
    [
        (None, Alerts(daily_limit=2), 3, 2),
        (None, Alerts(daily_limit=2), 5, 0),
        (None, Alerts(daily_limit=2), 4, 1),
        (None, Alerts(daily_limit=20), 3, 3),
        (1, Alerts(daily_limit=20), 3, 1),
        (0, Alerts(daily_limit=1), 3, 3),
    ],
)
def test_what_is_beyond_the_limit_waits(own: int | None, settings: Alerts, total: int, sent: int) -> None:
    texts = tellings([due(Kind.MISSED, id=number) for number in range(3)], people())
    profile_of = people(daily_limit=own)
    assert sending.wanted(texts, profile_of, settings) == ({} if own == 0 else {CALLEE: 3})
    totals = {} if own == 0 else {CALLEE: total}
    within, beyond = within_limits(texts, totals, profile_of, settings)
    assert within == texts[:sent]
    assert beyond == texts[sent:]


def test_what_was_asked_for_is_not_counted() -> None:
    texts = tellings([due(Kind.DETAIL), due(Kind.POWER_ON)], people())
    assert sending.wanted(texts, people(), SETTINGS) == {}
    assert within_limits(texts, {CALLEE: 99, CALLER: 99}, people(), SETTINGS) == (texts, [])


KEYS = st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(Kind))


@given(st.lists(KEYS, max_size=30), st.integers(0, 5))
def test_limits_lose_and_double_nothing(alerts: list[tuple[str, Kind]], before: int) -> None:
    settings = Alerts(daily_limit=3)
    texts = tellings([due(kind, id=n, recipient=to) for n, (to, kind) in enumerate(alerts)], people())
    counts = sending.wanted(texts, people(), settings)
    totals = {number: count + before for number, count in counts.items()}
    within, beyond = within_limits(texts, totals, people(), settings)
    assert sorted(a.id for t in within + beyond for a in t.alerts) == list(range(len(alerts)))
    for number, count in sending.wanted(within, people(), settings).items():
        assert count <= max(0, 3 - before), number
    for number in sending.wanted(beyond, people(), settings):
        assert before + sending.wanted(within, people(), settings).get(number, 0) >= 3


def test_tomorrow_there_is_one_digest() -> None:
    (delay,) = put_off(tellings([due()], people()), NIGHT)
    assert (delay.due_at, delay.digest) == (datetime(2026, 11, 24, 8, 0, tzinfo=ZONE), True)


@pytest.mark.parametrize(
    ("kind", "own", "wish", "caller", "expected"),
    [
        (Kind.MISSED, None, "service", CALLER, False),
        (Kind.MISSED, None, "caller", CALLER, True),
        (Kind.MISSED, None, "caller", "", False),
        (Kind.MISSED, Sender.SERVICE, "caller", CALLER, False),
        (Kind.CALL_BACK, Sender.CALLER, "service", CALLER, True),
        (Kind.TEASER, Sender.CALLER, "caller", "", False),
        (Kind.POWER_ON, Sender.CALLER, "caller", CALLER, False),
        (Kind.DETAIL, Sender.CALLER, "caller", CALLER, True),
    ],
)
def test_whose_number_a_text_comes_from(
    kind: Kind, own: Sender | None, wish: Any, caller: str, expected: bool
) -> None:
    text = Telling(CALLEE, (due(kind, caller=caller),))
    assert caller_as_sender(text, Profile(sender=own), Alerts(sender=wish)) is expected
    several = Telling(CALLEE, (*text.alerts, due()))
    assert not caller_as_sender(several, Profile(sender=own), Alerts(sender=wish))


def test_a_delay_ends() -> None:
    (delay,) = judge([due(Kind.CALL_BACK)], people(), (), QUIET, NIGHT).delayed
    assert judge([due(Kind.CALL_BACK)], people(), (), QUIET, delay.due_at).told
    assert delay.due_at - NIGHT == timedelta(hours=8)
