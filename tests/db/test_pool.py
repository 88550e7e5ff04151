"""Connections without a pool."""

import asyncio

from louhua.config import Config, Database
from louhua.db.pool import connect


def test_a_connection_of_its_own_commits_by_itself_and_plans_for_tables_as_they_are(database_url: str) -> None:
    async def look() -> None:
        async with await connect(Config(database=Database(url=database_url))) as connection:
            assert connection.autocommit
            assert connection.info.get_parameters()["connect_timeout"] == "5"
            row = await (await connection.execute("SHOW plan_cache_mode")).fetchone()
            assert row == ("force_custom_plan",)

    asyncio.run(look())
