"""Who is answered, and when two arrivals are one text: tables."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.texts.conftest import Outbox, TellOutbox

from louhua.alerts.answers import Answer, Reply
from louhua.alerts.states import Kind
from louhua.alerts.wording import TEMPLATES, Facts, Wording
from louhua.bus.events import TextReceived
from louhua.config import Service
from louhua.numbers import textable
from louhua.subscribers.profiles import Language
from louhua.texts.inbound import lately, record_inbound
from louhua.texts.keywords import WORDS, Keyword
from louhua.texts.replies import ANSWERS_AN_HOUR, Manners, Silence, neighbours, text_id

PHONE = "8613800138000"
NOW = datetime(2026, 11, 23, 1, 2, 30, tzinfo=UTC)
SERVICE = Service()
MANNERS = Manners(SERVICE, textable, TEMPLATES)
WORDING = Wording(SERVICE, 24, opt_out=True)


@pytest.mark.parametrize(
    ("sender", "why"),
    [
        (PHONE, None),
        ("8619900199000", None),
        ("447700900123", None),
        ("8617700000000000", None),
        ("06001", Silence.OURSELVES),
        ("12599", Silence.OURSELVES),
        ("10086", Silence.NO_PHONE),
        ("95588", Silence.NO_PHONE),
        ("106900012345678", Silence.NO_PHONE),
        ("12306123456789", Silence.NO_PHONE),
        ("955881234567", Silence.NO_PHONE),
        ("861088886666", Silence.NO_PHONE),
        ("BANK", Silence.NO_PHONE),
        ("8613800138000x", Silence.NO_PHONE),
        ("", Silence.NO_PHONE),
    ],
)
def test_only_phones_are_answered(sender: str, why: Silence | None) -> None:
    assert MANNERS.silence(sender, "D", 1) is why


@pytest.mark.parametrize(
    ("body", "echo"),
    [
        ("D", False),
        ("请问怎么查询未接来电?", False),
        ("who called me?", False),
        ("您好", False),
        ("", False),
        ("您目前没有可查询的未接来电。", True),
        ("【某公司】查询未接来电,请编辑短信D到06001,或者拨打12599。", True),
        ("Fwd: You have no missed calls to show.", True),
    ],
)
def test_our_own_words_are_not_answered(body: str, echo: bool) -> None:
    assert (MANNERS.silence(PHONE, body, 1) is Silence.ECHO) is echo


@pytest.mark.parametrize("language", Language)
def test_none_of_our_texts_is_answered(language: Language) -> None:
    facts = [
        Facts(kind=kind, callee=PHONE, caller="8613900139000", calls=3, last_at=NOW, other_number="861088886666")
        for kind in Kind
    ]
    ours = [WORDING.alert(one, language) for one in facts]
    ours += [
        WORDING.reply(
            Answer(reply=reply, number="8613900139000", numbers=("8613900139000",), count=3, calls=7), language
        )
        for reply in Reply
    ]
    ours.append(WORDING.digest(facts[:3], language, NOW))
    for body in ours:
        assert MANNERS.silence(PHONE, body[:67], 1) is Silence.ECHO, body


@pytest.mark.parametrize(("count", "why"), [(ANSWERS_AN_HOUR, None), (ANSWERS_AN_HOUR + 1, Silence.TOO_MANY)])
def test_so_many_an_hour_and_no_more(count: int, why: Silence | None) -> None:
    assert MANNERS.silence(PHONE, "D", count) is why


@given(st.text(max_size=30), st.text(max_size=200), st.integers(0, 20))
def test_anything_may_come(sender: str, body: str, count: int) -> None:
    MANNERS.silence(sender, body, count)


@given(st.text(max_size=20), st.text(max_size=200), st.integers(0, 59))
def test_the_same_text_has_the_same_id_or_a_neighbours(sender: str, body: str, seconds: int) -> None:
    first, again = text_id(sender, body, NOW), text_id(sender, f" {body}\n", NOW + timedelta(seconds=seconds))
    assert again in (first, *neighbours(first))
    assert first in (again, *neighbours(again))
    assert text_id(sender, body + "x", NOW) not in (first, *neighbours(first))


def event(body: str, at: datetime) -> TextReceived:
    return TextReceived(id=text_id(PHONE, body, at), smsc="s", sender=PHONE, recipient="06001", body=body, at=at)


@pytest.mark.parametrize(
    ("after_s", "new"), [(0, False), (20, False), (40, False), (59, False), (60, True), (100, True), (-40, False)]
)
def test_a_text_that_comes_again_within_a_minute_is_known(
    tell_outbox: TellOutbox, after_s: int, new: bool
) -> None:
    async def story(o: Outbox) -> None:
        first, again = event("D", NOW), event("D", NOW + timedelta(seconds=after_s))
        async with o.pool.connection() as connection:
            for one, expected in ((first, True), (again, new)):
                known = await record_inbound(connection, [one], {one.id: Keyword.ENQUIRE})
                assert known == ({one.id} if expected else set())
            other = event("D7", NOW)
            assert await record_inbound(connection, [other], {other.id: Keyword.ENQUIRE}) == {other.id}

    tell_outbox(story)


def test_texts_are_counted_up_to_the_limit(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        texts = [event(str(number), NOW + timedelta(minutes=number)) for number in range(20)]
        async with o.pool.connection() as connection:
            await record_inbound(connection, texts, {one.id: Keyword.UNKNOWN for one in texts})
            since = NOW + timedelta(minutes=14)
            assert await lately(connection, [PHONE, "1"], since, 11) == {PHONE: 5, "1": 0}
            assert await lately(connection, [PHONE], NOW - timedelta(hours=1), 11) == {PHONE: 11}

    tell_outbox(story)


@pytest.mark.parametrize("word", [word for words in WORDS.values() for word in words])
def test_no_command_is_taken_for_our_own_words(word: str) -> None:
    for body in (word, f"{word}1", f"{word} 139 0013 9000", f"{word}-13900139000"):
        assert MANNERS.silence(PHONE, body, 1) is None
