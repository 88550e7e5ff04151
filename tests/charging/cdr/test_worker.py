"""Files are written by themselves, and what is in the way is only waited for."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from structlog.testing import capture_logs
from tests.charging.cdr.conftest import NOON, Books, charge, put

from louhua.charging.cdr import store, worker
from louhua.charging.cdr.exporter import LedgerChanged
from louhua.charging.cdr.files import Differs
from louhua.charging.cdr.store import File, LedgerBusy
from louhua.charging.cdr.worker import CdrWorker, wait_until_due
from louhua.charging.metrics import CDR_FAILURES, CDR_FILES, CDR_OLDEST
from louhua.charging.store import WRITE_LEDGER
from louhua.creditors import Charging
from louhua.db import locks, pool
from louhua.db.locks import Lock

EVERY = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)


def file(created: datetime, closed: datetime | None) -> File:
    return File(1, 0, 1, 1, 1, "f", "n", "UTC", created, closed)


@pytest.mark.parametrize(
    ("newest", "wait"),
    [
        (None, 0 * MINUTE),
        (file(NOON, NOON), 15 * MINUTE),
        (file(NOON - 5 * MINUTE, NOON), 10 * MINUTE),
        (file(NOON - 15 * MINUTE, NOON), 0 * MINUTE),
        (file(NOON - 600 * MINUTE, NOON), 0 * MINUTE),
        (file(NOON + 600 * MINUTE, NOON), 15 * MINUTE),
        (file(NOON, None), 0 * MINUTE),
    ],
)
def test_when_the_next_file_is_due(newest: File | None, wait: timedelta) -> None:
    assert wait_until_due(newest, NOON, EVERY) == wait


def value(metric: object) -> float:
    return float(metric._value.get())  # type: ignore[attr-defined]


def test_a_file_is_written_when_it_is_due(books: Books) -> None:
    now, written = datetime.now(UTC), value(CDR_FILES)
    books.put(charge(1, at=now))
    cdr = CdrWorker(books.config)
    assert asyncio.run(cdr.write(now)) == EVERY
    assert (len(books.files()), value(CDR_FILES) - written, value(CDR_OLDEST)) == (1, 1, 0)
    books.put(charge(2, at=now))
    assert 5 * MINUTE <= asyncio.run(cdr.write(now + 10 * MINUTE)) < 6 * MINUTE
    assert (len(books.files()), value(CDR_OLDEST)) == (1, 600)
    assert asyncio.run(cdr.write(now + 16 * MINUTE)) == EVERY
    assert len(books.files()) == 2
    books.reckon()


def test_another_process_is_left_alone(books: Books) -> None:
    books.fill(1, 3)
    books.connection.execute(locks.TAKE, {"key": Lock.FILES})
    assert asyncio.run(CdrWorker(books.config).write(datetime.now(UTC))) == EVERY
    assert books.files() == []
    assert value(CDR_OLDEST) > 0


def stand_in_the_way(books: Books) -> None:
    books.data.mkdir()
    books.directory.write_text("no directory")


def take_the_name(books: Books) -> None:
    (path,) = books.files()
    path.write_text("somebody else's")
    books.connection.execute("UPDATE charging_cdrfile SET closed_at = NULL")


def lose_a_charge(books: Books) -> None:
    take_the_name(books)
    books.connection.execute("DELETE FROM charging_charge WHERE id = 2")


@pytest.mark.parametrize(
    ("begin", "hinder", "error"),
    [
        (False, stand_in_the_way, OSError), (True, take_the_name, Differs), (True, lose_a_charge, LedgerChanged),
    ],
)  # fmt: skip
def test_the_oldest_charge_is_told_when_nothing_can_be_written(
    books: Books, begin: bool, hinder: Callable[[Books], None], error: type[Exception]
) -> None:
    now, cdr = datetime.now(UTC), CdrWorker(books.config)
    books.put(charge(1, at=now), charge(2, at=now))
    if begin:
        asyncio.run(cdr.write(now))
    hinder(books)
    CDR_OLDEST.set(-1)
    for late in (60, 61):
        with pytest.raises(error):
            asyncio.run(cdr.write(now + late * MINUTE))
        assert value(CDR_OLDEST) == late * 60


def test_the_oldest_charge_is_told_while_the_ledger_is_busy(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_TRIES", 1)
    monkeypatch.setattr(store, "_TRY_AGAIN_S", 0)
    now = datetime.now(UTC)
    books.put(charge(1, at=now))
    with books.connection.transaction():
        books.connection.execute(WRITE_LEDGER, {"key": Lock.LEDGER})
        with pytest.raises(LedgerBusy):
            asyncio.run(CdrWorker(books.config).write(now + 60 * MINUTE))
    assert value(CDR_OLDEST) == 3600


def test_the_oldest_charge_grows_older_while_the_database_is_away(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, cdr = datetime.now(UTC), CdrWorker(books.config)
    stand_in_the_way(books)
    books.put(charge(1, at=now))
    urls = iter([books.url])
    monkeypatch.setattr(pool, "database_url", lambda config: next(urls, "postgresql://127.0.0.1:1/x"))
    CDR_OLDEST.set(-1)
    with pytest.raises(FileExistsError):
        asyncio.run(cdr.write(now))
    assert value(CDR_OLDEST) == -1, "nothing was known yet"
    urls = iter([books.url] * 2)
    with pytest.raises(FileExistsError):
        asyncio.run(cdr.write(now + 1 * MINUTE))
    with pytest.raises(psycopg.OperationalError):
        asyncio.run(cdr.write(now + 60 * MINUTE))
    assert value(CDR_OLDEST) == 3600


async def eventually(books: Books, cdr: CdrWorker, files: int) -> None:
    """Let it run until so many files are closed, and it has told that no charge waits."""
    closed = "SELECT count(*) FROM charging_cdrfile WHERE closed_at IS NOT NULL"
    CDR_OLDEST.set(-1)
    running = asyncio.create_task(cdr.run())
    async with asyncio.timeout(30):
        while (books.rows(closed) < [(files,)] or value(CDR_OLDEST) != 0) and not running.done():
            await asyncio.sleep(0.01)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.fixture
def quick(books: Books, monkeypatch: pytest.MonkeyPatch) -> CdrWorker:
    """A worker that writes as often as can be."""
    monkeypatch.setattr(worker, "_SHORTEST", timedelta(milliseconds=5))
    charging = Charging(cdr_every=timedelta(milliseconds=5))
    books.config = books.config.model_copy(update={"charging": charging})
    return CdrWorker(books.config)


def test_it_goes_on(books: Books, quick: CdrWorker) -> None:
    async def work() -> None:
        await put(books.url, [[charge(1)]])
        await eventually(books, quick, 1)
        await put(books.url, [[charge(2)]])
        await eventually(books, quick, 2)

    asyncio.run(work())


def test_a_disk_that_is_in_the_way_is_waited_for(books: Books, quick: CdrWorker) -> None:
    books.fill(1, 3)
    books.data.mkdir()
    books.directory.write_text("no directory")
    failures = value(CDR_FAILURES)

    async def free() -> None:
        async with asyncio.timeout(30):
            while value(CDR_FAILURES) < failures + 2:
                await asyncio.sleep(0.01)
        books.directory.unlink()

    async def work() -> None:
        freeing = asyncio.create_task(free())
        await eventually(books, quick, 1)
        await freeing

    with capture_logs() as said:
        asyncio.run(work())
    books.reckon()
    assert {line["event"] for line in said} == {"cdr.not_written", "cdr.written"}


def test_a_database_that_is_away_is_waited_for(
    books: Books, quick: CdrWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.fill(1, 3)
    urls = iter(
        ["postgresql://127.0.0.1:1/x"] * 4
    )  # each attempt asks twice: for files, and for the oldest charge
    monkeypatch.setattr(pool, "database_url", lambda config: next(urls, books.url))
    with capture_logs() as said:
        asyncio.run(eventually(books, quick, 1))
    books.reckon()
    assert [line["event"] for line in said][:2] == ["cdr.waits", "cdr.waits"]


def test_a_connection_that_is_lost_on_the_way_is_made_good(books: Books, quick: CdrWorker) -> None:
    """The server ends the connection while a range is known and its file is not there yet."""
    books.fill(1, 60_000)

    async def cut_off() -> None:
        connection = await psycopg.AsyncConnection.connect(books.url, autocommit=True)
        async with connection, asyncio.timeout(30):
            ended = 0
            while not ended:
                cursor = await connection.execute(
                    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l, charging_cdrfile AS f"
                    " WHERE l.locktype = 'advisory' AND l.objid = %s AND f.closed_at IS NULL",
                    [Lock.FILES],
                )
                ended = len(await cursor.fetchall())

    async def work() -> None:
        cutting = asyncio.create_task(cut_off())
        await eventually(books, quick, 1)
        await cutting

    with capture_logs() as said:
        asyncio.run(work())
    asyncio.run(quick.write(datetime.now(UTC)))
    books.reckon()
    assert "cdr.waits" in {line["event"] for line in said}
    assert books.temporary() == []


def test_by_command_only(books: Books) -> None:
    books.fill(1, 3)
    books.config = books.config.model_copy(update={"charging": Charging(cdr_every=timedelta(0))})

    async def work() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(CdrWorker(books.config).run(), 0.3)

    asyncio.run(work())
    assert books.files() == []
