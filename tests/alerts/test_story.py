"""What staff are told of a number, as a table: records in, sentences out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from louhua.alerts.history import Alert, History, Part, Text, Watch
from louhua.alerts.states import Kind, State
from louhua.alerts.story import WHY, Teller
from louhua.bus.events import CallEnded, Choice, Outcome, Reason, Treatment
from louhua.config import Alerts
from louhua.subscribers.profiles import Profile, Status

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CALLEE, CALLER = "8613800138000", "8613900139000"


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def alert(**changes: Any) -> Alert:
    values: dict[str, Any] = {
        "id": 7, "callee": CALLEE, "caller": CALLER, "kind": "call_back", "recipient": CALLEE, "state": "held",
        "calls": 2, "first_at": at(-60), "last_at": at(-50), "updated_at": at(-10),
    }  # fmt: skip
    return Alert(**(values | changes))


def call(**changes: Any) -> CallEnded:
    values: dict[str, Any] = {
        "id": "c", "node": "n", "trunk": "t", "sip_call_id": "s", "callee": CALLEE, "caller": CALLER,
        "reason": Reason.UNREACHABLE, "treatment": Treatment.MENU, "choice": Choice.CALL_BACK,
        "outcome": Outcome.COMPLETED, "started_at": at(-60), "ended_at": at(-59),
    }  # fmt: skip
    return CallEnded(**(values | changes))


def watch(**changes: Any) -> Watch:
    values: dict[str, Any] = {
        "callee": CALLEE, "since": at(-60), "last_call_at": at(-50), "limit_at": at(4000),
        "next_probe_at": at(30), "probes": 2,
    }  # fmt: skip
    return Watch(**(values | changes))


def text(**changes: Any) -> Text:
    values: dict[str, Any] = {
        "id": 31, "kind": "alert", "alert_ids": (7,), "recipient": CALLEE, "smsc": "main", "state": "submitted",
        "due_at": at(-9), "attempts": 1, "created_at": at(-9), "submitted_at": at(-8), "ask_at": at(52),
        "expires_at": at(4000),
    }  # fmt: skip
    return Text(**(values | changes))


def teller(*records: CallEnded | Alert | Watch | Text, profile: Profile | None = None, **settings: Any) -> Teller:
    def those(kind: type) -> list[Any]:
        return [record for record in records if isinstance(record, kind)]

    history = History(
        number=CALLEE, since=at(-9999), calls=those(CallEnded), alerts=those(Alert), watches=those(Watch),
        texts=those(Text),
    )  # fmt: skip
    known = profile or Profile(number=CALLEE, status=Status.REGISTERED)
    return Teller(
        history, lambda _number: known, Alerts(**settings), NOW, lambda moment: f"{moment:%d.%H:%M}", str
    )


WATCHED = {"watched": True}
ENDINGS: dict[str, tuple[list[Alert | Watch | Text], list[str]]] = {
    "the phone is off": (
        [alert(**WATCHED), watch()],
        ["waits for the phone", "watched since 23.11:00", "2 probes so far", "next probe 23.12:30",
         "given up 26.06:40", "sent anyway"],
    ),
    "nobody probes": ([alert(**WATCHED), watch(next_probe_at=None)], ["no probe is due"]),
    "a fault": ([alert(**WATCHED)], ["nothing watches it", "fault"]),
    "quiet time": ([alert(due_at=at(1))], ["waits for the callers to be quiet, until 23.12:01"]),
    "an offer": ([alert(kind="detail", state="offered")], ["waits for D without an end"]),
    "an offer with an end": (
        [alert(kind="detail", state="offered", expires_at=at(60))], ["waits for D until 23.13:00"]
    ),
    "an offer of what was not paid for": (
        [alert(kind="detail", state="offered", expires_at=at(60), error="no credit")],
        ["waits for D until 23.13:00; last: no credit"],
    ),
    "no room": ([alert(state="due", due_at=at(-5))], ["due since 23.11:55: waits for room at an SMSC"]),
    "tried again": (
        [alert(state="due", due_at=at(5), attempts=1, error="ESME_RSYSERR")],
        ["tried again at 23.12:05 after 1 attempt; last: ESME_RSYSERR"],
    ),
    "quiet hours": ([alert(state="due", due_at=at(600))], ["put off by quiet hours: judged again at 23.22:00"]),
    "the daily limit": (
        [alert(state="due", due_at=at(1200), digest=True)], ["put off by the daily limit", "digest at 24.08:00"]
    ),
    "queued": (
        [alert(state="sending", text_id=31), text(state="queued", smsc="")], ["text 31 waits for any SMSC since"]
    ),
    "throttled": (
        [alert(state="sending", text_id=31), text(state="queued", due_at=at(5), error="ESME_RTHROTTLED")],
        ["text 31 is tried again at 23.12:05; last: ESME_RTHROTTLED"],
    ),
    "prepaid": (
        [alert(state="sending", text_id=31), text(state="reserving")],
        ["text 31 waits for its payer's money since"],
    ),
    "being sent": ([alert(state="sending", text_id=31), text(state="sending")], ["text 31 is being submitted"]),
    "no receipt yet": (
        [alert(state="sent", text_id=31), text()],
        ["text 31 sent at 23.11:52 by main, no receipt yet: asked at 23.12:52, given up 26.06:40"],
    ),
    "its text is gone": ([alert(state="sent", text_id=31)], ["text 31 is no longer kept"]),
    "delivered": ([alert(state="delivered")], ["delivered at 23.11:50"]),
    "failed": ([alert(state="failed", error="rejected")], ["failed at 23.11:50: rejected"]),
    "off for too long": (
        [alert(state="expired", kind="power_on")], ["expired", "the phone was off until the limit"],
    ),
    "D never came": ([alert(state="expired", kind="detail")], ["expired", "no D came in time"]),
    "D did not come again": (
        [alert(state="expired", kind="detail", error="no credit")], ["no D came in time; last: no credit"]
    ),
    "forbidden": ([alert(state="dropped")], ["dropped at 23.11:50", "forbidden"]),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDINGS)
def test_every_alert_says_what_is_awaited_or_became_of_it(case: str) -> None:
    records, expected = ENDINGS[case]
    ((_, ending),) = teller(*records).endings()
    for words in expected:
        assert words in ending


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", Kind)
def test_there_is_an_ending_for_every_kind_and_state(kind: Kind, state: State) -> None:
    ((_, ending),) = teller(alert(kind=kind, state=state)).endings()
    assert ending
    assert WHY[kind]


def test_what_is_dropped_at_the_limit_is_said_so() -> None:
    ((_, ending),) = teller(alert(**WATCHED), watch(), when_watch_ends="drop").endings()
    assert "(then dropped)" in ending
    ((_, ending),) = teller(alert(kind="power_on", **WATCHED), watch(), when_watch_ends="send").endings()
    assert "(then dropped)" in ending


def test_calls_name_the_alert_they_made_or_merged_into_and_why() -> None:
    first, second = call(), call(id="d", started_at=at(-50))
    made, merged = teller(first, second, alert()).story()
    assert made.told == f"{CALLER} called {CALLEE}: unreachable, menu, chose call_back, completed"
    assert made.more == ("alert 7 call_back, made: key 2: the caller's own number",)
    assert merged.more == ("alert 7 call_back, merged, 2 calls: key 2: the caller's own number",)


def test_a_call_is_not_put_down_to_an_alert_of_another_key_time_or_person() -> None:
    others = [
        alert(id=1, kind="message"), alert(id=2, caller="1"), alert(id=3, callee="2"),
        alert(id=4, first_at=at(-55)),
    ]  # fmt: skip
    (entry,) = [entry for entry in teller(call(), *others).story() if entry.what == "call"]
    assert entry.more == (
        "no alert of it is kept: its time is over, or it was handled before the profile changed",
    )


def test_a_choice_that_was_kept_is_not_a_missed_call_too() -> None:
    (entry,) = teller(call(), alert(), alert(id=8, kind="missed")).story()[:1]
    assert [line.split(",")[0] for line in entry.more] == ["alert 7 call_back"]
    (entry,) = teller(call(), alert(id=8, kind="missed")).story()
    assert [line.split(",")[0] for line in entry.more] == ["alert 8 missed"]


def test_hanging_up_on_somebody_unregistered_makes_two_alerts() -> None:
    hung_up = call(choice=Choice.NONE)
    alerts = [alert(id=1, kind="teaser", caller=""), alert(id=2, kind="detail")]
    (entry,) = teller(hung_up, *alerts).story()
    assert [line.split(",")[0] for line in entry.more] == ["alert 1 teaser", "alert 2 detail"]


@pytest.mark.parametrize(
    ("changes", "profile", "why"),
    [
        ({"callee": ""}, {}, "the callee is not known"),
        ({}, {"served": False}, "not served"),
        ({}, {"status": Status.SUSPENDED}, "suspended"),
        ({}, {"blocked": frozenset({CALLER})}, "the caller is blocked"),
        ({"treatment": Treatment.BLOCK}, {}, "the caller is blocked"),
        ({}, {"textable": False}, "cannot get texts"),
    ],
)
def test_a_call_without_alert_says_why(changes: dict[str, Any], profile: dict[str, Any], why: str) -> None:
    (entry,) = teller(call(**changes), profile=Profile(number=CALLEE, **profile)).story()
    (line,) = entry.more
    assert line.startswith("no alert: ")
    assert why in line


def test_texts_tell_of_their_parts_and_tries() -> None:
    parts = (
        Part(text_id=31, seq=0, smsc_id="a1", state="delivered", error=""),
        Part(text_id=31, seq=1, smsc_id="", state="undeliverable", error="006"),
    )
    sent = text(state="failed", error="undeliverable", final_at=at(-1), attempts=3, resent=True, parts=parts)
    (entry,) = teller(sent).story()
    assert entry.told == f"31 of alert 7 to {CALLEE}: failed at 23.11:59: undeliverable"
    assert entry.more == (
        "sent once more, as it was not known whether the SMSC had it", "3 attempts",
        "part 1, a1 at main: delivered", "part 2, no id at main: undeliverable 006",
    )  # fmt: skip


def test_a_digest_names_all_its_alerts() -> None:
    (entry,) = teller(text(alert_ids=(7, 9))).story()
    assert " of alerts 7, 9 to " in entry.told


def test_everything_is_told_in_the_order_of_time() -> None:
    probe = msgspec.structs.replace(text(), id=5, kind="probe", alert_ids=(), created_at=at(-55))
    story = teller(text(), alert(id=8, first_at=at(-100), caller="1"), watch(since=at(-59)), probe, call()).story()
    assert [entry.what for entry in story] == ["alert", "call", "watch", "probe", "text"]
    assert [entry.at for entry in story] == sorted(entry.at for entry in story)
