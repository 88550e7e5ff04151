"""Writes files of charges every ``charging.cdr_every``: one process a database at a time."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from louhua.charging.cdr import store
from louhua.charging.cdr.exporter import Exporter, LedgerChanged
from louhua.charging.cdr.files import Differs
from louhua.charging.cdr.store import File, LedgerBusy
from louhua.charging.metrics import CDR_FAILURES, CDR_OLDEST
from louhua.config import Config
from louhua.db.pool import Connection, connect

log = structlog.get_logger()

_RETRY: Final = timedelta(minutes=1)
_SHORTEST: Final = timedelta(seconds=1)


def wait_until_due(newest: File | None, now: datetime, every: timedelta) -> timedelta:
    """How long until the next file, whoever wrote the newest one; a file that is open is due."""
    if newest is None or newest.closed_at is None:
        return timedelta(0)
    return min(max(newest.created_at + every - now, timedelta(0)), every)


def _age(charged: datetime | None, now: datetime) -> float:
    return max((now - charged).total_seconds(), 0) if charged else 0


class CdrWorker:
    """Writes the files of one database."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._oldest: datetime | None = None

    async def run(self) -> None:
        """Write files, until cancelled."""
        every = self._config.charging.cdr_every
        if not every:
            await asyncio.Event().wait()
        while True:
            try:
                wait = await self.write(datetime.now(UTC))
            except (psycopg.Error, LedgerBusy) as error:
                log.warning("cdr.waits", error=str(error))
                wait = min(every, _RETRY)
            except (OSError, Differs, LedgerChanged) as error:
                log.error("cdr.not_written", error=str(error))
                CDR_FAILURES.inc()
                wait = min(every, _RETRY)
            await asyncio.sleep(max(wait, _SHORTEST).total_seconds())

    async def write(self, now: datetime) -> timedelta:
        """Write what is due; how long until more may be."""
        every = self._config.charging.cdr_every
        try:
            async with connect(self._config) as connection:
                wait = wait_until_due(await store.newest(connection), now, every)
                if not wait and await store.take_lock(connection):
                    await self._export(connection)
        except Exception:
            # Just now somebody must be warned; and what failed first is what is told of.
            with contextlib.suppress(psycopg.Error):
                await self._tell_oldest(now)
            raise
        await self._tell_oldest(now)
        return wait or every

    async def _tell_oldest(self, now: datetime) -> None:
        """Set the figure, on a connection of its own, as the other one may be lost.

        What waits in a database that is away waits on: its age is told by what was known last.
        """
        try:
            async with connect(self._config) as connection:
                self._oldest = await store.oldest(connection)
        except psycopg.Error:
            if self._oldest is not None:
                CDR_OLDEST.set(_age(self._oldest, now))
            raise
        CDR_OLDEST.set(_age(self._oldest, now))

    async def _export(self, connection: Connection) -> None:
        async for file in Exporter(self._config, connection).export():
            log.info("cdr.written", file=file.name, charges=file.charges, amount=file.amount)
