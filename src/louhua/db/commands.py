"""What commands that ask the database share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from louhua.config import Config
from louhua.db.pool import Connection, connect
from louhua.terminal import fail

T = TypeVar("T")


def with_database(config: Config, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do something with a connection; ends the program when there is no database."""

    async def connected() -> T:
        async with connect(config) as connection:
            return await work(connection)

    try:
        return asyncio.run(connected())
    except (psycopg.OperationalError, PoolTimeout) as error:
        fail(f"no database: {str(error).strip()}; is louhua serve running with this configuration?")
    except psycopg.errors.UndefinedTable:
        fail("this database has no tables yet; run: louhua migrate")
