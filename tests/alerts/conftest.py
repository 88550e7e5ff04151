"""Stories of alerts run against the real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.alerts.story import Story, Tell

from louhua.db.pool import open_pool


@pytest.fixture
def tell(database_url: str) -> Tell:
    """Tell a story: an async function that is given a ``Story``; keywords are keys of ``[alerts]``,
    or ``reachability``, the SMSC's."""

    def run(story: Callable[[Story], Awaitable[None]], **settings: Any) -> None:
        async def with_pool() -> None:
            pool = await open_pool(database_url)
            try:
                await story(Story(pool, **settings))
            finally:
                await pool.close()

        asyncio.run(with_pool())

    return run
