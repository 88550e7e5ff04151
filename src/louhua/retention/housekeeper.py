"""Removes what is older than ``[retention]`` says, so slowly that nobody notices.

Of all alert processes on a database one at a time keeps house: whoever holds the advisory lock, on a connection of
its own. Every batch is a transaction, so a kill between two leaves nothing half-done; the next round begins anew.
After each batch it rests nine times as long as the batch took: the busier the database, the longer.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, Protocol

import psycopg
import structlog

from louhua.alerts.daily import forget_counts
from louhua.bus.nats import BusAway
from louhua.config import Config
from louhua.db import locks
from louhua.db.locks import Lock
from louhua.db.pool import Connection, connect
from louhua.retention import partitions, store
from louhua.retention.metrics import PURGED

log = structlog.get_logger()

_EVERY_S: Final = 6 * 3600.0
_RETRY_S: Final = 60.0
_RESTS: Final = 9
_SHORTEST_REST_S: Final = 0.01
_ROWS: Final = 1000
_PAGES: Final = 64
_MESSAGE_PAGES: Final = 4

Batches = AsyncIterator[int]
"""The batches of one kind of record: how many rows each of them removed."""


class Recordings(Protocol):
    """Where recordings are kept."""

    async def delete_recording(self, name: str) -> None:
        """Remove a recording if it is there; raises ``BusAway``."""


class Housekeeper:
    """Keeps house for one database."""

    def __init__(
        self, config: Config, recordings: Recordings, rest: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._config = config
        self._recordings = recordings
        self._rest = rest

    async def run(self) -> None:
        """Keep house every six hours, until cancelled."""
        while True:
            wait_s = _EVERY_S
            try:
                await self.clean(datetime.now(UTC))
            except (psycopg.Error, BusAway) as error:
                log.warning("retention.waits", error=str(error))
                wait_s = _RETRY_S
            await asyncio.sleep(wait_s)

    async def clean(self, now: datetime) -> dict[str, int] | None:
        """One round: what it removed, by kind; ``None`` when another process is at it."""
        async with connect(self._config) as connection:
            if not await locks.take(connection, Lock.HOUSE):
                return None
            # What a crash brings back is removed again.
            await connection.execute("SET synchronous_commit = off; SET timezone = 'UTC'")
            removed = {kind: await self._all(kind, batches) for kind, batches in self._kinds(connection, now)}
        if any(removed.values()):
            log.info("retention.removed", **removed)
        return removed

    def _kinds(self, connection: Connection, now: datetime) -> list[tuple[str, Batches]]:
        kept = self._config.retention
        today = now.astimezone(self._config.service.zone).date()
        calls, inbound, help_ = now - kept.calls, now - kept.inbound, now - kept.help
        return [
            ("days of calls", _once(partitions.keep_days(connection, now, calls))),
            ("calls", _sweep(connection, "alerts_call_rest", store.PURGE_REST, calls)),
            ("alerts", _walk(connection, store.PURGE_ALERTS, now - kept.alerts)),
            ("texts", _walk(connection, store.PURGE_TEXTS, now - kept.texts)),
            ("charges", _walk(connection, store.PURGE_CHARGES, now - kept.charges)),
            ("usage", _sweep(connection, "charging_usage", store.PURGE_USAGE, now - kept.charges)),
            ("rentals", _sweep(connection, "charging_rental", store.PURGE_RENTALS, now - kept.charges)),
            ("messages", self._messages(connection, now - kept.messages)),
            ("inbound", _sweep(connection, "texts_inbound", store.PURGE_INBOUND, inbound)),
            ("help", _sweep(connection, "texts_helpsent", store.PURGE_HELP, help_)),
            ("orphans", _sweep(connection, "texts_orphanreceipt", store.PURGE_ORPHANS, now - kept.orphans)),
            ("daily counts", _repeat(lambda: forget_counts(connection, today, _ROWS))),
        ]

    async def _all(self, kind: str, batches: Batches) -> int:
        total, began = 0, time.monotonic()
        async for removed in batches:
            total += removed
            PURGED.labels(kind).inc(removed)
            await self._rest(max(_SHORTEST_REST_S, _RESTS * (time.monotonic() - began)))
            began = time.monotonic()
        return total

    async def _messages(self, connection: Connection, before: datetime) -> Batches:
        """First the sound, then the row that names it: a kill between leaves a row, which comes again."""
        for first in range(0, await store.pages(connection, "voicemail_message"), _MESSAGE_PAGES):
            old = await store.old_messages(connection, first, _MESSAGE_PAGES, before)
            for _, recording in old:
                await self._recordings.delete_recording(recording)
            yield await store.purge_messages(connection, [call for call, _ in old]) if old else 0


async def _once(work: Awaitable[int]) -> Batches:
    yield await work


async def _repeat(batch: Callable[[], Awaitable[int]]) -> Batches:
    while removed := await batch():
        yield removed


async def _walk(connection: Connection, statement: str, before: datetime) -> Batches:
    """From the first key on, until nothing older can follow."""
    walked = store.Walked(0, True, 0)
    while walked.more:
        walked = await store.walk(connection, statement, walked.last, before, _ROWS)
        yield walked.removed


async def _sweep(connection: Connection, table: str, statement: str, before: datetime) -> Batches:
    """Page by page through a table."""
    for first in range(0, await store.pages(connection, table), _PAGES):
        yield await store.purge_pages(connection, statement, first, _PAGES, before)
