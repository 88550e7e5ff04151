"""How many probes are queued at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from louhua.config import Config
from louhua.db.pool import Connection, open_pool
from louhua.reachability import counts, store
from louhua.reachability.prober import Prober
from louhua.reachability.sources import Ask
from louhua.texts.outbox import TextChange, TextKind, TextState

NOW = datetime(2026, 11, 23, tzinfo=UTC)
Tell = Callable[..., None]


@pytest.fixture
def tell(database_url: str) -> Tell:
    def run(
        story: Callable[[Connection, Prober], Awaitable[None]],
        watches: int,
        per_day: int = 24,
        order: tuple[str, ...] = (),
        **smsc: Any,
    ) -> None:
        async def told() -> None:
            keys = {"name": "s", "host": "h", "port": 1, "system_id": "x"}
            registrar = {"address": "10.0.0.1:5060", "listen": "10.0.0.2:5060", "uri": "sip:{number}@ims.example"}
            prober = Prober(
                Config.model_validate(
                    {
                        "smsc": [keys | smsc],
                        "alerts": {"probes_per_day": per_day},
                        "registrars": [registrar],
                        "ranges": [{"name": "r", "prefixes": ["86"], "reachability": order}],
                    }
                )
            )
            pool = await open_pool(database_url)
            waits = [(f"86138{number:08}", NOW, NOW) for number in range(watches)]
            async with pool.connection() as connection:
                asks = [Ask("probe:s", NOW)] * watches
                await store.watch(connection, waits, timedelta(hours=72), asks)
                await story(connection, prober)
            await pool.close()

        asyncio.run(told())

    return run


@pytest.mark.parametrize(
    ("rate", "connections", "at_once"), [(20, 1, 20), (20, 2, 40), (0.5, 1, 1), (10_000, 1, 500), (0, 1, 500)]
)
def test_a_second_of_the_smscs_rate_is_queued_at_most(
    tell: Tell, rate: float, connections: int, at_once: int
) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        assert await prober.ask(connection, NOW) == at_once
        assert await prober.ask(connection, NOW) == 0, "they are still queued"
        await connection.execute(
            "UPDATE texts_text SET state = 'sending' WHERE id IN (SELECT id FROM texts_text LIMIT 1)"
        )
        assert await prober.ask(connection, NOW) == 1

    tell(story, 600, rate=rate, connections=connections)


def test_probes_put_off_for_later_do_not_stop_the_others(tell: Tell) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        assert await prober.ask(connection, NOW) == 20
        await connection.execute("UPDATE texts_text SET due_at = due_at + interval '1 hour'")
        assert await prober.ask(connection, NOW) == 20

    tell(story, 60, rate=20)


def test_all_nodes_together_keep_the_rate(tell: Tell) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        async def at(seconds: float) -> int:
            await connection.execute("UPDATE texts_text SET state = 'submitted'")
            return await prober.ask(connection, NOW + timedelta(seconds=seconds))

        assert [await at(seconds) for seconds in (0, 0.5, 0.9, 1, 1.5, 2)] == [7, 0, 0, 7, 0, 7]

    tell(story, 60, probe_rate=7)


def test_a_number_has_one_probe_on_its_way(tell: Tell) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        assert await prober.ask(connection, NOW) == 1
        await connection.execute("DELETE FROM reachability_watch")
        callee = "8613800000000"
        await store.watch(connection, [(callee, NOW, NOW)], timedelta(hours=72), [Ask("probe:s", NOW)])
        assert await prober.ask(connection, NOW) == 0, "the first watch's probe tells the second one, too"
        await prober.read(connection, [ended(callee, "undeliverable")])
        assert await prober.ask(connection, NOW + timedelta(minutes=2)) == 1

    tell(story, 1)


def test_a_probe_that_nothing_was_heard_of_does_not_stop_others_for_ever(tell: Tell) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        assert await prober.ask(connection, NOW) == 1
        assert await prober.ask(connection, NOW + timedelta(hours=27)) == 1

    tell(story, 1)


def test_a_number_has_so_many_probes_a_day(tell: Tell) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        now = NOW
        for _ in range(3):
            assert await prober.ask(connection, now) == 1
            await prober.read(connection, [ended("8613800000000", "undeliverable", now)])
            now += timedelta(minutes=2)
        assert await prober.ask(connection, now) == 0
        row = await (await connection.execute("SELECT next_probe_at, source FROM reachability_watch")).fetchone()
        assert row == (datetime(2026, 11, 23, 16, tzinfo=UTC), "probe:s"), "midnight in Shanghai"
        assert await prober.ask(connection, datetime(2026, 11, 23, 16, tzinfo=UTC)) == 1

    tell(story, 1, per_day=3)


@pytest.mark.parametrize(
    ("order", "then"),
    [
        (("probe",), ("", None, ["probe:s"])),
        (("probe", "reg"), ("reg:reg", NOW, ["probe:s"])),
        (("reg", "probe"), ("reg:reg", NOW, ["probe:s"])),
    ],
)
def test_when_probes_are_given_up_the_next_source_is_asked(
    tell: Tell, order: tuple[str, ...], then: tuple[str, datetime | None, list[str]]
) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        await prober.ask(connection, NOW)
        await prober.read(connection, [ended("8613800000000", "rejected")])
        rows = await connection.execute("SELECT source, next_probe_at, given_up FROM reachability_watch")
        assert await rows.fetchall() == [then]
        await prober.read(connection, [ended("8613800000000", "undeliverable")])
        rows = await connection.execute("SELECT source, next_probe_at, given_up FROM reachability_watch")
        assert await rows.fetchall() == [then], "it is another's now"

    tell(story, 1, order=order)


def test_counts_are_forgotten(tell: Tell) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        await prober.ask(connection, NOW)
        assert await counts.forget(connection, NOW + timedelta(days=1)) == 0
        assert await counts.forget(connection, NOW + timedelta(days=3)) == 5

    tell(story, 5)


def ended(callee: str, error: str, at: datetime = NOW) -> TextChange:
    return TextChange(
        text_id=1, kind=TextKind.PROBE, alert_ids=(), recipient=callee, state=TextState.FAILED, error=error, at=at
    )
