"""Which alerts calls make, and how they merge."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.alerts.rules import Draft, drafts_of, merge, proofs_of, retry_after, waits_of
from louhua.alerts.states import Kind, State
from louhua.bus.events import CallEnded, Choice, Outcome, Reason, Treatment
from louhua.config import Alerts
from louhua.subscribers.profiles import Privacy, Profile, Status

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
SETTINGS = Alerts()
CALLEE, CALLER = "8613800138000", "8613900139000"


def call(**changes: Any) -> CallEnded:
    values: dict[str, Any] = {
        "id": "1",
        "node": "n",
        "trunk": "t",
        "sip_call_id": "s",
        "callee": CALLEE,
        "caller": CALLER,
        "reason": Reason.UNREACHABLE,
        "treatment": Treatment.MENU,
        "choice": Choice.NONE,
        "outcome": Outcome.COMPLETED,
        "started_at": NOON,
        "ended_at": NOON + timedelta(seconds=10),
    }
    return CallEnded(**(values | changes))


def drafts(**changes: Any) -> list[Draft]:
    return drafts_of(call(**changes), Profile(number=CALLEE), Profile(number=CALLER), SETTINGS)


UNREGISTERED = Profile(number=CALLEE)
REGISTERED = Profile(number=CALLEE, status=Status.REGISTERED)
DISCREET = Profile(number=CALLEE, power_on=Privacy.NOBODY)
LANDLINE = Profile(number=CALLEE, textable=False)
SUSPENDED = Profile(number=CALLEE, status=Status.SUSPENDED)
OWING = Profile(number=CALLEE, status=Status.OWING)
ELSEWHERE = Profile(number=CALLEE, served=False)
BLOCKING = Profile(number=CALLEE, status=Status.REGISTERED, blocked=frozenset({CALLER}))
CHOOSY = Profile(number=CALLEE, status=Status.REGISTERED, power_on=Privacy.LIST, allowed=frozenset({CALLER}))


@pytest.mark.parametrize(
    ("callee", "caller", "choice", "kinds"),
    [
        (UNREGISTERED, CALLER, Choice.NONE, [Kind.TEASER, Kind.DETAIL]),
        (REGISTERED, CALLER, Choice.NONE, [Kind.MISSED]),
        (UNREGISTERED, CALLER, Choice.CALL_BACK, [Kind.CALL_BACK]),
        (UNREGISTERED, CALLER, Choice.CALL_OTHER, [Kind.CALL_OTHER]),
        (UNREGISTERED, CALLER, Choice.MESSAGE, [Kind.MESSAGE]),
        (UNREGISTERED, CALLER, Choice.POWER_ON, [Kind.POWER_ON]),
        (DISCREET, CALLER, Choice.POWER_ON, [Kind.TEASER, Kind.DETAIL]),
        (LANDLINE, CALLER, Choice.CALL_BACK, []),
        (LANDLINE, CALLER, Choice.NONE, []),
        (LANDLINE, CALLER, Choice.POWER_ON, [Kind.POWER_ON]),
        (UNREGISTERED, "", Choice.NONE, [Kind.TEASER, Kind.DETAIL]),
        (REGISTERED, "", Choice.NONE, [Kind.MISSED]),
        (UNREGISTERED, "", Choice.CALL_BACK, [Kind.TEASER, Kind.DETAIL]),
        (UNREGISTERED, "", Choice.POWER_ON, [Kind.TEASER, Kind.DETAIL]),
        (REGISTERED, "", Choice.CALL_BACK, [Kind.MISSED]),
        (UNREGISTERED, "", Choice.CALL_OTHER, [Kind.CALL_OTHER]),
        (LANDLINE, "", Choice.POWER_ON, []),
        (UNREGISTERED, "", Choice.MESSAGE, [Kind.MESSAGE]),
        (SUSPENDED, CALLER, Choice.CALL_BACK, []),
        (OWING, CALLER, Choice.CALL_BACK, []),
        (ELSEWHERE, CALLER, Choice.NONE, []),
        (BLOCKING, CALLER, Choice.NONE, []),
        (BLOCKING, CALLER, Choice.MESSAGE, []),
        (BLOCKING, "", Choice.NONE, [Kind.MISSED]),
        (CHOOSY, CALLER, Choice.POWER_ON, [Kind.POWER_ON]),
    ],
)
def test_who_is_told_what(callee: Profile, caller: str, choice: Choice, kinds: list[Kind]) -> None:
    event = call(caller=caller, choice=choice)
    made = drafts_of(event, callee, Profile(number=caller, textable=bool(caller)), SETTINGS)
    assert [draft.kind for draft in made] == kinds


@pytest.mark.parametrize(
    ("other_number", "kinds"), [("", [Kind.TEASER, Kind.DETAIL]), ("8613700137000", [Kind.POWER_ON])]
)
def test_a_caller_who_is_suspended_is_promised_nothing(other_number: str, kinds: list[Kind]) -> None:
    event = call(choice=Choice.POWER_ON, other_number=other_number)
    caller = Profile(number=CALLER, status=Status.SUSPENDED)
    assert [draft.kind for draft in drafts_of(event, UNREGISTERED, caller, SETTINGS)] == kinds


def test_the_power_on_text_goes_to_the_caller() -> None:
    (draft,) = drafts(choice=Choice.POWER_ON)
    assert (draft.callee, draft.recipient) == (CALLEE, CALLER)


def test_who_heard_busy_makes_no_alert() -> None:
    assert drafts(treatment=Treatment.BLOCK) == []


def test_the_power_on_text_goes_to_the_mobile_a_land_line_named() -> None:
    event = call(choice=Choice.POWER_ON, caller="861088886666", other_number="8613700137000")
    (draft,) = drafts_of(event, UNREGISTERED, Profile(number="861088886666", textable=False), SETTINGS)
    assert (draft.kind, draft.recipient, draft.caller) == (Kind.POWER_ON, "8613700137000", "861088886666")
    assert draft.other_number == ""


def test_a_call_without_a_callee_makes_nothing() -> None:
    assert drafts(callee="") == []


@pytest.mark.parametrize(
    ("reason", "waits"),
    [
        (Reason.UNREACHABLE, True),
        (Reason.UNKNOWN, True),
        (Reason.BUSY, False),
        (Reason.NO_ANSWER, False),
        (Reason.UNCONDITIONAL, False),
        (Reason.DEFLECTION, False),
    ],
)
def test_what_is_waited_for(reason: Reason, waits: bool) -> None:
    (draft,) = drafts(choice=Choice.CALL_BACK, reason=reason)
    assert draft.watched is waits
    assert draft.due_at == (None if waits else NOON + timedelta(seconds=40))
    assert bool(waits_of([draft])) is waits


def test_power_on_always_waits_for_the_phone() -> None:
    (draft,) = drafts(choice=Choice.POWER_ON, reason=Reason.BUSY)
    assert draft.watched


def test_five_calls_in_a_minute_make_one_text_not_before_quiet() -> None:
    calls = [
        drafts(choice=Choice.CALL_BACK, reason=Reason.BUSY, id=str(n), started_at=NOON + timedelta(seconds=12 * n),
               ended_at=NOON + timedelta(seconds=12 * n + 5))[0]
        for n in range(5)
    ]  # fmt: skip
    (draft,) = merge(calls)
    assert draft.calls == 5
    assert (draft.first_at, draft.last_at) == (NOON, NOON + timedelta(seconds=48))
    assert draft.due_at == NOON + timedelta(seconds=53) + SETTINGS.quiet_time


def test_calls_without_end_do_not_put_a_text_off_for_ever() -> None:
    calls = [
        drafts(choice=Choice.CALL_BACK, reason=Reason.BUSY, started_at=NOON + timedelta(seconds=20 * n),
               ended_at=NOON + timedelta(seconds=20 * n))[0]
        for n in range(100)
    ]  # fmt: skip
    (draft,) = merge(calls)
    assert draft.due_at == NOON + 10 * SETTINGS.quiet_time


def test_the_latest_number_is_the_one_to_call() -> None:
    first = drafts(choice=Choice.CALL_OTHER, other_number="861088886666")[0]
    second = drafts(choice=Choice.CALL_OTHER, other_number="861066668888", started_at=NOON + timedelta(minutes=1))[
        0
    ]
    assert merge([first, second])[0].other_number == "861066668888"
    assert merge([second, first])[0].other_number == "861066668888"


events = st.builds(
    call,
    callee=st.sampled_from(["861", "862"]),
    caller=st.sampled_from(["", "871", "872"]),
    choice=st.sampled_from(Choice),
    reason=st.sampled_from(Reason),
    started_at=st.integers(0, 600).map(lambda seconds: NOON + timedelta(seconds=seconds)),
    ended_at=st.integers(600, 700).map(lambda seconds: NOON + timedelta(seconds=seconds)),
)


def made_by(calls: list[CallEnded]) -> list[Draft]:
    return [
        draft
        for event in calls
        for draft in drafts_of(event, Profile(number=event.callee), Profile(number=event.caller), SETTINGS)
    ]


@given(st.lists(events, max_size=12), st.integers(0, 12), st.randoms())
def test_merging_loses_no_call_in_any_order_and_batches(calls: list[CallEnded], cut: int, chance: Any) -> None:
    once = merge(made_by(calls))
    shuffled = list(calls)
    chance.shuffle(shuffled)
    twice = merge([*merge(made_by(shuffled[:cut])), *merge(made_by(shuffled[cut:]))])
    assert sum(draft.calls for draft in once) == len(made_by(calls))
    counted = [(draft.key, draft.calls, draft.first_at, draft.last_at) for draft in once]
    assert counted == [(draft.key, draft.calls, draft.first_at, draft.last_at) for draft in twice]
    assert len({draft.key for draft in once}) == len(once)


@given(st.lists(events, max_size=12))
def test_each_awaited_phone_has_one_watch(calls: list[CallEnded]) -> None:
    merged = merge(made_by(calls))
    waits = waits_of(merged)
    assert {wait.callee for wait in waits} == {draft.callee for draft in merged if draft.watched}
    assert len({wait.callee for wait in waits}) == len(waits)
    for wait in waits:
        assert wait.last_call_at == max(
            draft.last_at for draft in merged if draft.watched and draft.callee == wait.callee
        )


def test_a_busy_phone_is_on() -> None:
    early, late = (
        call(reason=Reason.BUSY),
        call(reason=Reason.NO_ANSWER, started_at=NOON + timedelta(minutes=1)),
    )
    assert proofs_of([late, early, call(callee="999")]) == {CALLEE: late}


def test_failed_alerts_are_tried_three_times_more() -> None:
    assert [retry_after(attempts) is not None for attempts in (1, 2, 3, 4)] == [True, True, True, False]


def test_details_wait_for_d() -> None:
    teaser, detail = drafts()
    assert (teaser.state, detail.state) == (State.HELD, State.OFFERED)
    assert (teaser.caller, detail.caller) == ("", CALLER)
    assert detail.due_at is None
    assert not detail.watched
