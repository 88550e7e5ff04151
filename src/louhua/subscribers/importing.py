"""Imports a file of subscribers, a chunk at a time: what cannot be used is put aside with the reason.

A chunk is a transaction. Who stops an import, however hard, loses at most the chunk it was at, and runs it again.
"""

import contextlib
import csv
import io
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO, Final, TextIO

import msgspec

from louhua.db.pool import Connection
from louhua.subscribers.bulk import repeated, stage, store
from louhua.subscribers.rows import Rejected, Table, merged

CHUNK: Final = 50_000


class Tally(msgspec.Struct):
    """How far an import is: rows read, and what became of them; ``line`` is the last one that is stored."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    rejected: int = 0
    repeated: int = 0
    repeated_lines: tuple[int, int] = (0, 0)
    line: int = 0
    position: int = 0

    @property
    def unchanged(self) -> int:
        """Rows that said nothing new."""
        return self.rows - self.new - self.changed - self.rejected


def rejects_of(path: Path) -> Path:
    """Where rejected rows go: ``people.csv`` leaves ``people.rejected.csv``."""
    return path.with_name(f"{path.stem}.rejected{path.suffix or '.csv'}")


@contextlib.contextmanager
def opened(path: Path, encoding: str) -> Iterator[tuple[TextIO, BinaryIO]]:
    """The file as text, and beneath it as octets, which know how far it has been read."""
    with path.open("rb") as octets:
        yield io.TextIOWrapper(octets, encoding=encoding, newline=""), octets


class Rejects:
    """The file of rejected rows, made when there is one; it can be corrected and imported like any other."""

    def __init__(self, path: Path, header: list[str]) -> None:
        self.path = path
        self._header = header
        self._file: TextIO | None = None

    def put(self, rejected: list[Rejected]) -> None:
        """Add rows; they are in the file when this returns."""
        if not rejected:
            return
        ours = [name for name in ("line", "reason") if name not in self._header]
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8-sig", newline="")
            csv.writer(self._file).writerow([*ours, *self._header])
        rows = csv.writer(self._file)
        for item in rejected:
            rows.writerow([*[{"line": item.line, "reason": item.reason}[name] for name in ours], *item.values])
        self._file.flush()

    def close(self) -> None:
        """No more come."""
        if self._file is not None:
            self._file.close()


async def load(
    connection: Connection,
    table: Table,
    rejects: Rejects,
    tally: Tally,
    today: date,
    *,
    notice: bool,
    progress: Callable[[], None],
) -> None:
    """Import everything, keeping ``tally``; raises ``BadFile`` and ``OSError`` (of the file of rejected rows).

    Of several rows about one number, what the later ones name counts. ``today`` is the service's day.
    """
    await stage(connection)
    for chunk in table.chunks(CHUNK):
        rows, again = merged(chunk.rows)
        stored = await store(connection, table.columns, rows, today, notice=notice)
        rejects.put(chunk.rejected)
        tally.rows += len(chunk.rows) + len(chunk.rejected)
        tally.rejected += len(chunk.rejected)
        tally.new += stored.new
        tally.changed += stored.changed
        tally.repeated += len(again)
        tally.repeated_lines = tally.repeated_lines if tally.repeated_lines[0] or not again else again[0]
        tally.line, tally.position = chunk.line, chunk.position
        progress()
    count, first, last = await repeated(connection)
    tally.repeated += count
    if count and not tally.repeated_lines[0]:
        tally.repeated_lines = (first, last)
