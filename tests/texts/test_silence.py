"""Texts of which nothing is heard: asked for, and given up in the end."""

from datetime import UTC, datetime, timedelta

from tests.texts.conftest import PHONE, Outbox, TellOutbox

from louhua.texts import store
from louhua.texts.outbox import VALIDITY, TextKind, TextState
from louhua.texts.sender import LEASE

HOUR = timedelta(hours=1)


async def submitted(o: Outbox, *names: str, kind: TextKind = TextKind.REPLY) -> datetime:
    """A text each, and when the SMSC took them; a name is the SMSC's id of a part, two have a comma between."""
    bodies = ["三" * 100 if "," in name else "a" for name in names]
    texts = await o.queue(*bodies, kind=kind, smsc="s")
    now = datetime.now(UTC)
    parts = [
        store.Accepted(text, seq, part, part)
        for text, name in zip(texts, names, strict=True)
        for seq, part in enumerate(name.split(","))
    ]
    async with o.pool.connection() as connection:
        await store.claim(connection, ("", "s"), 100, now, LEASE)
        await store.add_parts(connection, "s", parts)
        await store.mark_submitted(connection, "s", texts, now)
    return now


async def asked(o: Outbox, now: datetime, limit: int = 50) -> list[str]:
    async with o.pool.connection() as connection:
        found = await store.silent(connection, "s", now, limit)
    assert all((message.sender, message.recipient) == ("06001", PHONE) for message in found)
    return sorted(message.smsc_id for message in found)


def test_every_silent_part_is_asked_for_after_an_hour_and_once_a_day(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        at = await submitted(o, "m1", "m2,m3")
        assert await asked(o, at + timedelta(minutes=59)) == []
        assert await asked(o, at + HOUR) == ["m1", "m2", "m3"]
        assert await asked(o, at + 2 * HOUR) == []
        assert await asked(o, at + 25 * HOUR) == ["m1", "m2", "m3"]

    tell_outbox(story)


def test_texts_that_cannot_be_asked_for_are_not_in_the_way(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        await submitted(o, "p1", "p2", kind=TextKind.PROBE)
        await submitted(o, "", "")
        at = await submitted(o, "m1")
        assert await asked(o, at + HOUR, limit=2) == []
        assert await asked(o, at + HOUR, limit=2) == ["m1"], "probes are never asked for"

    tell_outbox(story)


def test_a_text_without_any_news_expires_an_hour_after_its_validity(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        at = await submitted(o, "m1")
        await submitted(o, "p1", kind=TextKind.PROBE)
        async with o.pool.connection() as connection:
            assert await store.end_silent(connection, at + VALIDITY + timedelta(minutes=59)) == []
            changes = await store.end_silent(connection, at + VALIDITY + HOUR + timedelta(minutes=1))
        assert {change.kind for change in changes} == {TextKind.REPLY, TextKind.PROBE}
        assert {(change.state, change.error) for change in changes} == {(TextState.FAILED, "expired")}
        assert await o.states() == ["failed", "failed"]

    tell_outbox(story)


def test_the_sender_gives_silent_texts_up(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        await submitted(o, "m1")
        await o.rows("UPDATE texts_text SET expires_at = now() RETURNING id")
        async with o.at_work():
            await o.until_states("failed")
        assert [change.error for change in o.changes] == ["expired"]

    tell_outbox(story)
