"""Who writes into the ledger waits for who reads it, before the first row: else a file would miss one."""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import psycopg
import pytest
from tests.charging.books import NUMBER, Books, noon
from tests.charging.run.test_elsewhere import Elsewhere

from louhua.charging.deliveries import Charger, Delivery
from louhua.charging.movements import Movements
from louhua.charging.plans import Item
from louhua.charging.run.runner import RentalRun
from louhua.charging.store import ADD_CHARGES, READ_LEDGER, Charge, Row
from louhua.db.locks import Lock
from louhua.db.pool import Connection

AT = noon("2026-11-23")
WAITING = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
WRITES = "SELECT 1 FROM pg_locks WHERE pid = %s AND relation = 'charging_charge'::regclass AND mode LIKE 'RowEx%%'"
Work = Callable[[Books, Connection], Coroutine[Any, Any, None]]


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    books = Books(database_url)
    books.plan(rental="3.000", items={"detail": {"price": "0.100"}})
    books.subscriber(prepaid=True)
    yield books
    books.connection.close()


async def delivered(books: Books, connection: Connection) -> None:
    async with connection.transaction():
        await Charger(books.config).charge(
            connection, [Delivery(event="text:1", payer=NUMBER, item=Item.DETAIL, at=AT)]
        )


async def paid_in(books: Books, connection: Connection) -> None:
    await Movements(books.config, AT).top_up(connection, NUMBER, 1, "anna", "cash", "k")


async def adjusted(books: Books, connection: Connection) -> None:
    await Movements(books.config, AT).adjust(connection, NUMBER, -1, "anna", "sorry", "k")


async def given_back(books: Books, connection: Connection) -> None:
    await Movements(books.config, AT).refund(connection, 1, None, "anna", "sorry", "k")


async def new_rental(books: Books, _: Connection) -> None:
    books.connection.execute("UPDATE subscribers_subscriber SET prepaid = false")
    await RentalRun(books.config).month(AT.date().replace(day=1), AT)


async def old_rental(books: Books, _: Connection) -> None:
    await RentalRun(books.config).month(AT.date().replace(day=1), AT)


async def debited(books: Books, _: Connection) -> None:
    there = Books(books.url, keeper="diameter")
    there.connection.close()
    await RentalRun(there.config, Elsewhere(**{f"n{NUMBER}": 5000})).month(AT.date().replace(day=1), AT)


WORKS = (delivered, paid_in, adjusted, given_back, new_rental, old_rental, debited)


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)
def test_it_waits_before_its_first_row(books: Books, work: Work) -> None:
    if work in (old_rental, debited, given_back):
        books.run("2026-11", "2026-11-01")
        books.connection.execute("INSERT INTO charging_balance VALUES (%s, 3000, 0, now())", [NUMBER])
    if work is given_back:
        books.run("2026-11", "2026-11-02")
    before = books.one("SELECT count(*) FROM charging_charge")

    async def story() -> None:
        async with (
            await psycopg.AsyncConnection.connect(books.url) as reader,
            await psycopg.AsyncConnection.connect(books.url, autocommit=True) as writer,
        ):
            await reader.execute(READ_LEDGER, {"key": Lock.LEDGER})
            working = asyncio.create_task(work(books, writer))
            deadline = time.monotonic() + 10
            while not (waiting := books.rows(WAITING, Lock.LEDGER)):
                assert time.monotonic() < deadline
                assert not working.done()
                await asyncio.sleep(0.01)
            assert books.rows(WRITES, waiting[0][0]) == []
            assert books.one("SELECT count(*) FROM charging_charge") == before
            await reader.rollback()
            await working

    asyncio.run(story())
    assert books.one("SELECT count(*) FROM charging_charge") == before + 1


def test_the_statement_that_writes_names_each_column_of_a_charge_in_one_order() -> None:
    inserted, selected = ADD_CHARGES.split("SELECT")
    columns = re.findall(r"\w+", inserted.split("(")[1])
    assert columns == re.findall(r"\w+", selected.split("FROM")[0])
    assert columns == [column for column in Row._fields if column in columns]
    assert set(columns) == set(Charge.__struct_fields__)
