"""Writes files of charges. First a row says which charges the next file has, then it is written, then closed.

So the content of a file is known for ever before it is written. Who dies leaves at most one file open; whoever
comes next finishes it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from louhua.charging.cdr import format as lines
from louhua.charging.cdr import store
from louhua.charging.cdr.files import Draft, directory
from louhua.charging.cdr.store import File
from louhua.charging.metrics import CDR_FILES
from louhua.charging.store import Row
from louhua.config import Config
from louhua.db.pool import Connection

MOST: Final = 100_000
"""Charges a file."""
_BATCH: Final = 2_000

Progress = Callable[[int, int], None]
"""Told of the last charge that was written, and of the last one to write."""


class LedgerChanged(Exception):
    """The ledger has not the charges any more that a file is to have; says the way out."""


class Exporter:
    """Writes files on a connection that holds the lock (``store.take_lock``)."""

    def __init__(
        self, config: Config, connection: Connection, progress: Progress = lambda done, all_: None
    ) -> None:
        self._config = config
        self._connection = connection
        self._progress = progress
        self._directory = directory(config)
        self._horizon = 0

    async def export(self) -> AsyncIterator[File]:
        """Write everything that is in the ledger now; each file when it is closed.

        Raises ``LedgerBusy``, ``LedgerChanged``, ``Differs``, ``OSError``, ``psycopg.Error``; then nothing is
        lost, and the same is done the next time.
        """
        last = await store.newest(self._connection)
        if last and last.closed_at is None:
            self._horizon = last.upto_id
            await self._finish(last)
            yield last
        self._horizon = await store.horizon(self._connection)
        while last := await self._cut(last):
            await self._finish(last)
            yield last

    async def _cut(self, last: File | None) -> File | None:
        number, after = (last.number + 1, last.upto_id) if last else (1, 0)
        found = await store.next_range(self._connection, after, self._horizon, MOST)
        if found is None:
            return None
        now, service = datetime.now(UTC), self._config.service
        file = File(
            number=number,
            after_id=after,
            upto_id=found.upto_id,
            charges=found.charges,
            amount=found.amount,
            name=lines.name_of(number, now.astimezone(service.zone)),
            node=self._config.node.name,
            zone=service.timezone,
            created_at=now,
        )
        await store.add(self._connection, file)
        return file

    async def _finish(self, file: File) -> None:
        draft = await asyncio.to_thread(Draft, self._directory / file.name)
        try:
            await self._write(file, draft)
            await asyncio.to_thread(draft.publish)
        finally:
            draft.discard()
        if await store.close(self._connection, file.number, datetime.now(UTC)):
            CDR_FILES.inc()

    async def _write(self, file: File, draft: Draft) -> None:
        zone = ZoneInfo(file.zone)
        draft.write(lines.head(file.number, file.node, file.created_at.astimezone(zone)))
        charges = amount = first = 0
        last = file.after_id
        while rows := await store.rows(self._connection, last, file.upto_id, _BATCH):
            await asyncio.to_thread(_add, draft, rows, zone)
            charges, amount = charges + len(rows), amount + sum(row.amount for row in rows)
            first, last = first or rows[0].id, rows[-1].id
            self._progress(last, self._horizon)
        if (charges, amount, last) != (file.charges, file.amount, file.upto_id):
            raise LedgerChanged(
                f"{file.name} is to have {file.charges:,} charges up to {file.upto_id}, but the ledger has "
                f"{charges:,} up to {last}: rows of the ledger were changed or removed; restore them, and run "
                "louhua cdr export"
            )
        draft.write(lines.tail(file.number, charges, amount, first, last))


def _add(draft: Draft, rows: Sequence[Row], zone: ZoneInfo) -> None:
    draft.write(lines.body(rows, zone))
