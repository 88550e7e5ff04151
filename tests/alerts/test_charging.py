"""Who is charged for which text, and what receipts that contradict each other, or come late, mean for it."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.alerts.story import CALLEE, Story, Tell

from louhua.bus.events import Choice, ReceiptState
from louhua.db.pool import Connection
from louhua.texts.receipts import FINAL_STATES

CALLER: Final = "8613900139000"
ITEMS: Final = {
    "detail": {"price": "0.10"}, "call_back": {"price": "0.05"}, "call_other": {"price": "0.06"},
    "power_on": {"price": "0.07"}, "missed": {"price": "0.02"}, "digest": {"price": "0.03"},
}  # fmt: skip


def test_the_teaser_is_free_and_the_query_costs_a_tenth(tell: Tell) -> None:
    """短信查询每条0.1元,本条免费。"""

    async def story(it: Story) -> None:
        await it.plan(items={"detail": {"price": "0.10"}})
        await it.calls(it.call(choice=Choice.NONE), it.call("8613700137000", choice=Choice.NONE))
        await it.phone_on()
        (teaser,) = await it.deliver_all()
        assert "本条免费" in teaser
        assert await it.charges() == []
        await it.texted("D")
        assert len(await it.deliver_all()) == 2
        assert await it.charges() == [(CALLEE, "detail", 100, "price")] * 2

    tell(story)


@pytest.mark.parametrize(
    ("choice", "other", "charged"),
    [
        (Choice.CALL_BACK, "", (CALLEE, "call_back", 50, "price")),
        (Choice.CALL_OTHER, "861088886666", (CALLEE, "call_other", 60, "price")),
        (Choice.POWER_ON, "", (CALLER, "power_on", 70, "price")),
    ],
)
def test_who_gets_the_text_pays(tell: Tell, choice: Choice, other: str, charged: tuple[Any, ...]) -> None:
    async def story(it: Story) -> None:
        await it.plan(items={item: terms for item, terms in ITEMS.items() if item == charged[1]})
        await it.calls(it.call(choice=choice, other_number=other))
        await it.phone_on()
        await it.deliver_all()
        assert await it.charges() == [charged]

    tell(story)


@pytest.mark.parametrize(
    ("caller", "payer"),
    [
        (CALLER, CALLER),
        # Nobody is charged who is not known, has a land line, or is another country's.
        ("", None),
        ("861088886666", None),
        ("447400123456", None),
    ],
)
def test_the_callees_plan_may_let_the_caller_pay(tell: Tell, caller: str, payer: str | None) -> None:
    async def story(it: Story) -> None:
        await it.plan(items={"call_other": {"price": "0.06", "payer": "caller"}})
        await it.calls(it.call(caller, Choice.CALL_OTHER, other_number="8613900139000"))
        await it.phone_on()
        assert len(await it.deliver_all()) == 1
        assert await it.charges() == ([(payer, "call_other", 60, "price")] if payer else [])

    tell(story)


def test_a_digest_is_one_text_and_one_charge(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.register(digest=True)
        await it.calls(it.call(), it.call("8613700137000"), it.call("8613700137001", Choice.NONE))
        await it.phone_on()
        assert len(await it.deliver_all()) == 1
        assert await it.charges() == [(CALLEE, "digest", 30, "price")]

    tell(story)


def test_a_query_for_days_costs_as_many_texts_as_it_brings(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.calls(*(it.call(f"861370013700{n}", Choice.NONE) for n in range(3)))
        await it.texted("D3")
        details = [body for body in await it.deliver_all() if "呼叫过您" in body]
        assert len(details) == 3
        assert await it.charges() == [(CALLEE, "detail", 100, "price")] * 3
        await it.texted("D3", sender="8613500135000")
        await it.deliver_all()
        assert len(await it.charges()) == 3, "that there is nothing to tell costs nothing"

    tell(story)


@pytest.mark.parametrize("asked", ["D", "D3"])
def test_who_asks_pays_whatever_a_stored_plan_says(tell: Tell, asked: str) -> None:
    async def story(it: Story) -> None:
        await it.plan(items={"detail": {"price": "0.10"}})
        await it.rows(
            "UPDATE charging_planversion SET document = jsonb_set(document, '{items,detail,payer}', '\"caller\"')"
            " RETURNING 1"
        )
        await it.calls(it.call(choice=Choice.NONE))
        await it.texted(asked)
        await it.deliver_all()
        assert await it.charges() == [(CALLEE, "detail", 100, "price")]

    tell(story)


def test_what_was_not_delivered_costs_nothing_and_what_is_tried_again_costs_once(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.calls(it.call())
        await it.phone_on()
        (first,) = await it.claim()
        (message,) = await it.accepted(first)
        await it.receipt(message, ReceiptState.UNDELIVERABLE)
        assert await it.charges() == []
        await it.phone_on()
        await it.later(timedelta(hours=1))
        await it.phone_on()
        assert len(await it.deliver_all()) == 1
        assert await it.charges() == [(CALLEE, "call_back", 50, "price")]

    tell(story)


def test_the_first_final_receipt_decides(tell: Tell) -> None:
    """Delivered and then failed: it was read, so it is charged. Expired and then delivered: it was given up, and
    what it told is told, and charged, in another text."""

    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.calls(it.call(), it.call("8613700137000"))
        await it.phone_on()
        texts = await it.claim()
        one, two = await it.accepted(*texts)
        await it.receipt(one, ReceiptState.DELIVERED)
        await it.receipt(one, ReceiptState.UNDELIVERABLE)
        await it.receipt(two, ReceiptState.EXPIRED)
        await it.receipt(two, ReceiptState.DELIVERED)
        await it.receipt(one, ReceiptState.DELIVERED)
        assert await it.charges() == [(CALLEE, "call_back", 50, "price")]
        await it.later(timedelta(hours=3))
        await it.phone_on()
        assert len(await it.deliver_all()) == 1
        await it.receipt(two, ReceiptState.DELIVERED)
        assert await it.charges() == [(CALLEE, "call_back", 50, "price")] * 2

    tell(story)


def test_whoever_has_locked_a_month_waits_for_nothing_more(tell: Tell) -> None:
    """Who words texts has locked alerts, and waits for months: who waits for those alerts has locked no month."""

    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.calls(it.call())
        await it.texted("D7")
        (message,) = await it.accepted(*[text for text in await it.claim() if text.kind == "reply"])
        await it.rows(f"{A_MONTH} RETURNING payer")
        async with it.pool.connection() as held, it.pool.connection() as looking, held.transaction():
            await held.execute("SELECT id FROM alerts_alert WHERE state = 'held' FOR UPDATE")
            delivering = asyncio.create_task(it.receipt(message))
            await somebody_waits(looking)
            await held.execute("SELECT payer FROM charging_usage FOR UPDATE NOWAIT")
        await delivering
        assert await it.charges() == [(CALLEE, "detail", 100, "price")]
        assert [row[2] for row in await it.alerts()] == ["due"]

    tell(story)


A_MONTH: Final = f"""
INSERT INTO charging_usage (payer, month, charges, items, days)
VALUES ('{CALLEE}', date_trunc('month', now() AT TIME ZONE 'Asia/Shanghai')::date, 0, '{{}}', '{{}}')
"""


async def somebody_waits(looking: Connection) -> None:
    async with asyncio.timeout(60):
        while True:
            cursor = await looking.execute("SELECT 1 FROM pg_locks WHERE NOT granted")
            if await cursor.fetchone():
                return
            await asyncio.sleep(0.02)


receipts = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(ReceiptState)), max_size=20)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(receipts, st.lists(st.booleans(), min_size=5, max_size=5))
def test_any_receipts_in_any_order(
    tell: Tell, history: list[tuple[int, ReceiptState]], response_late: list[bool]
) -> None:
    """A text is charged once if the first final receipt says delivered, be it before its response; else not."""

    async def story(it: Story) -> None:
        async with it.pool.connection() as connection:
            await connection.execute(
                "TRUNCATE alerts_alert, alerts_call, alerts_daily, texts_text, texts_part, texts_orphanreceipt,"
                " texts_inbound, charging_charge, charging_usage, charging_planversion, reachability_watch"
            )
        await it.plan(items={"detail": {"price": "0.10"}}, month_cap="0.35")
        await it.calls(*(it.call(f"861390013900{n}", Choice.NONE) for n in range(5)))
        await it.texted("D1")
        texts = sorted(await it.claim(), key=lambda text: text.id)
        assert len(texts) == 5
        early = [n for n in range(5) if not response_late[n]]
        for n, late in enumerate(response_late):
            if not late:
                await it.accepted_as(texts[n], f"id{n}")
        for n, state in history:
            await it.receipt(f"id{n}", state)
        for n in set(range(5)) - set(early):
            await it.accepted_as(texts[n], f"id{n}")
        first: dict[int, ReceiptState] = {}
        for n, state in history:
            if state in FINAL_STATES:
                first.setdefault(n, state)
        paid = {f"text:{texts[n].id}" for n, state in first.items() if state is ReceiptState.DELIVERED}
        charged = await it.rows("SELECT event, amount FROM charging_charge ORDER BY seq")
        assert {event for event, _ in charged} == paid
        assert sum(amount for _, amount in charged) == min(350, 100 * len(paid))

    tell(story)


def test_a_receipt_before_its_response_charges_once(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.calls(it.call())
        await it.phone_on()
        (text,) = await it.claim()
        await it.receipt("m1")
        assert await it.charges() == []
        await it.accepted(text)
        await it.receipt("m1")
        assert await it.charges() == [(CALLEE, "call_back", 50, "price")]

    tell(story)


def test_registered_and_unregistered_have_plans_of_their_own(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await it.plan("member", items={"call_back": {"price": "0.01"}})
        await it.plan("visitor", items={"call_back": {"price": "0.09"}})
        await it.register()
        await it.calls(it.call(), it.call(callee="8613700137000"))
        await it.phones_on([CALLEE, "8613700137000"])
        await it.deliver_all()
        assert sorted(await it.charges()) == [
            ("8613700137000", "call_back", 90, "price"),
            (CALLEE, "call_back", 10, "price"),
        ]

    tell(story, charging={"plan": "member", "visitor_plan": "visitor"})
