"""What texts from phones bring."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.alerts.story import CALLEE, Story, Tell

from louhua.alerts.store import expire_offers
from louhua.bus.events import Choice, ReceiptState
from louhua.texts.metrics import UNANSWERED
from louhua.texts.replies import ANSWERS_AN_HOUR, text_id

A, B = "8613900139000", "8613900139001"


async def teased(s: Story) -> None:
    """Two callers hung up; the teaser was delivered."""
    await s.calls(s.call(A, Choice.NONE), s.call(B, Choice.NONE), s.call(B, Choice.NONE))
    await s.phone_on()
    (teaser,) = await s.deliver_all()
    assert teaser.startswith("您有3个未接来电")


def test_d_brings_one_text_a_caller(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await teased(s)
        await s.texted("D")
        texts = await s.deliver_all()
        assert [text[:11] for text in sorted(texts)] == ["13900139000", "13900139001"]
        assert ["呼叫过您1次" in text for text in sorted(texts)] == [True, False]

    tell(story)


def test_d_works_once(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await teased(s)
        await s.texted("D")
        await s.deliver_all()
        await s.texted("d")
        assert await s.deliver_all() == ["您目前没有可查询的未接来电。"]

    tell(story)


def test_the_same_text_twice_is_answered_once(tell: Tell) -> None:
    async def story(s: Story) -> None:
        event = await s.texted("D")
        await s.enquiries.texts_received([event, event])
        assert len(await s.deliver_all()) == 1

    tell(story)


def test_d_comes_too_late(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await teased(s)
        await s.later(timedelta(hours=25))
        await s.texted("D")
        assert await s.deliver_all() == ["您查询的未接来电已超过24小时,详情已失效。"]

    tell(story)


def test_d_is_judged_by_when_it_was_received(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await teased(s)
        await s.later(timedelta(hours=25))
        await s.texted("D", at=datetime.now(UTC) - timedelta(hours=2))
        assert len(await s.deliver_all()) == 2

    tell(story)


def test_expired_offers_stay_too_late(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await teased(s)
        await s.later(timedelta(hours=25))
        assert await _expire(s) == 2
        await s.texted("D")
        assert "已失效" in (await s.deliver_all())[0]

    tell(story)


async def _expire(s: Story) -> int:
    async with s.pool.connection() as connection:
        return await expire_offers(connection, datetime.now(UTC))


def test_the_window_opens_when_the_teaser_is_delivered(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(A, Choice.NONE))
        await s.phone_on()
        (message_id,) = await s.accepted(*await s.claim())
        await s.later(timedelta(hours=30))
        assert await _expire(s) == 0
        await s.receipt(message_id)
        await s.later(timedelta(hours=23))
        assert await _expire(s) == 0
        await s.texted("D")
        assert "呼叫过您1次" in (await s.deliver_all())[0]

    tell(story)


def test_a_later_teaser_keeps_what_it_offers_open(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(A, Choice.NONE))
        await s.phone_on()
        (first,) = await s.accepted(*await s.claim())
        await s.calls(s.call(B, Choice.NONE))
        await s.receipt(first)
        await s.later(timedelta(hours=25))
        assert await _expire(s) == 0, "the second teaser is still to come"
        await s.phone_on()
        await s.deliver_all()
        await s.later(timedelta(hours=23))
        await s.texted("D")
        assert len(await s.deliver_all()) == 2

    tell(story)


@pytest.mark.parametrize("end", ["rejected", "watch over"])
def test_an_offer_ends_when_its_teaser_never_comes(tell: Tell, end: str) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(A, Choice.NONE))
        if end == "rejected":
            await s.phone_on()
            (message_id,) = await s.accepted(*await s.claim())
            await s.receipt(message_id, ReceiptState.REJECTED)
        else:
            await s.later(timedelta(hours=73))
            await s.sweep()
        assert await _expire(s) == 0
        await s.later(timedelta(hours=25))
        assert await _expire(s) == 1

    tell(story, when_watch_ends="drop")


def test_another_call_is_offered_anew(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await teased(s)
        await s.later(timedelta(hours=23))
        await s.calls(s.call(A, Choice.NONE))
        await s.later(timedelta(hours=2))
        await s.texted("D")
        texts = await s.deliver_all()
        assert len(texts) == 1
        assert "呼叫过您2次" in texts[0]

    tell(story)


def test_d_before_the_next_teaser_makes_it_needless(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await teased(s)
        await s.calls(s.call(A, Choice.NONE))
        await s.texted("D")
        assert len(await s.deliver_all()) == 2
        await s.phone_on()
        assert await s.deliver_all() == []

    tell(story)


def test_help_at_most_once_an_hour(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.texted("hello")
        await s.texted("hello?")
        assert await s.deliver_all() == ["查询未接来电,请编辑短信D到06001,或者拨打12599。"]
        await s.later(timedelta(minutes=61))
        await s.texted("hello!")
        assert len(await s.deliver_all()) == 1

    tell(story)


def test_what_people_say_is_not_kept(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.texted("a secret")
        assert await s.rows("SELECT keyword FROM texts_inbound") == [("unknown",)]

    tell(story)


def test_details_that_failed_wait_for_the_phone_whatever_calls_come(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call(A, Choice.NONE))
        await s.texted("D")
        (detail,) = await s.claim()
        (message_id,) = await s.accepted(detail)
        await s.receipt(message_id, ReceiptState.EXPIRED)
        await s.calls(s.call(A, Choice.NONE))
        await s.phone_on()
        bodies = await s.deliver_all()
        assert sum("呼叫过您2次" in body for body in bodies) == 1


@pytest.mark.parametrize("sender", ["10086", "06001", "BANK", "106900012345678"])
def test_another_machine_gets_no_answer(tell: Tell, sender: str) -> None:
    async def story(s: Story) -> None:
        before = UNANSWERED.labels("ourselves")._value.get() + UNANSWERED.labels("no phone")._value.get()
        await s.texted("D", sender)
        await s.texted("help?", sender)
        assert await s.deliver_all() == []
        after = UNANSWERED.labels("ourselves")._value.get() + UNANSWERED.labels("no phone")._value.get()
        assert after - before == 2

    tell(story)


def test_two_machines_do_not_go_on_for_ever(tell: Tell) -> None:
    """What answers our answers with D is answered ten times an hour; with our own words, never."""

    async def story(s: Story) -> None:
        answers = 0
        for _ in range(ANSWERS_AN_HOUR + 5):
            await s.texted("D")
            answers += len(await s.deliver_all())
        assert answers == ANSWERS_AN_HOUR
        await s.later(timedelta(minutes=61))
        await s.texted("您目前没有可查询的未接来电。")
        assert await s.deliver_all() == []
        await s.texted("D")
        assert len(await s.deliver_all()) == 1

    tell(story)


def test_a_text_that_comes_over_two_smscs_is_answered_once(tell: Tell) -> None:
    async def story(s: Story) -> None:
        at = datetime.now(UTC)
        for seconds in (0, 20):
            moment = at + timedelta(seconds=seconds)
            await s.texted("D", id=text_id(CALLEE, "D", moment), at=moment)
        assert len(await s.deliver_all()) == 1

    tell(story)
