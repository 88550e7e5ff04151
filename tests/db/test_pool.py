"""Connections without a pool."""

import asyncio

import psycopg
import pytest

from louhua.config import Config, Database
from louhua.db import locks, pool
from louhua.db.locks import Lock
from louhua.db.pool import Connection, connect


def test_a_connection_of_its_own_commits_by_itself_and_plans_for_tables_as_they_are(database_url: str) -> None:
    async def look() -> None:
        async with connect(Config(database=Database(url=database_url))) as connection:
            assert connection.autocommit
            assert connection.info.get_parameters()["connect_timeout"] == "5"
            row = await (await connection.execute("SHOW plan_cache_mode")).fetchone()
            assert row == ("force_custom_plan",)
        assert connection.closed

    asyncio.run(look())


def test_who_is_stopped_while_a_connection_is_made_ready_leaves_none_open(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Connection] = []

    async def never_ready(connection: Connection) -> None:
        made.append(connection)
        asyncio.current_task().cancel()  # type: ignore[union-attr]
        await asyncio.Event().wait()

    monkeypatch.setattr(pool, "_configure", never_ready)

    async def stopped() -> None:
        async with connect(Config(database=Database(url=database_url))):
            pytest.fail("was not stopped")

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stopped())
    assert [connection.closed for connection in made] == [True]


def test_a_lock_is_free_before_its_connection_ends(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only when the server notices that it has ended: somebody may come at once."""
    config = Config(database=Database(url=database_url))
    held: list[int] = []
    leave = psycopg.AsyncConnection.close

    async def watched(self: Connection) -> None:
        with psycopg.connect(database_url) as other:
            locks_of = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = %s"
            held.append(other.execute(locks_of, [self.info.backend_pid]).rowcount)
        await leave(self)

    async def take() -> bool:
        async with connect(config) as connection:
            monkeypatch.setattr(psycopg.AsyncConnection, "close", watched)
            return await locks.take(connection, Lock.HOUSE)

    assert asyncio.run(take())
    assert held == [0]


def test_a_lock_is_one_process_at_a_time(database_url: str) -> None:
    config = Config(database=Database(url=database_url))

    async def two() -> tuple[bool, bool, bool]:
        async with connect(config) as one, connect(config) as other:
            return (
                await locks.take(one, Lock.HOUSE),
                await locks.take(other, Lock.HOUSE),
                await locks.take(other, Lock.FILES),
            )

    assert asyncio.run(two()) == (True, False, True)
