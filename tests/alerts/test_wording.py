"""Every text in both languages, in the requirement's words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from louhua.alerts.answers import REPLY_PARTS, Answer, Reply
from louhua.alerts.states import Kind
from louhua.alerts.wording import Facts, Further, Wording
from louhua.config import Service
from louhua.subscribers.profiles import Language, Listing, Privacy
from louhua.texts.encoding import segment

WORDING = Wording(Service(), hours=24)


def facts(kind: Kind, **changes: Any) -> Facts:
    values: dict[str, Any] = {
        "kind": kind,
        "callee": "8613800138000",
        "caller": "8613900139000",
        "calls": 1,
        "last_at": datetime(2026, 11, 23, 1, 5, tzinfo=UTC),
        "other_number": "861088886666",
        "query_price": 100,
    }
    return Facts(**(values | changes))


@pytest.mark.parametrize(
    ("kind", "calls", "text"),
    [
        (Kind.POWER_ON, 1, "您于11月23日9时5分呼叫过的13800138000用户现已开机,请您与他联系。"),
        (Kind.CALL_BACK, 2, "13900139000号码于11月23日9时5分前呼叫过您2次,正在期待您的回电,请您与他联系。"),
        (Kind.CALL_OTHER, 1, "13900139000号码于11月23日9时5分前呼叫过您1次,请您拨01088886666号码与他联系。"),
        (Kind.MISSED, 1, "13900139000于11月23日9时5分呼叫过您1次。"),
        (
            Kind.TEASER,
            3,
            "您有3个未接来电,欲知详情,请在24小时内编辑短信D到06001,或者拨打12599查询(短信查询每条0.1元),本条免费。",
        ),
    ],
)
def test_chinese_is_the_requirements(kind: Kind, calls: int, text: str) -> None:
    assert WORDING.alert(facts(kind, calls=calls), None) == text


@pytest.mark.parametrize(
    ("kind", "calls", "text"),
    [
        (Kind.MISSED, 1, "13900139000 called you 1 time, last on 23 Nov at 09:05."),
        (Kind.MISSED, 2, "13900139000 called you 2 times, last on 23 Nov at 09:05."),
        (
            Kind.POWER_ON,
            1,
            "The phone 13800138000 you called on 23 Nov at 09:05 is now on. You can reach it now.",
        ),
    ],
)
def test_english_is_for_who_asked_for_it(kind: Kind, calls: int, text: str) -> None:
    assert WORDING.alert(facts(kind, calls=calls), Language.EN) == text


@pytest.mark.parametrize(
    ("query_price", "price", "zh", "en"),
    [
        (
            50,
            0,
            "查询(短信查询每条0.05元),本条免费。",
            "24 hours (0.05 yuan a text) or dial 12599. This text is free.",
        ),
        (
            1000,
            0,
            "查询(短信查询每条1元),本条免费。",
            "24 hours (1 yuan a text) or dial 12599. This text is free.",
        ),
        (0, 0, "查询,本条免费。", "24 hours or dial 12599. This text is free."),
        (100, 20, "查询(短信查询每条0.1元)。", "24 hours (0.1 yuan a text) or dial 12599."),
    ],
)
def test_a_teaser_says_what_the_recipients_plan_says(query_price: int, price: int, zh: str, en: str) -> None:
    teaser = facts(Kind.TEASER, query_price=query_price, price=price)
    assert WORDING.alert(teaser, None).endswith(zh)
    assert WORDING.alert(teaser, Language.EN).endswith(en)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_worded_and_fits_one_message(kind: Kind, language: Language) -> None:
    text = WORDING.alert(facts(kind, calls=12), language)
    assert "{" not in text
    assert len(segment(text, 1)) == 1


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", [Kind.MISSED, Kind.DETAIL, Kind.MESSAGE])
def test_a_withheld_caller_is_not_named(kind: Kind, language: Language) -> None:
    text = WORDING.alert(facts(kind, caller=""), language)
    assert text.startswith(("隐藏号码", "A withheld number"))


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("reply", Reply)
def test_every_reply_is_worded_and_fits_two_messages(reply: Reply, language: Language) -> None:
    """With the longest numbers, the longest service number, and room for a gateway's signature."""
    longest = "00861234567890123456"
    answers = [
        Answer(
            reply=reply, listing=listing, number=longest, numbers=(longest,) * 200, privacy=privacy, count=200,
            calls=12345, voicemail=True,
        )
        for listing in Listing for privacy in Privacy
    ]  # fmt: skip
    wording = Wording(Service(access_number="1065800600100", enquiry_number="12599"), 24)
    for answer in answers:
        text = wording.reply(answer, language)
        assert text
        assert "{" not in text
        assert len(segment(text, 0, room=12)) <= REPLY_PARTS


@pytest.mark.parametrize(
    ("days", "how_zh", "how_en"),
    [
        (0, "编辑短信D到06001重新查询,24小时内有效。", "text D to 06001 within 24 hours."),
        (31, "编辑短信D31到06001重新查询。", "text D31 to 06001."),
    ],
)
@pytest.mark.parametrize(
    ("reply", "zh", "en"),
    [
        (
            Reply.NO_CREDIT,
            "您的余额不足,未能查询未接来电。充值后请{}本条免费。",
            "Your balance is too low to show your missed calls. After topping up {} This text is free.",
        ),
        (
            Reply.CREDIT_AWAY,
            "抱歉,暂时无法查询未接来电。请稍后{}本条免费。",
            "Sorry, we cannot show your missed calls right now. To try again later {} This text is free.",
        ),
    ],
)
def test_who_gets_no_details_is_told_in_one_message_how_to_ask_again(
    reply: Reply, zh: str, en: str, days: int, how_zh: str, how_en: str
) -> None:
    answer = Answer(reply=reply, count=days)
    for language, text in ((Language.ZH_HANS, zh.format(how_zh)), (Language.EN, en.format(how_en))):
        assert WORDING.reply(answer, language) == text
        assert len(segment(text, 0, room=12)) == 1


def test_the_notice_says_what_he_has_how_to_use_and_to_end_it_and_that_it_is_free() -> None:
    notice = Answer(reply=Reply.NOTICE)
    for said in ("免费", "漏话提醒", "06001", "12599", "D", "HMD", "BMD", "YS", "BZ", "QX"):
        assert said in WORDING.reply(notice, None)
    for said in (
        "free",
        "missed-call alerts",
        "06001",
        "12599",
        "D ",
        "BLOCK",
        "ALLOW",
        "PRIVACY",
        "HELP",
        "STOP",
    ):
        assert said in WORDING.reply(notice, Language.EN)
    with_voicemail = Answer(reply=Reply.NOTICE, voicemail=True)
    assert "语音信箱" in WORDING.reply(with_voicemail, None)
    assert "voicemail" in WORDING.reply(with_voicemail, Language.EN)


def test_a_list_shows_as_many_numbers_as_fit() -> None:
    few = Answer(reply=Reply.LIST, numbers=("8613900139000", "861088886666"), count=2)
    assert WORDING.reply(few, None) == "您的黑名单有2个号码:13900139000、01088886666。"
    assert WORDING.reply(few, Language.EN) == "Your block list has 2 numbers: 13900139000, 01088886666."
    many = Answer(reply=Reply.LIST, numbers=("8613900139000",) * 200, count=200)
    assert WORDING.reply(many, None).endswith("等。")
    assert WORDING.reply(many, Language.EN).count("13900139000") > 15


def test_the_services_language_is_the_default() -> None:
    assert (
        Wording(Service(language="en"), 24).reply(Answer(reply=Reply.NOTHING), None)
        == "You have no missed calls to show."
    )


NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def several(count: int, **changes: Any) -> list[Facts]:
    return [
        facts(Kind.MISSED, caller=f"861390013900{n}" if n < 10 else f"86139001390{n}",
              last_at=NOW - timedelta(minutes=n), **changes)
        for n in range(count)
    ]  # fmt: skip


def test_a_digest_names_callers_the_latest_first() -> None:
    yesterday = NOW - timedelta(days=1)
    alerts = [
        facts(Kind.CALL_OTHER, caller="8613900139003", last_at=yesterday),
        facts(Kind.CALL_BACK, calls=2, last_at=NOW - timedelta(hours=2)),
        facts(Kind.MESSAGE, caller="8613900139002", last_at=NOW - timedelta(hours=1)),
        facts(Kind.MISSED, caller="", calls=3, last_at=NOW),
    ]
    assert WORDING.digest(alerts, None, NOW) == (
        "您有7次未接来电:隐藏号码 12:00(3次);13900139002 11:00有留言;13900139000 10:00(2次)盼回电;"
        "13900139003 22日12:00请拨01088886666。"
    )
    assert WORDING.digest(alerts, Language.EN, NOW) == (
        "You missed 7 calls: A withheld number 12:00 (3x); 13900139002 11:00, left a message; "
        "13900139000 10:00 (2x), please call back; 13900139003 22 Nov 12:00, please call 01088886666."
    )


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("count", [1, 9, 10, 40])
def test_a_digest_has_nine_numbers_at_most_in_three_messages(count: int, language: Language) -> None:
    text = WORDING.digest(several(count), language, NOW)
    assert text.count("1390013") == min(count, 9)
    assert (f"另有{count - 9}个号码" in text or f"and {count - 9} more" in text) is (count > 9)
    assert len(segment(text, 0, room=12)) <= 3


def test_callers_who_are_only_counted_are_in_a_digest() -> None:
    assert "您有15次未接来电" in WORDING.digest(several(10), None, NOW, Further(callers=2, calls=5))
    assert "另有3个号码" in WORDING.digest(several(10), None, NOW, Further(callers=2, calls=5))


@pytest.mark.parametrize("language", Language)
def test_long_entries_make_a_digest_of_fewer_numbers(language: Language) -> None:
    wording = Wording(Service(), 24, opt_out=True)
    alerts = [
        facts(Kind.CALL_OTHER, caller=item.caller, last_at=item.last_at - timedelta(days=2)) for item in several(9)
    ]
    text = wording.digest(alerts, language, NOW)
    assert len(segment(text, 0, room=12)) <= 3
    assert 3 <= text.count("1390013") < 9


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_texts_nobody_asked_for_say_how_to_end_the_service(kind: Kind, language: Language) -> None:
    text = Wording(Service(), 24, opt_out=True).alert(facts(kind), language)
    asked = kind in (Kind.DETAIL, Kind.POWER_ON)
    assert ("QX" in text) is not asked
    assert len(segment(text, 1)) <= 2
