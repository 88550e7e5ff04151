"""Texts of prepaid payers: they wait for their money, and what was set aside is charged or given back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest
from tests.alerts.story import CALLEE, Story, Tell

from louhua.alerts.answers import Answer, Reply
from louhua.alerts.refusals import answers_to
from louhua.bus.events import Choice, ReceiptState
from louhua.charging import cashier, reservations
from louhua.charging.credit import Settled, Verdict
from louhua.subscribers.profiles import Status
from louhua.texts.outbox import TextChange, TextKind, TextState

ITEMS: Final = {"call_back": {"price": "0.05"}, "detail": {"price": "0.10"}}
NOBODY: Final = {
    "peers": ["127.0.0.1:1"], "origin_host": "a.test", "origin_realm": "test", "destination_realm": "ocs.test",
}  # fmt: skip
NO_CREDIT: Final = "您的余额不足,未能查询未接来电。充值后请编辑短信D到06001重新查询,24小时内有效。本条免费。"
NO_CREDIT_FOR_DAYS: Final = "您的余额不足,未能查询未接来电。充值后请编辑短信D7到06001重新查询。本条免费。"
AWAY: Final = "抱歉,暂时无法查询未接来电。请稍后编辑短信D到06001重新查询,24小时内有效。本条免费。"
AWAY_FOR_DAYS: Final = "抱歉,暂时无法查询未接来电。请稍后编辑短信D7到06001重新查询。本条免费。"


async def missed_call(it: Story, caller: str = "8613900139000") -> None:
    await it.calls(it.call(caller))
    await it.phone_on()


async def text_to_pay(it: Story, money: int = 0) -> None:
    """A text to somebody who has so much, which waits for its money."""
    await it.plan(items=ITEMS)
    await it.prepaid(money=money)
    await missed_call(it)
    await it.claim()


async def settled(it: Story) -> bool:
    """Whether nothing waits for money, and each balance is what the prepaid rows of the ledger leave."""
    while await it.cashier.settle_some():
        pass
    waiting = await it.rows("SELECT 1 FROM charging_reservation UNION ALL SELECT 1 FROM charging_hold")
    wrong = await it.rows(
        "SELECT b.payer FROM charging_balance AS b WHERE b.reserved <> 0 OR b.balance <> -(SELECT sum(c.amount)"
        " FROM charging_charge AS c WHERE c.payer = b.payer AND c.prepaid)"
    )
    return not waiting and not wrong


def test_money_is_reserved_before_and_taken_after(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.prepaid(money=1000)
        await missed_call(it)
        assert await it.claim() == [], "it waits for its money"
        assert await it.cashier.reserve_some() == 1
        assert await it.money() == [(CALLEE, 1000, 50)]
        assert len(await it.deliver_all()) == 1
        assert await it.charges() == [(CALLEE, "call_back", 50, "price")]
        assert await settled(it)
        assert await it.money() == [(CALLEE, 950, 0)]

    tell(story)


def test_what_was_not_delivered_is_given_back(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        await it.cashier.reserve_some()
        (message,) = await it.accepted(*await it.claim())
        await it.receipt(message, ReceiptState.REJECTED)
        assert await settled(it)
        assert await it.money() == [(CALLEE, 1000, 0)]
        assert await it.charges() == []

    tell(story)


def test_the_same_money_is_not_spent_twice(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.prepaid(money=99)
        await it.calls(it.call(), it.call("8613700137000"))
        await it.phone_on()
        await it.claim()
        await it.cashier.reserve_some()
        assert len(await it.claim()) == 1
        assert await it.money() == [(CALLEE, 99, 50)]
        assert sorted(row[2] for row in await it.alerts()) == ["due", "sending"]

    tell(story, charging={"refused": "hold"})


@pytest.mark.parametrize(
    ("policy", "bodies", "charges", "alerts"),
    [
        ("free", 1, [(CALLEE, "call_back", 0, "no credit")], ["delivered"]),
        ("hold", 0, [], ["due"]),
        ("drop", 0, [], ["failed"]),
    ],
)
def test_what_becomes_of_a_text_without_money(
    tell: Tell, policy: str, bodies: int, charges: list[Any], alerts: list[str]
) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it, money=49)
        await it.cashier.reserve_some()
        assert len(await it.deliver_all()) == bodies
        assert await it.charges() == charges
        assert [row[2] for row in await it.alerts()] == alerts
        assert await settled(it)

    tell(story, charging={"refused": policy})


def test_a_held_text_goes_when_there_is_money_merged_with_what_came_meanwhile(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it)
        await it.cashier.reserve_some()
        await missed_call(it)
        await it.prepaid(money=500)
        await it.later(timedelta(minutes=6))
        assert await it.claim() == []
        await it.cashier.reserve_some()
        (body,) = await it.deliver_all()
        assert "呼叫过您2次" in body
        assert await it.charges() == [(CALLEE, "call_back", 50, "price")]
        assert await settled(it)

    tell(story, charging={"refused": "hold"})


@pytest.mark.parametrize(
    ("config", "kept"), [({"refused": "hold"}, 0), ({"refused": "drop"}, 0), ({"refused": "free"}, 1)]
)
def test_what_is_not_sent_is_not_counted_for_the_day(tell: Tell, config: dict[str, str], kept: int) -> None:
    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.prepaid()
        await missed_call(it)
        assert await it.claim() == []
        assert await it.rows("SELECT texts FROM alerts_daily") == [(1,)]
        await it.cashier.reserve_some()
        assert await it.rows("SELECT texts FROM alerts_daily") == [(kept,)]

    tell(story, charging=config)


def test_what_was_counted_yesterday_is_taken_off_yesterday(tell: Tell) -> None:
    """Worded before midnight, refused after it: today's limit is what it would be without that text."""

    async def story(it: Story) -> None:
        await text_to_pay(it)
        await it.rows("UPDATE alerts_daily SET day = day - 1 RETURNING 1")
        await it.rows("UPDATE texts_text SET created_at = created_at - interval '1 day' RETURNING 1")
        await missed_call(it, "8613700137000")
        await it.claim()
        await it.rows("UPDATE alerts_daily SET texts = texts + 5 RETURNING 1")
        await it.cashier.reserve_some()
        assert await it.rows("SELECT texts FROM alerts_daily ORDER BY day") == [(5,), (5,)]

    tell(story, charging={"refused": "drop"})


def test_who_asks_without_money_is_told_so_once(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.calls(it.call(choice=Choice.NONE), it.call("8613700137000", choice=Choice.NONE))
        await it.prepaid()
        await it.texted("D7")
        await it.cashier.reserve_some()
        assert [body for body in await it.deliver_all() if "余额" in body] == [NO_CREDIT_FOR_DAYS]
        assert await it.rows("SELECT error FROM texts_text WHERE item = 'detail'") == [("no credit",)] * 2
        assert await settled(it)

    tell(story, charging={"refused": "drop"})


async def teased(it: Story) -> None:
    """Two calls were missed; now the callee pays beforehand and has nothing."""
    await it.plan(items=ITEMS)
    await it.calls(it.call(choice=Choice.NONE), it.call("8613700137000", choice=Choice.NONE))
    await it.phone_on()
    await it.deliver_all()
    await it.prepaid()


async def details(it: Story) -> list[tuple[Any, ...]]:
    return await it.rows(
        "SELECT state, calls, attempts FROM alerts_alert WHERE kind = 'detail' ORDER BY caller, id"
    )


@pytest.mark.parametrize("enquiry_days", [0, 7])
@pytest.mark.parametrize("refused", ["hold", "drop"])
def test_who_tops_up_gets_the_details_he_could_not_pay_for(tell: Tell, refused: str, enquiry_days: int) -> None:
    async def story(it: Story) -> None:
        await teased(it)
        for _ in range(2):
            await it.texted("D")
            await it.claim()
            await it.cashier.reserve_some()
            assert await it.deliver_all() == [NO_CREDIT]
            assert await details(it) == [("offered", 1, 0)] * 2
        await it.prepaid(money=1000)
        await it.later(timedelta(hours=23))
        await it.texted("D")
        await it.claim()
        await it.cashier.reserve_some()
        bodies = await it.deliver_all()
        assert sorted(body[:11] for body in bodies) == ["13700137000", "13900139000"]
        assert await it.charges() == [(CALLEE, "detail", 100, "price")] * 2
        assert await settled(it)

    tell(story, charging={"refused": refused}, enquiry_days=enquiry_days)


def test_what_was_refused_is_offered_no_longer_than_a_teaser_offers_it(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await teased(it)
        await it.texted("D")
        await it.claim()
        await it.cashier.reserve_some()
        await it.deliver_all()
        await it.later(timedelta(hours=25))
        await it.texted("D")
        (body,) = await it.deliver_all()
        assert "已失效" in body
        await it.sweep()
        assert await details(it) == [("expired", 1, 0)] * 2

    tell(story)


def test_a_call_while_the_money_is_asked_for_is_offered_with_what_was_refused(tell: Tell) -> None:
    """The call has opened an alert of its own, which its teaser offers; it takes over the refused one's calls."""

    async def story(it: Story) -> None:
        await teased(it)
        await it.register(status=Status.UNREGISTERED)
        await it.texted("D")
        await it.claim()
        await it.calls(it.call("8613700137000", choice=Choice.NONE))
        await it.cashier.reserve_some()
        assert await details(it) == [("failed", 1, 1), ("offered", 2, 0), ("offered", 1, 0)]
        await it.prepaid(money=1000)
        await it.texted("D")
        await it.claim()
        await it.cashier.reserve_some()
        assert sum("呼叫过您2次" in body for body in await it.deliver_all()) == 1

    tell(story)


async def _away(asks: Any) -> list[Verdict]:
    return [Verdict.AWAY for _ in asks]


def nobody_answers(it: Story) -> None:
    it.cashier._credit.reserve = _away  # type: ignore[method-assign]


def somebody_answers(it: Story) -> None:
    del it.cashier._credit.reserve


async def asks(it: Story, body: str) -> list[str]:
    """Somebody asks for details, and the money is asked for; what he reads."""
    await it.texted(body)
    await it.claim()
    while await it.cashier.reserve_some():
        pass
    return await it.deliver_all()


def test_who_asks_for_days_while_nobody_answers_is_told_to_ask_later(tell: Tell) -> None:
    """Nothing tries the answers to D7 again, and the teaser is dropped: without a word he would wait for ever."""

    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.calls(it.call(choice=Choice.NONE), it.call("8613700137000", choice=Choice.NONE))
        await it.prepaid(money=1000)
        nobody_answers(it)
        assert await asks(it, "D7") == [AWAY_FOR_DAYS]
        assert await it.rows("SELECT error FROM texts_text WHERE item = 'detail'") == [("credit away",)] * 2
        somebody_answers(it)
        assert await settled(it)
        assert await it.money() == [(CALLEE, 1000, 0)], "what he is told is free"
        assert len(await asks(it, "D7")) == 2

    tell(story, charging={"away": "hold"})


@pytest.mark.parametrize("enquiry_days", [0, 7])
def test_who_asks_by_d_while_nobody_answers_is_told_when_it_is_tried_no_more(
    tell: Tell, enquiry_days: int
) -> None:
    async def story(it: Story) -> None:
        await teased(it)
        await it.prepaid(money=1000)
        nobody_answers(it)
        assert await asks(it, "D") == []
        for tried in (1, 2, 3):
            assert await details(it) == [("due", 1, tried)] * 2
            assert await it.rows("SELECT 1 FROM texts_text WHERE kind = 'reply'") == []
            await it.later(timedelta(hours=3))
            await it.claim()
            await it.cashier.reserve_some()
        assert await it.deliver_all() == [AWAY]
        assert await details(it) == [("offered", 1, 0)] * 2
        somebody_answers(it)
        assert len(await asks(it, "D")) == 2
        assert await settled(it)

    tell(story, charging={"away": "hold"}, enquiry_days=enquiry_days)


def test_who_called_while_the_money_was_asked_for_leaves_nobody_to_try_again(tell: Tell) -> None:
    """The call's alert takes over the other's calls, and waits for D: who has sent one is told."""

    async def story(it: Story) -> None:
        await teased(it)
        await it.register(status=Status.UNREGISTERED)
        nobody_answers(it)
        await it.texted("D")
        await it.claim()
        callers = "8613900139000", "8613700137000"
        await it.calls(*(it.call(caller, choice=Choice.NONE) for caller in callers))
        await it.cashier.reserve_some()
        assert [row[:2] for row in await details(it)] == [("failed", 1), ("offered", 2)] * 2
        told, teaser = await it.deliver_all()
        assert told == AWAY
        assert teaser.startswith("您有2个未接来电")

    tell(story, charging={"away": "hold"})


def test_who_is_told_is_told_once_whenever_the_money_is_asked_for(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three texts of one answer come to their ends one after another; who asks again is told again."""
    monkeypatch.setitem(cashier._AT_ONCE, "here", 1)

    async def story(it: Story) -> None:
        await it.plan(items=ITEMS)
        await it.calls(*(it.call(f"861370013700{n}", choice=Choice.NONE) for n in range(3)))
        await it.prepaid()
        for _ in range(2):
            assert await asks(it, "D7") == [NO_CREDIT_FOR_DAYS]
        await it.texted("D7")
        told = []
        while await it.cashier.reserve_some():
            told += await it.deliver_all()
        assert told == [NO_CREDIT_FOR_DAYS], "also when he has read it already"

    tell(story, charging={"refused": "drop"})


@pytest.mark.parametrize(
    ("errors", "alerts", "days", "reply", "count"),
    [
        (["no credit"], [(1,)], 7, Reply.NO_CREDIT, 0),
        (["no credit"], [()], 7, Reply.NO_CREDIT, 7),
        (["no credit"], [()], 0, Reply.NO_CREDIT, 0),
        (["credit away"], [(1,)], 7, Reply.CREDIT_AWAY, 0),
        (["credit away", "credit away"], [(1,), ()], 7, Reply.CREDIT_AWAY, 7),
        (["credit away", "no credit"], [(1,), (2,)], 7, Reply.NO_CREDIT, 0),
    ],
)
def test_what_who_asked_is_told(
    errors: list[str], alerts: list[tuple[int, ...]], days: int, reply: Reply, count: int
) -> None:
    refused = [
        TextChange(
            text_id=number, kind=TextKind.ALERT if ids else TextKind.REPLY, alert_ids=ids, recipient=CALLEE,
            state=TextState.FAILED, at=datetime.now(UTC), error=error,
        )
        for number, (error, ids) in enumerate(zip(errors, alerts, strict=True))
    ]  # fmt: skip
    assert answers_to(refused, days) == {CALLEE: Answer(reply=reply, count=count)}


def test_what_costs_nothing_asks_nobody(tell: Tell) -> None:
    """Within the free quota a payer without any money is served; who is beyond it needs some."""

    async def story(it: Story) -> None:
        await it.plan(items={"call_back": {"price": "0.05", "free": 1}})
        await it.prepaid()
        await missed_call(it)
        await it.claim()
        await it.cashier.reserve_some()
        assert len(await it.deliver_all()) == 1
        assert await it.charges() == [(CALLEE, "call_back", 0, "free quota")]
        await missed_call(it)
        await it.claim()
        await it.cashier.reserve_some()
        assert await it.deliver_all() == []
        assert await settled(it)

    tell(story, charging={"refused": "drop"})


@pytest.mark.parametrize(("at_once", "money"), [(True, 1000), (False, 1000), (True, 100)])
def test_of_texts_on_their_way_only_so_many_are_free(tell: Tell, at_once: bool, money: int) -> None:
    """Whether worded at once or one after another before the first arrives."""
    callers = [f"861370013700{n}" for n in range(5)]

    async def story(it: Story) -> None:
        await it.plan(items={"call_back": {"price": "0.05", "free": 1}})
        await it.prepaid(money=money)
        for batch in [callers] if at_once else [[caller] for caller in callers]:
            await it.calls(*map(it.call, batch))
            await it.phone_on()
            await it.claim()
        assert sorted(await it.rows("SELECT amount FROM charging_reservation")) == [(0,), *[(50,)] * 4]
        await it.cashier.reserve_some()
        texts = await it.claim()
        for text, message in zip(texts, await it.accepted(*texts), strict=True):
            await it.receipt(message, number=text.recipient)
        paid = min(money, 200)
        assert sorted(row[2] for row in await it.charges()) == [0, *[50] * (paid // 50)]
        assert await settled(it)
        assert await it.money() == [(CALLEE, money - paid, 0)]

    tell(story, charging={"refused": "drop"})


@pytest.mark.parametrize(
    ("policy", "bodies", "charges", "alerts"),
    [("free", 1, [(CALLEE, "call_back", 0, "credit away")], ["delivered"]), ("hold", 0, [], ["due"])],
)
def test_what_becomes_of_a_text_while_nobody_answers_for_the_money(
    tell: Tell, policy: str, bodies: int, charges: list[Any], alerts: list[str]
) -> None:
    """What may have been reserved is given back, however long that takes."""

    async def story(it: Story) -> None:
        await text_to_pay(it)
        await it.cashier.reserve_some()
        assert len(await it.deliver_all()) == bodies
        assert await it.charges() == charges
        assert [row[2] for row in await it.alerts()] == alerts
        for _ in range(3):
            assert await it.cashier.settle_some() == 1
            assert await it.cashier.settle_some() == 0, "it is asked again later, not at once"
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
        assert await it.rows("SELECT state, used FROM charging_reservation") == [("settling", 0)]

    tell(story, charging={"away": policy, "keeper": "diameter", "diameter": NOBODY})


@pytest.mark.parametrize(
    ("policy", "bodies", "charges"),
    [("free", 1, [(CALLEE, "call_back", 0, "no credit")]), ("hold", 0, []), ("drop", 0, [])],
)
def test_what_is_reserved_of_too_little_is_given_back_however_long_that_takes(
    tell: Tell, policy: str, bodies: int, charges: list[Any]
) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        balances = it.cashier._credit
        granted, heard = balances.reserve, balances.settle

        async def less(asks: Any) -> list[Verdict]:
            await granted([msgspec.structs.replace(ask, amount=20) for ask in asks])
            return [Verdict.LESS for _ in asks]

        async def unheard(settlements: Any) -> list[Settled]:
            balances.settle = heard  # type: ignore[method-assign]
            return [Settled.AGAIN for _ in settlements]

        balances.reserve, balances.settle = less, unheard  # type: ignore[method-assign]
        await it.cashier.reserve_some()
        assert len(await it.deliver_all()) == bodies
        assert await it.charges() == charges
        assert await it.cashier.settle_some() == 1
        assert await it.money() == [(CALLEE, 1000, 20)], "nobody has heard of it"
        await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
        assert await settled(it)
        assert await it.money() == [(CALLEE, 1000, 0)]

    tell(story, charging={"refused": policy})


def test_what_is_free_of_charge_elsewhere_goes_and_is_written_with_nothing(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it)

        async def free(asks: Any) -> list[Verdict]:
            return [Verdict.FREE for _ in asks]

        it.cashier._credit.reserve = free  # type: ignore[method-assign]
        await it.cashier.reserve_some()
        assert len(await it.deliver_all()) == 1
        assert await it.charges() == [(CALLEE, "call_back", 0, "free of charge")]
        assert await settled(it)

    tell(story, charging={"refused": "drop"})


def test_an_answer_that_was_not_stored_is_asked_for_again_and_not_granted_twice(tell: Tell) -> None:
    """Killed after the money was set aside, and before that was known; another process asks a minute later."""

    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        asked: list[tuple[str, bool]] = []
        reserve = it.cashier._credit.reserve

        async def noted(asks: Any) -> Any:
            asked.extend((ask.session, ask.again) for ask in asks)
            return await reserve(asks)

        it.cashier._credit.reserve = noted  # type: ignore[method-assign]
        it.cashier._let_go = _killed  # type: ignore[assignment, method-assign]
        with pytest.raises(Killed):
            await it.cashier.reserve_some()
        del it.cashier._let_go
        assert await it.money() == [(CALLEE, 1000, 50)]
        assert await it.cashier.reserve_some() == 0, "others leave it alone for a minute"
        await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
        assert await it.cashier.reserve_some() == 1
        assert await it.money() == [(CALLEE, 1000, 50)]
        ((at,),) = await it.rows("SELECT floor(extract(epoch FROM created_at))::bigint FROM charging_reservation")
        ((text,),) = await it.rows("SELECT id FROM texts_text")
        assert asked == [(f"text-{text}-{at}", False), (f"text-{text}-{at}", True)]
        assert len(await it.deliver_all()) == 1
        assert await settled(it)
        assert await it.money() == [(CALLEE, 950, 0)]

    tell(story)


def test_who_does_not_hear_is_told_again_and_again(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        await it.cashier.reserve_some()
        await it.deliver_all()
        told: list[tuple[int, bool]] = []
        heard = it.cashier._credit.settle

        async def deaf(settlements: Any) -> list[Settled]:
            told.extend((settlement.used, settlement.again) for settlement in settlements)
            return [Settled.AGAIN for _ in settlements]

        it.cashier._credit.settle = deaf  # type: ignore[method-assign]
        attempts = []
        for _ in range(3):
            assert await it.cashier.settle_some() == 1
            assert await it.cashier.settle_some() == 0
            attempts += await it.rows("SELECT attempts FROM charging_reservation")
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
        assert told == [(50, False), (50, True), (50, True)]
        assert attempts == [(1,), (2,), (3,)]
        it.cashier._credit.settle = heard  # type: ignore[method-assign]
        assert await settled(it)

    tell(story)


def test_what_nobody_was_there_to_be_told_is_told_as_if_for_the_first_time(tell: Tell) -> None:
    """But for what somebody may have heard before."""

    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        await it.cashier.reserve_some()
        await it.deliver_all()
        told: list[tuple[int, bool]] = []
        said = [Settled.UNSENT, Settled.UNSENT, Settled.AGAIN, Settled.UNSENT, Settled.DONE]

        async def settle(settlements: Any) -> list[Settled]:
            told.extend((settlement.used, settlement.again) for settlement in settlements)
            return [said[len(told) - 1]]

        it.cashier._credit.settle = settle  # type: ignore[method-assign]
        for _ in said:
            assert await it.cashier.settle_some() == 1
            assert await it.cashier.settle_some() == 0, "not at once"
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
        assert told == [(50, False), (50, False), (50, False), (50, True), (50, True)]
        assert await it.rows("SELECT 1 FROM charging_reservation") == []

    tell(story)


def test_what_is_used_of_a_reservation_that_is_over_is_taken_without_one_however_long_that_takes(
    tell: Tell,
) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        await it.cashier.reserve_some()
        await it.deliver_all()
        told: list[tuple[int, bool, bool]] = []
        said = [Settled.LATE, Settled.LATE, Settled.LATE, Settled.DONE]

        async def settle(settlements: Any) -> list[Settled]:
            told.extend((settlement.used, settlement.again, settlement.late) for settlement in settlements)
            return [said[len(told) - 1]]

        it.cashier._credit.settle = settle  # type: ignore[method-assign]
        attempts = []
        for _ in said:
            assert await it.cashier.settle_some() == 1
            assert await it.cashier.settle_some() == 0, "not at once"
            attempts += await it.rows("SELECT attempts FROM charging_reservation")
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
        assert told == [(50, False, False), (50, True, True), (50, True, True), (50, True, True)]
        assert attempts == [(0,), (1,), (2,)], "less and less often"
        assert await it.rows("SELECT 1 FROM charging_reservation") == []

    tell(story)


def test_who_finds_nobody_so_late_that_another_has_told_it_makes_nothing_new_of_it(tell: Tell) -> None:
    """Else an unknown session would seem to have taken nothing, and the money would be taken once more."""

    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        await it.cashier.reserve_some()
        await it.deliver_all()
        told: list[bool] = []

        async def frozen(settlements: Any) -> list[Settled]:
            it.cashier._credit.settle = unheard  # type: ignore[method-assign]
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
            await it.cashier.settle_some()
            return [Settled.UNSENT for _ in settlements]

        async def unheard(settlements: Any) -> list[Settled]:
            told.extend(settlement.again for settlement in settlements)
            return [Settled.AGAIN for _ in settlements]

        it.cashier._credit.settle = frozen  # type: ignore[method-assign]
        await it.cashier.settle_some()
        await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
        await it.cashier.settle_some()
        assert told == [True, True]

    tell(story)


@pytest.mark.parametrize("asked", ["before", "after"])
def test_what_is_late_and_was_asked_late_is_both(tell: Tell, asked: str) -> None:
    """It is taken without the session, and the session that the late question opened is ended."""

    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        await it.cashier.reserve_some()
        await it.deliver_all()
        told: list[tuple[int, bool]] = []
        said = [Settled.LATE, Settled.DONE, Settled.DONE]

        async def settle(settlements: Any) -> list[Settled]:
            told.extend((settlement.used, settlement.late) for settlement in settlements)
            if len(told) == 1 and asked == "before":
                await ask_late()
            return [said[len(told) - 1]]

        async def ask_late() -> None:
            ((text,),) = await it.rows("SELECT text_id FROM charging_reservation")
            async with it.pool.connection() as connection:
                await reservations.asked_late(connection, [text])

        it.cashier._credit.settle = settle  # type: ignore[method-assign]
        for number in range(3):
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
            assert await it.cashier.settle_some() == 1
            if number == 0 and asked == "after":
                await ask_late()
        assert told == [(50, False), (50, True), (0, False)]
        assert await it.rows("SELECT 1 FROM charging_reservation") == []

    tell(story)


@pytest.mark.parametrize("settings", [{}, {"keeper": "diameter", "diameter": NOBODY}])
def test_what_comes_during_a_question_is_asked_at_once(
    tell: Tell, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    monkeypatch.setattr(cashier, "_LOOK_EVERY_S", 3600)

    async def story(it: Story) -> None:
        await text_to_pay(it)
        asked, second = [], asyncio.Event()

        async def reserve(asks: Any) -> list[Verdict]:
            asked.append(len(asks))
            if len(asked) == 1:
                await missed_call(it, "8613700137000")
                await it.claim()
                it.cashier.look()
            elif asks:
                second.set()
            return [Verdict.GRANTED for _ in asks]

        it.cashier._credit.reserve = reserve  # type: ignore[method-assign]
        running = asyncio.create_task(it.cashier.run())
        try:
            await asyncio.wait_for(second.wait(), 20)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    tell(story, charging=settings)


def test_an_answer_that_does_not_come_holds_no_other_text_up(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches are asked for side by side where money is kept elsewhere, here one text each."""
    monkeypatch.setitem(cashier._AT_ONCE, "diameter", 1)

    async def story(it: Story) -> None:
        await text_to_pay(it)
        await missed_call(it, "8613700137000")
        await it.claim()
        asked: list[str] = []
        granted = asyncio.Event()

        async def reserve(asks: Any) -> list[Verdict]:
            asked.extend(ask.session for ask in asks)
            if len(asked) == 1:
                await asyncio.Event().wait()
            return [Verdict.GRANTED for _ in asks]

        it.cashier._credit.reserve = reserve  # type: ignore[method-assign]
        it.cashier._wake = granted.set
        running = asyncio.create_task(it.cashier.run())
        try:
            await asyncio.wait_for(granted.wait(), 20)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert len(await it.claim()) == 1
        assert len(set(asked)) == 2

    tell(story, charging={"keeper": "diameter", "diameter": NOBODY})


class Killed(Exception):
    """The process is gone."""


async def _killed(*_: Any) -> None:
    raise Killed


def test_who_becomes_postpaid_meanwhile_still_pays_from_the_balance(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        await it.cashier.reserve_some()
        await it.rows("UPDATE subscribers_subscriber SET prepaid = false RETURNING number")
        assert len(await it.deliver_all()) == 1
        assert await settled(it)
        assert await it.money() == [(CALLEE, 950, 0)]

    tell(story)


def test_who_asks_so_late_that_all_is_over_gives_back_what_he_was_granted(tell: Tell) -> None:
    """A frozen process: others have asked again, sent, and settled before its own question is answered."""

    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        balances = it.cashier._credit
        late, heard = balances.reserve, balances.settle

        async def frozen(asks: Any) -> Any:
            balances.reserve = late  # type: ignore[method-assign]
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
            await it.cashier.reserve_some()
            await it.deliver_all()
            assert await settled(it)
            balances.settle = unheard  # type: ignore[method-assign]
            return await late(asks)

        async def unheard(settlements: Any) -> list[Settled]:
            balances.settle = heard  # type: ignore[method-assign]
            return [Settled.AGAIN for _ in settlements]

        balances.reserve = frozen  # type: ignore[method-assign]
        await it.cashier.reserve_some()
        await it.cashier.settle_some()
        assert await it.money() == [(CALLEE, 950, 50)], "nobody has heard of it"
        await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
        assert await settled(it)
        assert await it.money() == [(CALLEE, 950, 0)]

    tell(story)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize(("policy", "charges"), [("free", [(CALLEE, "call_back", 0, "no credit")]), ("drop", [])])
def test_what_one_was_refused_and_another_was_granted_is_given_back(
    tell: Tell, policy: str, charges: list[Any], killed: bool
) -> None:
    """One is refused and freezes; another asks again after a top-up, is granted, and says so later, or never."""
    granted, stored = asyncio.Event(), asyncio.Event()

    async def story(it: Story) -> None:
        await text_to_pay(it)
        balances = it.cashier._credit
        reserve = balances.reserve
        others: list[asyncio.Task[int]] = []

        async def refused_and_frozen(asks: Any) -> Any:
            verdicts = await reserve(asks)
            balances.reserve = granted_and_frozen  # type: ignore[method-assign]
            await it.prepaid(money=1000)
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
            others.append(asyncio.create_task(it.cashier.reserve_some()))
            await granted.wait()
            return verdicts

        async def granted_and_frozen(asks: Any) -> Any:
            verdicts = await reserve(asks)
            granted.set()
            await stored.wait()
            if killed:
                raise Killed
            return verdicts

        balances.reserve = refused_and_frozen  # type: ignore[method-assign]
        await it.cashier.reserve_some()
        stored.set()
        await asyncio.wait(others)
        assert isinstance(others[0].exception(), Killed) is killed
        assert await it.money() == [(CALLEE, 1000, 50)]
        await it.deliver_all()
        assert await it.charges() == charges
        assert await settled(it)
        assert await it.money() == [(CALLEE, 1000, 0)]

    tell(story, charging={"refused": policy})


def test_what_was_refused_and_sent_all_the_same_is_settled_with_nothing(tell: Tell) -> None:
    """Somebody else may have been granted it, or a part of it may be reserved."""

    async def story(it: Story) -> None:
        await text_to_pay(it)
        await it.cashier.reserve_some()
        await it.deliver_all()
        assert await it.rows("SELECT state, used FROM charging_reservation") == [("settling", 0)]
        assert await settled(it)
        assert await it.rows("SELECT state FROM charging_reservation") == []

    tell(story, charging={"refused": "free"})


@pytest.mark.parametrize("told", ["before", "after"])
def test_who_asks_while_what_was_charged_is_told_gives_back_what_he_was_granted(tell: Tell, told: str) -> None:
    """A frozen process: others have asked, sent, and the keeper hears of the end before or after it is asked."""
    heard, stored = asyncio.Event(), asyncio.Event()

    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        balances = it.cashier._credit
        reserve, settle = balances.reserve, balances.settle
        others: list[asyncio.Task[int]] = []

        async def frozen(asks: Any) -> Any:
            balances.reserve = reserve  # type: ignore[method-assign]
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
            await it.cashier.reserve_some()
            await it.deliver_all()
            if told == "before":
                balances.settle = heard_and_frozen  # type: ignore[method-assign]
                others.append(asyncio.create_task(it.cashier.settle_some()))
                await heard.wait()
            return await reserve(asks)

        async def heard_and_frozen(settlements: Any) -> Any:
            balances.settle = settle  # type: ignore[method-assign]
            known = await settle(settlements)
            heard.set()
            await stored.wait()
            return known

        balances.reserve = frozen  # type: ignore[method-assign]
        await it.cashier.reserve_some()
        stored.set()
        await asyncio.gather(*others)
        assert await settled(it)
        assert await it.money() == [(CALLEE, 950, 0)]

    tell(story)


def test_who_asks_so_late_that_others_have_given_up_changes_nothing(tell: Tell) -> None:
    async def story(it: Story) -> None:
        await text_to_pay(it, money=1000)
        balances = it.cashier._credit
        late = balances.reserve

        async def frozen(asks: Any) -> Any:
            balances.reserve = _away  # type: ignore[method-assign]
            await it.rows("UPDATE charging_reservation SET due_at = now() RETURNING text_id")
            await it.cashier.reserve_some()
            return await late(asks)

        balances.reserve = frozen  # type: ignore[method-assign]
        await it.cashier.reserve_some()
        assert [row[2] for row in await it.alerts()] == ["due"]
        assert await it.claim() == []
        assert await settled(it)
        assert await it.money() == [(CALLEE, 1000, 0)]

    tell(story, charging={"away": "hold"})
