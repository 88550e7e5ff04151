"""Connections to PostgreSQL: where the database is, and a pool of asynchronous connections."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from psycopg import AsyncConnection, OperationalError
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from louhua.config import Config
from louhua.db.embedded import embedded_url

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]


def database_url(config: Config) -> str:
    """The URL of the configured database; the embedded one's follows from the data directory."""
    return embedded_url(config.node.data) if config.database.url == "embedded" else config.database.url


@asynccontextmanager
async def connect(config: Config) -> AsyncIterator[Connection]:
    """One autocommit connection, for work without a pool; raises ``psycopg.OperationalError`` within 5 s."""
    async with await AsyncConnection.connect(
        database_url(config), autocommit=True, connect_timeout=5
    ) as connection:
        await _configure(connection)
        yield connection
        # Else others wait for its locks until the server notices that it has ended.
        with suppress(OperationalError):
            await connection.execute("SELECT pg_advisory_unlock_all()")


async def open_pool(url: str, *, size: int = 4) -> Pool:
    """Open a pool of autocommit connections; waits at most 30 s for the first one.

    Use ``async with connection.transaction():`` for more than one statement.
    """
    pool: Pool = AsyncConnectionPool(
        url,
        min_size=1,
        max_size=size,
        open=False,
        kwargs={"autocommit": True},
        configure=_configure,
        name="louhua",
        timeout=30,
    )
    await pool.open(wait=True, timeout=30)
    return pool


async def _configure(connection: Connection) -> None:
    """Plan each statement for the tables as they are.

    A plan kept from when a table was nearly empty reads all of it, until statistics are taken again. Statements
    work on batches, so planning them costs little.
    """
    await connection.execute("SET plan_cache_mode = force_custom_plan")


def django_database(url: str) -> dict[str, Any]:
    """A PostgreSQL URL as Django's ``DATABASES`` entry; libpq's own reading of it, several hosts included.

    A page waits 5 s for a server that does not answer, unless the URL says otherwise.
    """
    options = {"connect_timeout": 5} | conninfo_to_dict(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": options.pop("dbname", "") or options.get("user", ""),
        "USER": options.pop("user", ""),
        "PASSWORD": options.pop("password", ""),
        "HOST": options.pop("host", ""),
        "PORT": str(options.pop("port", "")),
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
    }
