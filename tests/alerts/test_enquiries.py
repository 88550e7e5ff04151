"""What texts from phones bring."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.alerts.story import CALLEE, Story, Tell

from louhua.alerts.offers import expire_offers
from louhua.bus.events import Choice, Reason, ReceiptState, Treatment
from louhua.hours import Hours
from louhua.subscribers.profiles import Language, Status
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
        (told,) = await s.deliver_all()
        assert told.startswith("查询未接来电,请编辑短信D到06001,或者拨打12599。")
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


def test_help_is_given_to_who_asks_for_it(tell: Tell) -> None:
    async def story(s: Story) -> None:
        for body in ("what?", "BZ", "help"):
            await s.texted(body)
        assert len(await s.deliver_all()) == 3
        await s.texted("what?")
        assert await s.deliver_all() == []

    tell(story)


async def profile(s: Story, number: str = CALLEE) -> tuple[object, ...]:
    rows = await s.rows("SELECT number, status, power_on, notice_due FROM subscribers_subscriber")
    return next((row[1:] for row in rows if row[0] == number), ())


async def lists(s: Story) -> list[tuple[object, ...]]:
    return await s.rows("SELECT owner, list, number FROM subscribers_listed ORDER BY owner, list, number")


def test_kt_registers_and_the_notice_is_the_answer(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.texted("KT")
        (notice,) = await s.deliver_all()
        assert notice.startswith("已为您免费开通漏话提醒")
        assert await profile(s) == ("registered", "everybody", False)
        await s.calls(s.call(A, Choice.NONE, reason=Reason.BUSY))
        (missed,) = await s.deliver_all()
        assert missed.startswith("13900139000")
        await s.texted("开通")
        assert (await s.deliver_all())[0].startswith("您已开通漏话提醒")
        await s.texted("QX")
        assert (await s.deliver_all())[0].startswith("您的漏话提醒已取消")
        assert await profile(s) == ("unregistered", "everybody", False)

    tell(story)


def test_a_batch_changes_profiles_and_lists_together(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(number=B, language=Language.EN)
        await s.texts(
            (CALLEE, "KT"), (CALLEE, "HMD13900139000"), (CALLEE, "YS1"), (CALLEE, "BMD 13900139001"),
            (B, "block 13900139000"), (B, "privacy 0"), (A, "HMD13800138000"),
        )  # fmt: skip
        told = await s.deliver_all()
        assert len(told) == 7
        assert "13900139000 is on your block list. To take it off text UNBLOCK 13900139000 to 06001." in told
        assert "此功能供已开通漏话提醒的用户使用。免费开通请编辑短信KT到06001。" in told
        assert await profile(s) == ("registered", "list", False)
        assert (await profile(s, B))[:2] == ("registered", "nobody")
        assert await profile(s, A) == ()
        assert await lists(s) == [(CALLEE, "allow", B), (CALLEE, "block", A), (B, "block", A)]
        await s.texted("HMD-13900139000")
        await s.texted("HMD")
        assert [text[:11] for text in await s.deliver_all()] == ["13900139000", "您的黑名单是空的。加入"]
        assert await lists(s) == [(CALLEE, "allow", B), (B, "block", A)]

    tell(story)


def test_a_text_that_comes_again_changes_nothing(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register()
        event = await s.texted("HMD13900139000")
        await s.texted("HMD-13900139000")
        await s.enquiries.texts_received([event])
        assert await lists(s) == []
        assert len(await s.deliver_all()) == 2

    tell(story)


def test_what_somebody_set_stays_when_he_sets_another_thing(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(voicemail=True, digest=True, daily_limit=5, quiet_hours=Hours(0, 60))
        before = "voicemail, digest, daily_limit, quiet_hours, notice_due FROM subscribers_subscriber"
        assert await s.rows(f"SELECT {before}") == [(True, True, 5, "00:00-01:00", True)]
        await s.texted("YS0")
        assert await s.rows(f"SELECT {before}") == [(True, True, 5, "00:00-01:00", True)]

    tell(story)


async def past_calls(s: Story, callers: int) -> None:
    """Each caller called twice, the first latest; a blocked and a withheld one, and one three days ago."""
    now = datetime.now(UTC)
    calls = [
        s.call(f"861390013{n:04}", Choice.NONE, reason=Reason.BUSY, at=now - timedelta(minutes=60 + n + half))
        for n in range(callers) for half in (0, 0.5)
    ]  # fmt: skip
    calls.append(s.call("", Choice.NONE, at=now - timedelta(days=1)))
    calls.append(s.call(A, Choice.NONE, at=now - timedelta(days=3)))
    calls.append(s.call(B, Choice.NONE, treatment=Treatment.BLOCK))
    await s.calls(*calls)
    await s.deliver_all()


def test_d_with_days_brings_the_calls_of_so_many_days(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register()
        await past_calls(s, 2)
        await s.texted("D2")
        texts = await s.deliver_all()
        assert [text.partition("于")[0] for text in texts] == ["13900130000", "13900130001", "隐藏号码"]
        assert ["呼叫过您2次" in text for text in texts] == [True, True, False]
        await s.texted("D 4")
        texts = await s.deliver_all()
        assert [text.partition("于")[0] for text in texts][3:] == ["13900139000"]
        await s.texted("HMD13900139000")
        await s.deliver_all()
        await s.texted("D99")
        assert len(await s.deliver_all()) == 3, "who is blocked is not told of"

    tell(story)


def test_d_with_days_goes_no_further_back_than_allowed(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await past_calls(s, 0)
        await s.texted("D31")
        assert [text.partition("于")[0] for text in await s.deliver_all()] == ["隐藏号码"]
        await s.texted("D1", sender=B)
        assert await s.deliver_all() == ["您近1天没有未接来电。"]

    tell(story, enquiry_days=2)


def test_where_days_are_not_allowed_d_with_days_is_d(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await past_calls(s, 2)
        await teased(s)
        await s.texted("D7")
        assert len(await s.deliver_all()) == 5, "what the teasers offered"
        await s.texted("D7")
        assert await s.deliver_all() == ["您目前没有可查询的未接来电。"]

    tell(story, enquiry_days=0)


def test_many_callers_are_counted(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(digest=True)
        await past_calls(s, 24)
        await s.texted("D1")
        (digest,) = await s.deliver_all()
        assert digest.startswith("您有48次未接来电:13900130000 ")
        assert f"另有{24 - digest.count('1390013')}个号码" in digest
        await s.register(digest=False)
        await s.texted("D1")
        texts = await s.deliver_all()
        assert len(texts) == 21
        assert texts[-1] == "另有4个号码呼叫过您8次。"

    tell(story)


def test_who_is_suspended_is_told_so(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await teased(s)
        await s.register(status=Status.SUSPENDED)
        for body in ("D", "D3", "KT", "QX", "HMD"):
            await s.texted(body)
        assert set(await s.deliver_all()) == {"您的漏话提醒已暂停,设置没有改变。恢复请联系客服。"}
        assert await profile(s) == ("suspended", "everybody", False)

    tell(story)


def test_who_is_not_served_cannot_register(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.texted("KT")
        assert await s.deliver_all() == ["抱歉,漏话提醒暂不对您的号码开放。"]
        assert await profile(s) == ()

    tell(story, ranges=[{"name": "own", "prefixes": ["86139"]}])
