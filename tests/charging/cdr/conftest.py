"""A ledger with charges, a directory for their files, and ``louhua cdr`` in a process of its own or this one."""

import asyncio
import csv
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from typer.testing import CliRunner, Result

from louhua.charging.store import Charge, Row, add_charges, write_ledger
from louhua.cli import app
from louhua.config import Config, Database, Node

Run = Callable[..., Result]
NOON: Final = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
FIELDS: Final = ("type", *Row._fields)


def charge(number: int, **changes: Any) -> Charge:
    """One charge out of many that differ: every seventh is given back, amounts are odd thousandths."""
    values: dict[str, Any] = {
        "payer": f"86138{number % 10_000:08}", "month": date(2026, 11, 1), "prepaid": number % 2 == 0,
        "at": NOON + timedelta(milliseconds=number),
    }  # fmt: skip
    if number % 7 == 0:
        values |= {
            "event": f"refund:{number}", "kind": "refund", "price": -(number % 997), "amount": -(number % 997),
            "why": "", "refunds": number - 1, "reason": 'a "mistake", again', "author": "anna",
        }  # fmt: skip
    else:
        values |= {
            "event": f"text:{number}", "kind": "usage", "price": number % 1009, "amount": number % 1009,
            "why": "price", "item": "detail", "plan": "standard", "version": 1,
        }  # fmt: skip
    return Charge(**values | changes)


async def put(url: str, batches: Sequence[Sequence[Charge]]) -> None:
    """Write charges, a transaction a batch."""
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    async with connection:
        for batch in batches:
            async with connection.transaction():
                await write_ledger(connection)
                await add_charges(connection, batch)


class Books:
    """The ledger, and the files that were made of it."""

    def __init__(self, url: str, data: Path) -> None:
        self.url = url
        self.data = data
        self.config = Config(node=Node(data=data), database=Database(url=url))
        self.directory = data / "cdr"
        self.connection = psycopg.connect(url, autocommit=True)

    def put(self, *charges: Charge) -> None:
        asyncio.run(put(self.url, [charges]))

    def fill(self, first: int, last: int) -> None:
        numbers = range(first, last + 1)
        batches = [numbers[start : start + 5000] for start in range(0, len(numbers), 5000)]
        asyncio.run(put(self.url, [[charge(number) for number in batch] for batch in batches]))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode()).fetchall()

    def files(self) -> list[Path]:
        """The files, by number."""
        return sorted(self.directory.glob("*/*.csv"), key=lambda path: path.name)

    def hashes(self) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files()}

    def temporary(self) -> list[Path]:
        return list(self.directory.glob("*/.*"))

    def lines(self, *paths: Path) -> Iterator[dict[str, str]]:
        """The charges in files, field by field, read by nothing of Louhua."""
        for path in paths or self.files():
            with path.open(encoding="utf-8", newline="") as text:
                for row in csv.reader(text):
                    if row[0] == "D":
                        yield dict(zip(FIELDS, row, strict=True))

    def command(self, *arguments: str) -> list[str]:
        """A command line of ``louhua cdr``."""
        return [sys.executable, "-m", "louhua.cli", "cdr", *(arguments or ("export",))]

    def start(self, *arguments: str, before: Sequence[str] = (), **options: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*before, *self.command(*arguments)],
            env=os.environ | {"COLUMNS": "80"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            **options,
        )  # fmt: skip

    def reckon(self) -> None:
        """Every charge of the ledger stands in exactly one file as it is, to the thousandth of a yuan."""
        written = [
            (int(line["id"]), line["event"], _thousandths(line["amount"]), line["payer"], line["reason"])
            for line in self.lines()
        ]
        ledger = self.rows("SELECT id, event, amount, payer, reason FROM charging_charge ORDER BY id")
        assert written == ledger
        for path in self.files():
            ids = [line["id"] for line in self.lines(path)]
            assert path.read_text().splitlines()[-1].split(",")[-2:] == [ids[0], ids[-1]]
        numbers = [int(path.stem.removeprefix("louhua-")) for path in self.files()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert self.rows("SELECT number, closed_at IS NOT NULL FROM charging_cdrfile ORDER BY number") == [
            (number, True) for number in numbers
        ]
        (sums,) = self.rows("SELECT coalesce(sum(charges), 0), coalesce(sum(amount), 0) FROM charging_cdrfile")
        assert sums == (len(written), sum(row[2] for row in written))


def _thousandths(text: str) -> int:
    assert text[-4] == "."
    return int(text.replace(".", ""))


@pytest.fixture
def books(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setenv("LOUHUA_DATABASE__URL", database_url)
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path / "var"))
    books = Books(database_url, tmp_path / "var")
    yield books
    books.connection.close()


@pytest.fixture
def run(books: Books) -> Run:
    """Run ``louhua cdr …`` in a terminal of eighty columns."""
    runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})
    return lambda *arguments: runner.invoke(app, ["cdr", *arguments])
