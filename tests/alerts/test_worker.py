"""Calls become alerts and alerts become texts, whatever comes twice, late or out of order."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from psycopg.errors import DeadlockDetected
from tests.alerts.story import Story, Tell

from louhua.bus.events import Choice, PhoneReachable, Reason, ReceiptState, Source, TextReceipt
from louhua.subscribers.profiles import Privacy
from louhua.texts import receipts, store
from louhua.texts.retries import Retries
from louhua.texts.sender import announce
from louhua.texts.smpp.status import Retry

A, B, C, D = "8613900139000", "8613900139001", "8613900139002", "8613900139003"
CALLEE = "8613800138000"


def test_the_main_job(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(A), s.call(A))
        await s.calls(s.call(B, Choice.CALL_OTHER, other_number="861088886666"))
        await s.calls(s.call(C, Choice.POWER_ON), s.call(D, Choice.NONE))
        assert await s.claim() == []
        await s.phone_on()
        texts = await s.deliver_all()
        assert len(texts) == 4
        assert sum("呼叫过您2次,正在期待您的回电" in text for text in texts) == 1
        assert sum("请您拨01088886666号码" in text for text in texts) == 1
        assert sum("您有1个未接来电" in text for text in texts) == 1
        assert sum("用户现已开机" in text for text in texts) == 1
        await s.texted("D")
        (detail,) = await s.deliver_all()
        assert detail.startswith("13900139003于")
        assert {state for _, _, state, _ in await s.alerts()} == {"delivered"}

    tell(story)


def test_the_same_event_twice_counts_once(tell: Tell) -> None:
    async def story(s: Story) -> None:
        call = s.call()
        await s.calls(call, call)
        await s.calls(call)
        assert await s.alerts() == [("call_back", A, "held", 1)]
        assert await s.rows("SELECT count(*) FROM alerts_call") == [(1,)]

    tell(story)


def test_two_nodes_with_the_same_events_count_them_once(tell: Tell) -> None:
    async def story(s: Story) -> None:
        calls = [s.call(caller) for caller in (A, B, C) for _ in range(20)]
        await asyncio.gather(*(s.calls(*calls) for _ in range(4)))
        assert await s.alerts() == [("call_back", caller, "held", 20) for caller in (A, B, C)]

    tell(story)


def test_probe_finds_the_phone_on(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        assert await s.probe() == 1
        assert await s.probe() == 0, "a watch is probed once, not at every look"
        (probe,) = await s.claim()
        assert (probe.recipient, probe.protocol_id, probe.body) == (CALLEE, 0x40, "")
        (message_id,) = await s.accepted(probe)
        assert await s.claim() == []
        await s.receipt(message_id)
        (text,) = await s.claim()
        assert text.kind == "alert"
        assert await s.rows("SELECT * FROM reachability_watch") == []

    tell(story)


def test_the_receipt_comes_before_the_probes_id_is_stored(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.probe()
        (probe,) = await s.claim()
        await s.receipt("m1")
        assert await s.claim() == []
        await s.accepted(probe)
        assert [text.kind for text in await s.claim()] == ["alert"]
        assert await s.rows("SELECT * FROM texts_orphanreceipt") == []

    tell(story)


def test_a_receipt_finds_a_text_whose_response_never_came(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        (text,) = await s.claim()
        await s.receipt("unheard-of", reference=text.reference)
        assert await s.alerts() == [("call_back", A, "delivered", 1)]
        await s.later(timedelta(minutes=5))
        async with s.pool.connection() as connection:
            assert await store.end_leases(connection, datetime.now(UTC)) == []
        assert await s.claim() == [], "it must not be sent again"

    tell(story)


def test_a_call_while_its_alert_is_being_sent_makes_the_next_one(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        (text,) = await s.claim()
        await s.calls(s.call())
        (message_id,) = await s.accepted(text)
        await s.receipt(message_id)
        assert await s.alerts() == [("call_back", A, "delivered", 1), ("call_back", A, "held", 1)]

    tell(story)


def test_old_news_of_a_phone_does_not_release_a_newer_call(tell: Tell) -> None:
    async def story(s: Story) -> None:
        before = datetime.now(UTC) - timedelta(seconds=5)
        await s.calls(s.call())
        await s.phone_on(at=before)
        assert await s.claim() == []
        assert len(await s.rows("SELECT * FROM reachability_watch")) == 1

    tell(story)


def test_a_phone_that_went_off_again_gets_nothing(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        await s.calls(s.call())
        assert await s.claim() == []
        assert await s.alerts() == [("call_back", A, "held", 2)]
        await s.phone_on()
        assert len(await s.claim()) == 1

    tell(story)


def test_a_late_receipt_does_not_release_a_call_that_came_after_its_probe(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.probe()
        (probe,) = await s.claim()
        (late,) = await s.accepted(probe)
        await s.calls(s.call(B))
        await s.receipt(late)
        assert await s.claim() == [], "the phone may be off since before the second call"
        assert await s.probe() == 1, "so it is asked again, at once"
        (again,) = await s.claim()
        (prompt,) = await s.accepted(again)
        await s.receipt(prompt)
        assert [text.kind for text in await s.claim()] == ["alert", "alert"]
        assert await s.rows("SELECT * FROM reachability_watch") == []

    tell(story)


def test_a_call_from_a_clock_that_is_ahead_is_not_probed_for_again_and_again(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(at=datetime.now(UTC) + timedelta(minutes=1)))
        await s.probe()
        (probe,) = await s.claim()
        (message_id,) = await s.accepted(probe)
        await s.receipt(message_id)
        assert await s.probe() == 0
        await s.later(timedelta(minutes=1))
        assert await s.probe() == 1

    tell(story)


def test_a_busy_call_proves_that_the_phone_is_on(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(A))
        await s.calls(s.call(B, reason=Reason.BUSY))
        assert len(await s.claim()) == 2
        assert [event.id[:5] for event in s.published] == ["call:"]

    tell(story)


def test_one_watch_however_many_callers(tell: Tell) -> None:
    async def story(s: Story) -> None:
        for caller in (A, B, C, D):
            await s.calls(s.call(caller))
        assert await s.rows("SELECT callee FROM reachability_watch") == [(CALLEE,)]
        assert await s.probe() == 1

    tell(story)


@pytest.mark.parametrize(
    ("policy", "states"),
    [
        ("send", {"call_back": "due", "power_on": "expired"}),
        ("drop", {"call_back": "expired", "power_on": "expired"}),
    ],
)
def test_nothing_is_heard_until_the_limit(tell: Tell, policy: str, states: dict[str, str]) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(A), s.call(B, Choice.POWER_ON))
        await s.later(timedelta(hours=73))
        await s.sweep()
        assert {kind: state for kind, _, state, _ in await s.alerts()} == states
        assert await s.rows("SELECT * FROM reachability_watch") == []

    tell(story, when_watch_ends=policy)


@pytest.mark.parametrize(
    ("state", "probes_again"),
    [(ReceiptState.UNDELIVERABLE, True), (ReceiptState.EXPIRED, True), (ReceiptState.REJECTED, False)],
)
def test_what_a_failed_probe_says(tell: Tell, state: ReceiptState, probes_again: bool) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.probe()
        await s.receipt((await s.accepted(*await s.claim()))[0], state)
        await s.later(timedelta(minutes=2))
        assert await s.probe() == probes_again
        assert await s.alerts() == [("call_back", A, "held", 1)]

    tell(story)


def test_an_undelivered_text_waits_for_the_phone_and_is_tried_again(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        await s.receipt((await s.accepted(*await s.claim()))[0], ReceiptState.EXPIRED)
        assert await s.alerts() == [("call_back", A, "held", 1)]
        await s.phone_on()
        assert len(await s.deliver_all()) == 1
        assert await s.alerts() == [("call_back", A, "delivered", 1)]

    tell(story)


def test_a_failed_alert_joins_the_newer_one(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        texts = await s.claim()
        await s.calls(s.call())
        await s.receipt((await s.accepted(*texts))[0], ReceiptState.UNDELIVERABLE)
        assert await s.alerts() == [("call_back", A, "failed", 1), ("call_back", A, "held", 2)]

    tell(story)


def test_an_alert_is_given_up_in_the_end(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        for _ in range(4):
            await s.phone_on()
            await s.receipt((await s.accepted(*await s.claim()))[0], ReceiptState.EXPIRED)
        assert await s.alerts() == [("call_back", A, "failed", 1)]

    tell(story)


def test_a_rejected_text_is_not_tried_again(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        await s.receipt((await s.accepted(*await s.claim()))[0], ReceiptState.REJECTED)
        assert await s.alerts() == [("call_back", A, "failed", 1)]

    tell(story)


def test_a_text_in_a_dead_process_is_sent_once_more_and_not_a_third_time(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        for expected in (1, 1, 0):
            assert len(await s.claim()) == expected
            await s.later(timedelta(minutes=1))
            async with s.pool.connection() as connection, connection.transaction():
                changes = await store.end_leases(connection, datetime.now(UTC))
                await announce(connection, changes, s.worker.outcomes.texts_changed)
        assert await s.rows("SELECT state, resent FROM texts_text") == [("failed", True)]
        assert await s.alerts() == [("call_back", A, "due", 1)]
        await s.later(timedelta(minutes=6))
        assert len(await s.claim()) == 1, "the alert itself is not lost: it is tried again by the ladder"

    tell(story)


@pytest.mark.parametrize(
    ("error", "retry", "state"),
    [
        ("ESME_RTHROTTLED", Retry.LATER, "due"),
        ("0x00000401", Retry.LATER, "due"),
        ("0x00000402", Retry.WAIT, "held"),
        ("ESME_RINVDSTADR", Retry.FINAL, "failed"),
    ],
)
def test_what_the_smsc_could_not_take_is_tried_again_and_what_it_will_not_take_is_not(
    tell: Tell, error: str, retry: Retry, state: str
) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        (text,) = await s.claim()
        async with s.pool.connection() as connection, connection.transaction():
            changes = await store.mark_failed(connection, [store.Failed(text.id, error, retry)], datetime.now(UTC))
            await announce(connection, changes, s.worker.outcomes.texts_changed)
        assert await s.alerts() == [("call_back", A, state, 1)]

    tell(story)


async def _sent(s: Story) -> str:
    """A call comes, the phone is back, the SMSC takes the text; its id."""
    await s.calls(s.call())
    await s.phone_on()
    (message_id,) = await s.accepted(*await s.claim())
    return message_id


@pytest.mark.parametrize("newer", [False, True], ids=["alone", "with a newer one"])
@pytest.mark.parametrize("sent", [2, 3])
def test_alerts_with_one_key_that_fail_at_once_become_one(tell: Tell, sent: int, newer: bool) -> None:
    async def story(s: Story) -> None:
        ids = [await _sent(s) for _ in range(sent)]
        if newer:
            await s.calls(s.call())
        await s.receipts(ids, ReceiptState.UNDELIVERABLE)
        states = [(state, calls) for _, _, state, calls in await s.alerts()]
        assert states.count(("failed", 1)) == sent - 1 + newer
        assert [row for row in states if row[0] == "held"] == [("held", sent + newer)]
        await s.phone_on()
        (text,) = await s.claim()
        assert f"呼叫过您{sent + newer}次" in text.body

    tell(story)


def test_an_alert_opened_while_another_fails_takes_it_over(tell: Tell) -> None:
    async def story(s: Story) -> None:
        message_id = await _sent(s)
        call, failure = s.call(), ReceiptState.UNDELIVERABLE
        for _ in range(10):
            await asyncio.gather(s.calls(call), s.receipts([message_id], failure))
            ((count,),) = await s.rows("SELECT sum(calls) FROM alerts_alert WHERE state IN ('held', 'due')")
            assert count == 2

    tell(story)


def test_news_told_again_does_not_send_to_a_phone_that_failed_since(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        seen = datetime.now(UTC)
        await s.phone_on(at=seen)
        (message_id,) = await s.accepted(*await s.claim())
        await s.receipts([message_id], ReceiptState.UNDELIVERABLE)
        await s.phone_on(at=seen)
        assert await s.alerts() == [("call_back", A, "held", 1)]
        assert len(await s.rows("SELECT * FROM reachability_watch")) == 1
        await s.phone_on()
        assert len(await s.claim()) == 1

    tell(story)


def test_a_call_to_a_phone_that_is_off_puts_a_second_try_back_to_waiting(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(choice=Choice.POWER_ON))
        await s.phone_on()
        (message_id,) = await s.accepted(*await s.claim())
        await s.receipt(message_id, ReceiptState.UNDELIVERABLE, number=A)
        assert [row[2] for row in await s.alerts()] == ["due"]
        await s.calls(s.call(choice=Choice.POWER_ON))
        await s.later(timedelta(hours=1))
        assert await s.claim() == [], "nobody is told that this phone is on"
        await s.phone_on()
        assert "现已开机" in (await s.claim())[0].body

    tell(story)


def test_a_withheld_caller_who_leaves_a_number_is_called_back_there(tell: Tell) -> None:
    async def story(s: Story) -> None:
        at = datetime(2026, 11, 23, 1, 5, tzinfo=UTC)
        await s.calls(s.call("", Choice.CALL_OTHER, other_number="861088886666", at=at))
        await s.phone_on()
        (text,) = await s.claim()
        assert text.body == "隐藏号码于11月23日9时5分前呼叫过您1次,请您拨01088886666号码与他联系。"

    tell(story)


def test_many_workers_on_the_same_phones_count_every_call_once(tell: Tell) -> None:
    """Two of them may hold what the other one waits for: then one is refused, and does it again, as on the bus."""

    async def again_until_done(step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await step()
            except DeadlockDetected:
                continue

    async def story(s: Story) -> None:
        numbers = [f"8613800{n:06}" for n in range(6)]
        chance = random.Random(7)

        async def work() -> None:
            for _ in range(5):
                called, on = chance.sample(numbers, 4), chance.sample(numbers, 4)
                reasons = [Reason.UNREACHABLE, Reason.BUSY]
                calls = [s.call(callee=number, reason=chance.choice(reasons)) for number in called]
                await again_until_done(partial(s.calls, *calls))
                await again_until_done(partial(s.phones_on, on))

        await asyncio.gather(*(work() for _ in range(4)))
        assert await s.rows("SELECT count(*) FROM alerts_call") == [(4 * 5 * 4,)]
        assert await s.rows("SELECT sum(calls) FROM alerts_alert") == [(4 * 5 * 4,)]

    tell(story)


def test_privacy_is_checked_when_the_text_is_worded(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(A, Choice.POWER_ON))
        await s.register(power_on=Privacy.NOBODY)
        await s.phone_on()
        assert await s.claim() == []
        assert await s.alerts() == [("power_on", A, "dropped", 1)]

    tell(story)


def test_a_registered_callee_is_told_who_called(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(language="en")
        await s.calls(s.call(A, Choice.NONE), s.call(A, Choice.NONE), s.call(B, Choice.NONE))
        await s.phone_on()
        texts = await s.deliver_all()
        assert sorted(text[:35] for text in texts) == [
            "13900139000 called you 2 times, las",
            "13900139001 called you 1 time, last",
        ]

    tell(story)


def test_a_recorded_message_is_kept_and_announced(tell: Tell) -> None:
    async def story(s: Story) -> None:
        call = s.call(A, Choice.MESSAGE, recording="object", recording_ms=4000)
        await s.calls(call)
        await s.calls(call)
        assert await s.rows("SELECT callee, recording, length_ms FROM voicemail_message") == [
            (CALLEE, "object", 4000)
        ]
        await s.phone_on()
        assert "给您留言1条" in (await s.deliver_all())[0]

    tell(story)


@pytest.mark.parametrize(
    ("reachability", "set_dpf", "validity"),
    [("probe", False, timedelta(hours=24)), ("set_dpf", True, timedelta(minutes=5))],
)
def test_set_dpf_is_asked_for_where_the_smsc_notifies(
    tell: Tell, reachability: str, set_dpf: bool, validity: timedelta
) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.probe()
        (probe,) = await s.claim()
        assert (probe.set_dpf, probe.validity) == (set_dpf, validity)

    tell(story, reachability=reachability)


def test_nothing_is_probed_where_the_smsc_cannot_tell(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        assert await s.probe() == 0
        assert await s.claim() == []
        await s.phone_on()
        assert len(await s.claim()) == 1

    tell(story, reachability="none")


def test_an_expired_probe_of_an_smsc_that_notifies_is_not_sent_again_at_once(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.probe()
        (message_id,) = await s.accepted(*await s.claim())
        await s.receipt(message_id, ReceiptState.EXPIRED)
        ((wait,),) = await s.rows("SELECT next_probe_at - now() FROM reachability_watch")
        assert timedelta(hours=23) < wait < timedelta(hours=24)

    tell(story, reachability="set_dpf")


def test_a_receipt_and_its_response_stored_in_the_same_moment_find_each_other(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.phone_on()
        (text,) = await s.claim()
        now = datetime.now(UTC)
        async with s.pool.connection() as connection, connection.transaction():
            await receipts.take_turns(connection, ["s"])
            await store.add_parts(connection, "s", [store.Accepted(text.id, 0, "m1", "m1")])
            changes = await store.mark_submitted(connection, "s", [text.id], now)
            changes += await receipts.adopt_orphans(connection, "s", [text.id], now, Retries(()))
            await announce(connection, changes, s.worker.outcomes.texts_changed)
            storing = asyncio.create_task(s.receipt("m1"))
            await asyncio.sleep(0.2)
        await storing
        assert await s.alerts() == [("call_back", A, "delivered", 1)]

    tell(story)


def test_a_delivered_text_says_that_the_phone_is_on(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.texted("what?")
        await s.calls(s.call(at=datetime.now(UTC) - timedelta(seconds=1)))
        (text,) = await s.claim()
        assert text.kind == "reply"
        (message_id,) = await s.accepted(text)
        await s.rows("UPDATE reachability_watch SET last_call_at = last_call_at - interval '1 minute' RETURNING 1")
        await s.rows("UPDATE alerts_alert SET last_at = last_at - interval '1 minute' RETURNING 1")
        await s.receipt(message_id)
        assert await s.alerts() == [("call_back", A, "due", 1)]
        assert await s.rows("SELECT * FROM reachability_watch") == []
        (news,) = s.published
        assert isinstance(news, PhoneReachable)
        assert (news.number, news.source) == (CALLEE, Source.TEXT)

    tell(story)


def test_a_text_from_before_the_call_only_makes_us_ask(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.texted("what?")
        (text,) = await s.claim()
        (message_id,) = await s.accepted(text)
        await s.calls(s.call())
        await s.receipt(message_id)
        assert await s.alerts() == [("call_back", A, "held", 1)], "it may have arrived before the phone went off"
        assert s.published == []
        assert await s.probe() == 1, "without the hold-off"

    tell(story, probe_hold_off="1h")


def test_who_is_busy_with_another_message_is_on(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.probe()
        (message_id,) = await s.accepted(*await s.claim())
        await s.worker.receipts_came(
            [
                TextReceipt(
                    id="r", smsc="s", message_id=message_id, number=CALLEE, state=ReceiptState.UNDELIVERABLE,
                    at=datetime.now(UTC), error="3:31",
                )
            ]
        )  # fmt: skip
        assert await s.alerts() == [("call_back", A, "due", 1)]

    tell(story)
