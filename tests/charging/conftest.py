"""Charging against the real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from louhua.charging.catalogue import add_version
from louhua.charging.plans import Plan
from louhua.cli import app
from louhua.db.pool import Connection

Connected = Callable[[Connection], Awaitable[Any]]
Run = Callable[..., Result]

FOREVER = date(2020, 1, 1)


def plan(name: str = "standard", **values: Any) -> Plan:
    """A plan that has always been valid."""
    return Plan.model_validate({"name": name, "valid_from": FOREVER} | values)


async def add_plans(connection: Connection, *plans: Plan) -> None:
    """Store the first versions of plans."""
    async with connection.transaction():
        for each in plans:
            await add_version(connection, each, "test", FOREVER)


@asynccontextmanager
async def several(url: str, count: int) -> AsyncIterator[list[Connection]]:
    """Connections, whose transactions see each other as those of several nodes do."""
    async with AsyncExitStack() as stack:
        connecting = (psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(count))
        yield [await stack.enter_async_context(await each) for each in connecting]


async def waits(looking: Connection, waiting: Connection, holding: Connection | None = None) -> None:
    """Wait until a connection waits for a lock: of another one, or of anybody."""
    async with asyncio.timeout(60):
        while True:
            cursor = await looking.execute("SELECT pg_blocking_pids(%s)", [waiting.info.backend_pid])
            row = await cursor.fetchone()
            if row and (holding.info.backend_pid in row[0] if holding else row[0]):
                return
            await asyncio.sleep(0.02)


@pytest.fixture
def connected(database_url: str) -> Callable[[Connected], Any]:
    """Do something with a connection to an empty database."""

    def run(work: Connected) -> Any:
        async def with_connection() -> Any:
            connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
            async with connection:
                return await work(connection)

        coroutine: Coroutine[Any, Any, Any] = with_connection()
        return asyncio.run(coroutine)

    return run


@pytest.fixture
def run(database_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``louhua …`` in a terminal of eighty columns."""
    monkeypatch.setenv("LOUHUA_DATABASE__URL", database_url)
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path / "var"))
    runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})

    def invoke(*arguments: str, **options: Any) -> Result:
        return runner.invoke(app, list(arguments), **options)

    return invoke
