"""How many probes are queued at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from louhua.config import Config
from louhua.db.pool import Connection, open_pool
from louhua.reachability import store
from louhua.reachability.prober import Prober

NOW = datetime(2026, 11, 23, tzinfo=UTC)
Tell = Callable[..., None]


@pytest.fixture
def tell(database_url: str) -> Tell:
    def run(story: Callable[[Connection, Prober], Awaitable[None]], watches: int, **smsc: Any) -> None:
        async def told() -> None:
            keys = {"name": "s", "host": "h", "port": 1, "system_id": "x"}
            prober = Prober(Config.model_validate({"smsc": [keys | smsc]}))
            pool = await open_pool(database_url)
            waits = [(f"86138{number:08}", NOW, NOW) for number in range(watches)]
            async with pool.connection() as connection:
                await store.watch(connection, waits, timedelta(hours=72), NOW)
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
        assert await prober.probe(connection, NOW, 500) == at_once
        assert await prober.probe(connection, NOW, 500) == 0, "they are still queued"
        await connection.execute(
            "UPDATE texts_text SET state = 'sending' WHERE id IN (SELECT id FROM texts_text LIMIT 1)"
        )
        assert await prober.probe(connection, NOW, 500) == 1

    tell(story, 600, rate=rate, connections=connections)


def test_probes_put_off_for_later_do_not_stop_the_others(tell: Tell) -> None:
    async def story(connection: Connection, prober: Prober) -> None:
        assert await prober.probe(connection, NOW, 500) == 20
        await connection.execute("UPDATE texts_text SET due_at = due_at + interval '1 hour'")
        assert await prober.probe(connection, NOW, 500) == 20

    tell(story, 60, rate=20)
