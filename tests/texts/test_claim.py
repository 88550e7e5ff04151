"""Who comes first: replies, alerts, probes; and that a claim reads nothing it does not want."""

from datetime import UTC, datetime, timedelta

from tests.texts.conftest import Outbox, TellOutbox

from louhua.texts import store
from louhua.texts.outbox import TextKind
from louhua.texts.sender import LEASE
from louhua.texts.store import CLAIM

ALERT, REPLY, PROBE = TextKind.ALERT, TextKind.REPLY, TextKind.PROBE


async def claim(o: Outbox, limit: int, probes: int | None = None, smsc: str = "s") -> list[str]:
    async with o.pool.connection() as connection:
        claimed = await store.claim(connection, ("", smsc), limit, datetime.now(UTC), LEASE, probes=probes)
    return sorted(text.kind for text in claimed)


async def queue_of_each(o: Outbox, count: int) -> None:
    await o.queue(*[""] * count, kind=PROBE, smsc="s")
    await o.queue(*["alert"] * count, kind=ALERT)
    await o.queue(*["reply"] * count, kind=REPLY)


def test_replies_alerts_and_then_probes(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        await queue_of_each(o, 4)
        assert await claim(o, 4) == [REPLY] * 4
        assert await claim(o, 6) == [ALERT] * 4 + [PROBE] * 2
        assert await claim(o, 6) == [PROBE] * 2

    tell_outbox(story)


def test_probes_have_a_share_and_no_more(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        await queue_of_each(o, 8)
        assert await claim(o, 8, probes=2) == [PROBE] * 2 + [REPLY] * 6
        assert await claim(o, 12, probes=0) == [ALERT] * 8 + [REPLY] * 2

    tell_outbox(story)


def test_a_text_for_one_smsc_is_not_for_another(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        await o.queue("one", smsc="other")
        await o.queue("two", smsc="s")
        assert await claim(o, 8) == [REPLY]
        assert await claim(o, 8, smsc="other") == [REPLY]

    tell_outbox(story)


def test_a_sender_claims_what_is_queued_before_more_is_worded(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        o.centre.room = 8
        await queue_of_each(o, 8)

        async def everything_sent() -> bool:
            return await o.states() == ["sending"] * 24

        async with o.at_work():
            await o.until(everything_sent)
            assert len(o.replenished) <= 2, "asked for alerts while the room was full"

    tell_outbox(story)


def test_every_fourth_text_is_a_probe_however_small_the_room(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        o.centre.room = 1
        await o.queue(*["reply"] * 20)
        await o.queue(*[""] * 20, kind=PROBE, smsc="s")
        async with o.at_work():
            await o.until_submitted(16)
        first = [message.segments[0].payload for message in o.centre.submitted[:16]]
        assert first.count(b"") == 4

    tell_outbox(story)


def test_a_claim_reads_neither_other_smscs_rows_nor_those_due_later(tell_outbox: TellOutbox) -> None:
    async def story(o: Outbox) -> None:
        await o.rows(
            "INSERT INTO texts_text (kind, sender, recipient, body, parts, reference, priority, protocol_id,"
            " set_dpf, validity_s, smsc, state, due_at, attempts, resent, error, created_at)"
            " SELECT 'alert', '1', '2', '', 1, 0, 2, 0, false, 60, CASE WHEN n %% 2 = 0 THEN 'down' ELSE '' END,"
            "  'queued', CASE WHEN n %% 2 = 0 THEN now() ELSE now() + interval '1 hour' END, 0, false, '', now()"
            "  FROM generate_series(1, 20000) AS n RETURNING 1"
        )
        await o.queue("mine")
        async with o.pool.connection() as connection:
            await connection.execute("ANALYZE texts_text")
        now = datetime.now(UTC)
        plan = "\n".join(
            row[0]
            for row in await o.rows(
                "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) " + CLAIM,
                routes=["", "s"], priorities=[1, 2], probe=3, probes=2, limit=10, now=now,
                lease_until=now + timedelta(seconds=30),
            )
        )  # fmt: skip
        assert "Index Scan using text_queued" in plan
        assert "Removed" not in plan, f"rows were read in vain:\n{plan}"
        assert "Sort" not in plan

    tell_outbox(story)


def test_a_queue_that_fills_faster_than_statistics_is_not_read_whole(tell_outbox: TellOutbox) -> None:
    """Claims of an empty outbox go before, as they do on every quiet platform."""

    async def story(o: Outbox) -> None:
        async with o.pool.connection() as connection:
            await connection.execute("VACUUM ANALYZE texts_text")
            for _ in range(20):
                await store.claim(connection, ("s",), 100, datetime.now(UTC), LEASE)
            await connection.execute(
                "INSERT INTO texts_text (kind, sender, recipient, body, parts, reference, priority, protocol_id,"
                " set_dpf, validity_s, smsc, state, due_at, attempts, resent, error, created_at)"
                " SELECT 'alert', 's', n::text, '', 1, 1, 2, 0, false, 1, '', 'delivered', now(), 1, false, '',"
                " now() FROM generate_series(1, 20000) AS n"
            )
            async with connection.transaction():
                await store.claim(connection, ("s",), 100, datetime.now(UTC), LEASE)
                cursor = await connection.execute(
                    "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'texts_text'"
                )
                assert await cursor.fetchone() == (0,)

    tell_outbox(story)
