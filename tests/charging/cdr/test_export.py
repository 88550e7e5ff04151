"""Every charge stands in exactly one file, whoever writes at the same time and whatever the disk does."""

import asyncio
import contextlib
import os
import random
import re
import resource
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from tests.charging.cdr.conftest import NOON, Books, Run, charge

from louhua.charging.cdr import exporter, files, store
from louhua.charging.cdr.exporter import Exporter, LedgerChanged
from louhua.charging.cdr.files import Differs, Draft
from louhua.charging.cdr.store import File, LedgerBusy
from louhua.charging.metrics import CDR_FILES
from louhua.charging.store import READ_LEDGER, WRITE_LEDGER, Charge
from louhua.db import pool
from louhua.db.locks import Lock
from louhua.db.pool import Connection


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "MOST", 100)
    monkeypatch.setattr(exporter, "_BATCH", 30)


async def connect(books: Books) -> Connection:
    return await psycopg.AsyncConnection.connect(books.url, autocommit=True)


def export(books: Books) -> list[File]:
    async def work() -> list[File]:
        async with pool.connect(books.config) as connection:
            assert await store.take_lock(connection)
            return [file async for file in Exporter(books.config, connection).export()]

    return asyncio.run(work())


def test_ranges_follow_one_another(books: Books) -> None:
    assert export(books) == []
    assert not books.directory.exists(), "nothing was charged, so there is no file"
    books.fill(1, 250)
    assert [file.charges for file in export(books)] == [100, 100, 50]
    assert export(books) == []
    books.fill(251, 251)
    (last,) = export(books)
    assert (last.number, last.charges, last.after_id, last.upto_id) == (4, 1, 250, 251)
    books.reckon()
    assert books.temporary() == []


def test_numbers_that_were_never_used_are_no_gap(books: Books) -> None:
    books.fill(1, 10)
    books.put(*map(charge, range(1, 20)))
    books.rows("SELECT nextval('charging_charge_id_seq') FROM generate_series(1, 500)")
    books.fill(30, 31)
    assert [file.charges for file in export(books)] == [21]
    books.reckon()


def test_charges_stand_in_the_order_of_their_ids(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """However they lie in the database, and in whatever order it finds them."""
    books.fill(1, 130)
    for number in range(130, 0, -1):
        books.connection.execute("UPDATE charging_charge SET at = at WHERE id = %s", [number])
    monkeypatch.setenv("PGOPTIONS", "-c enable_indexscan=off -c enable_indexonlyscan=off")
    assert [file.upto_id for file in export(books)] == [100, 130]
    books.reckon()


def test_a_file_is_for_its_readers_only(books: Books) -> None:
    books.fill(1, 1)
    export(books)
    (path,) = books.files()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_nlink == 1
    assert path.parent.stat().st_mode & 0o007 == 0


def test_nobody_who_charges_is_overtaken(books: Books) -> None:
    """Transactions of random length, of which some fail, while files are written as fast as can be."""
    failures: list[BaseException] = []
    numbers = iter(range(1, 10**9))
    lock = threading.Lock()

    def write(seed: int) -> None:
        chance = random.Random(seed)
        try:
            with psycopg.connect(books.url, autocommit=True) as connection:
                for _ in range(60):
                    with lock:
                        mine = [next(numbers) for _ in range(chance.randint(1, 40))]
                    with connection.transaction(force_rollback=chance.random() < 0.1):
                        connection.execute(WRITE_LEDGER, {"key": Lock.LEDGER})
                        for number in mine:
                            insert(connection, number)
                            if chance.random() < 0.02:
                                connection.execute("SELECT pg_sleep(%s)", [chance.random() / 20])
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=[seed]) for seed in range(4)]
    for writer in writers:
        writer.start()
    rounds = 0
    while any(writer.is_alive() for writer in writers):
        rounds += bool(export(books))
    export(books)
    assert failures == []
    assert rounds > 3, "files were written meanwhile"
    books.reckon()


COLUMNS = Charge.__struct_fields__
INSERT = (
    f"INSERT INTO charging_charge ({', '.join(COLUMNS)}) VALUES ({', '.join(f'%({name})s' for name in COLUMNS)})"
)


def insert(connection: "psycopg.Connection[Any]", number: int) -> None:
    connection.execute(INSERT.encode(), msgspec.structs.asdict(charge(number)))


def test_who_charges_for_long_makes_the_files_wait(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_TRIES", 2)
    monkeypatch.setattr(store, "_TRY_AGAIN_S", 0.01)
    books.fill(1, 3)
    with psycopg.connect(books.url) as slow:
        slow.execute(WRITE_LEDGER, {"key": Lock.LEDGER})
        with pytest.raises(LedgerBusy):
            export(books)
        assert books.rows("SELECT count(*) FROM charging_cdrfile") == [(0,)]
        # Nobody is left waiting, so that those who charge go on.
        books.connection.execute("SET lock_timeout = '5s'")
        books.connection.execute(WRITE_LEDGER, {"key": Lock.LEDGER})
    assert len(export(books)) == 1


def test_an_open_file_waits_for_nobody(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_TRIES", 1)
    books.fill(1, 3)
    place = cut(books)
    with psycopg.connect(books.url) as slow:
        slow.execute(WRITE_LEDGER, {"key": Lock.LEDGER})
        with pytest.raises(LedgerBusy):
            export(books)
    assert books.files() == [place]
    books.reckon()


def test_the_ledger_is_free_while_a_file_is_written(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    books.fill(1, 3)
    add = exporter._add

    def charge_meanwhile(*arguments: Any) -> None:
        with psycopg.connect(books.url, options="-c lock_timeout=1s") as other:
            other.execute(READ_LEDGER, {"key": Lock.LEDGER})
        add(*arguments)

    monkeypatch.setattr(exporter, "_add", charge_meanwhile)
    assert len(export(books)) == 1


class Died(Exception):
    """Stands in for the end of the process."""


@contextlib.contextmanager
def dying(step: str) -> Iterator[None]:
    """Within, the exporter ends at this step, and tidies nothing up."""

    def die(*_: Any) -> None:
        raise Died

    unlink = Path.unlink
    with pytest.MonkeyPatch.context() as patch:
        if step == "created":
            patch.setattr(Draft, "write", die)
        elif step == "written":
            patch.setattr(Draft, "publish", die)
        elif step == "linked":
            patch.setattr(Path, "unlink", lambda path: die() if path.suffix == ".tmp" else unlink(path))
        elif step == "unlinked":
            patch.setattr(files, "_sync", lambda path: die() if path.name.startswith("2") else None)
        else:
            patch.setattr(store, "close", die)
        patch.setattr(Draft, "discard", lambda draft: draft._file.close())
        with pytest.raises(Died):
            yield


@pytest.mark.parametrize("step", ["created", "written", "linked", "unlinked", "published"])
def test_a_death_at_any_step_is_made_good(books: Books, step: str) -> None:
    books.fill(1, 150)
    with dying(step):
        export(books)
    assert books.rows("SELECT number, upto_id, closed_at FROM charging_cdrfile") == [(1, 100, None)]
    before = books.hashes()
    assert bool(before) == (step in ("linked", "unlinked", "published"))
    assert bool(books.temporary()) == (step in ("created", "written", "linked"))
    places = [path.stat().st_ino for path in books.files()]
    books.fill(151, 160)
    assert [file.number for file in export(books)] == [1, 2]
    assert books.temporary() == []
    assert before.items() <= books.hashes().items()
    assert places == [path.stat().st_ino for path in books.files()][: len(places)], "it was not written again"
    books.reckon()
    assert [len(list(books.lines(path))) for path in books.files()] == [100, 60]


@pytest.mark.parametrize("there", [False, True])
def test_the_disk_has_a_file_before_it_is_called_closed(
    books: Books, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """Its content before its name, its name before its row; also where who gave it the name died."""
    books.fill(1, 3)
    if there:
        with dying("linked"):
            export(books)
        books.temporary()[0].unlink()
    steps: list[str] = []

    def told(where: Any, name: str, path: Callable[..., str]) -> None:
        real = getattr(where, name)

        def tell(*arguments: Any) -> Any:
            steps.append(f"{name} {path(*arguments)}".strip())
            return real(*arguments)

        monkeypatch.setattr(where, name, tell)

    def below(path: Any) -> str:
        text = Path(path).relative_to(books.data.parent).as_posix()
        return re.sub(r"\d{4}-\d\d-\d\d", "DAY", re.sub(r"/\..*\.tmp", "/draft", text))

    told(os, "mkdir", lambda path, mode: below(path))
    told(os, "fsync", lambda number: below(os.readlink(f"/proc/self/fd/{number}")))
    told(os, "link", lambda draft, path: below(path))
    told(store, "close", lambda *_: "")
    export(books)
    made = ["var", "var/cdr", "var/cdr/DAY"]
    assert steps == [
        *([] if there else [step for path in made for step in (f"mkdir {path}", f"fsync {Path(path).parent}")]),
        "fsync var/cdr/DAY/draft", "link var/cdr/DAY/louhua-0000000001.csv", "fsync var/cdr/DAY",
        "fsync var/cdr", "close",
    ]  # fmt: skip
    books.reckon()


def test_a_file_that_somebody_else_has_closed_stays_as_he_closed_it(books: Books) -> None:
    """Whose connection was lost meanwhile has no lock any more, and finishes what another one finished."""
    books.fill(1, 3)
    closed = "UPDATE charging_cdrfile SET closed_at = '2026-11-23 04:00Z'"
    counted = CDR_FILES._value.get()

    def overtake(*_: int) -> None:
        books.connection.execute(closed)

    async def work() -> None:
        connection = await connect(books)
        async with connection:
            writer = Exporter(books.config, connection, overtake)
            assert [file.number async for file in writer.export()] == [1]

    asyncio.run(work())
    assert books.rows("SELECT closed_at FROM charging_cdrfile") == [(NOON,)]
    assert CDR_FILES._value.get() == counted
    books.reckon()


def test_the_oldest_charge_without_a_file(books: Books) -> None:
    """What stands in a file that is being written waits still."""

    async def oldest() -> datetime | None:
        connection = await connect(books)
        async with connection:
            return await store.oldest(connection)

    assert asyncio.run(oldest()) is None
    books.fill(1, 3)
    cut(books)
    books.fill(4, 4)
    assert asyncio.run(oldest()) == charge(1).at
    export(books)
    assert asyncio.run(oldest()) is None


@pytest.mark.parametrize("become", [store.take_lock, store.wait_for_lock])
def test_who_writes_files_depends_on_no_settings_of_the_server(
    books: Books, become: Callable[[Connection], Awaitable[Any]]
) -> None:
    others = "-c synchronous_commit=off -c default_transaction_isolation=serializable"

    async def work() -> list[Any]:
        connection = await psycopg.AsyncConnection.connect(books.url, autocommit=True, options=others)
        async with connection:
            await become(connection)
            settings = ("synchronous_commit", "default_transaction_isolation")
            shown = [await connection.execute(f"SHOW {name}".encode()) for name in settings]
            return [await cursor.fetchone() for cursor in shown]

    assert asyncio.run(work()) == [("on",), ("read committed",)]


def cut(books: Books) -> Path:
    """The next file is begun, and nothing of it written; its place."""

    async def work() -> Path:
        connection = await connect(books)
        async with connection:
            writer = Exporter(books.config, connection)
            writer._horizon = await store.horizon(connection)
            file = await writer._cut(await store.newest(connection))
            assert file
            return books.directory / file.name

    return asyncio.run(work())


def test_what_another_node_began_says_who_began_it(books: Books) -> None:
    books.fill(1, 3)
    cut(books)
    node = books.config.node.model_copy(update={"name": "other"})
    service = books.config.service.model_copy(update={"timezone": "Europe/Berlin"})
    books.config = books.config.model_copy(update={"node": node, "service": service})
    export(books)
    (path,) = books.files()
    assert path.read_text().startswith("H,louhua-cdr,1,louhua,1,")
    assert {line["at"][-6:] for line in books.lines()} == {"+08:00"}


def test_what_stands_there_and_is_something_else_is_not_touched(books: Books) -> None:
    books.fill(1, 3)
    place = cut(books)
    place.parent.mkdir(parents=True)
    place.write_text("somebody else's")
    for _ in range(2):
        with pytest.raises(Differs, match="move it to another place"):
            export(books)
        assert place.read_text() == "somebody else's"
        assert books.temporary() == []
    place.rename(place.with_suffix(".else"))
    assert len(export(books)) == 1
    books.reckon()


@pytest.mark.parametrize(
    ("change", "restore"),
    [
        ("amount = amount + 1 WHERE id = 2", "amount = amount - 1 WHERE id = 2"),
        ("id = 500 WHERE id = 3", "id = 3 WHERE id = 500"),
        ("id = 500 WHERE id = 9", "id = 9 WHERE id = 500"),
        ("id = 8 WHERE id = 9", "id = 9 WHERE id = 8"),
    ],
)
def test_a_ledger_that_was_changed_is_told_of(books: Books, change: str, restore: str) -> None:
    books.put(charge(1), charge(2), charge(3, amount=0))
    books.rows("SELECT nextval('charging_charge_id_seq') FROM generate_series(4, 8)")
    books.put(charge(4))
    cut(books)
    books.connection.execute(f"UPDATE charging_charge SET {change}".encode())
    with pytest.raises(LedgerChanged, match="were changed or removed"):
        export(books)
    assert (books.files(), books.temporary()) == ([], [])
    books.connection.execute(f"UPDATE charging_charge SET {restore}".encode())
    assert len(export(books)) == 1
    books.reckon()


def test_a_place_that_cannot_be_written(books: Books, run: Run) -> None:
    books.fill(1, 120)
    books.data.mkdir(exist_ok=True)
    books.directory.write_text("no directory")
    done = run("export")
    assert done.exit_code == 1
    assert "nothing is lost: make room, or let this user write there" in " ".join(done.output.split())
    books.directory.unlink()
    assert run("export").exit_code == 0
    books.reckon()


def test_a_name_that_is_taken_is_told_of(books: Books, run: Run) -> None:
    books.fill(1, 3)
    place = cut(books)
    place.parent.mkdir(parents=True)
    place.write_text("somebody else's")
    done = run("export")
    assert done.exit_code == 1
    assert "says something else than the ledger; nothing is lost" in " ".join(done.stderr.split())


def test_a_busy_ledger_is_told_of(books: Books, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_TRIES", 1)
    books.fill(1, 3)
    with psycopg.connect(books.url) as slow:
        slow.execute(WRITE_LEDGER, {"key": Lock.LEDGER})
        done = run("export")
    assert done.exit_code == 1
    assert "nothing is lost, try again later" in " ".join(done.stderr.split())


def test_a_changed_ledger_is_told_of(books: Books, run: Run) -> None:
    books.fill(1, 3)
    cut(books)
    books.connection.execute("DELETE FROM charging_charge WHERE id = 2")
    done = run("export")
    assert done.exit_code == 1
    assert "the ledger has 2 up to 3: rows of the ledger were changed" in " ".join(done.stderr.split())


def test_a_disk_that_takes_no_more(books: Books, run: Run) -> None:
    books.fill(1, 2000)
    writing = books.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)))
    _, said = writing.communicate(timeout=60)
    assert writing.returncode == 1
    assert "File too large; nothing is lost" in " ".join(said.split())
    assert (books.files(), books.temporary()) == ([], [])
    assert run("export").exit_code == 0
    books.reckon()
