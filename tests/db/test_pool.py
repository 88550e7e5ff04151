"""Connections without a pool."""

import asyncio

import pytest

from louhua.config import Config, Database
from louhua.db import pool
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
