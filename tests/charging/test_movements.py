"""What staff moves: a row of the ledger each, with reason and author, once for each key."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from tests.charging.books import NUMBER, Books
from typer.testing import CliRunner, Result

from louhua.charging.movements import CannotMove, Moved, Movements, to_give_back
from louhua.cli import app
from louhua.db.pool import Connection

MOVED = (
    "SELECT event, kind, amount, prepaid, refunds, reason, author FROM charging_charge"
    " WHERE kind IN ('top_up', 'adjustment', 'refund') ORDER BY id"
)


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    books = Books(database_url)
    books.plan(rental="3.000")
    books.subscriber(prepaid=True)
    books.subscriber("8613900139000")
    yield books
    books.reckon()
    books.connection.close()


def top_up(books: Books, amount: int, key: str = "k", number: str = NUMBER, reason: str = "cash") -> Moved:
    return books.move(lambda to, connection: to.top_up(connection, number, amount, "anna", reason, key))


def adjust(books: Books, amount: int, key: str = "k", number: str = NUMBER) -> Moved:
    return books.move(lambda to, connection: to.adjust(connection, number, amount, "anna", "sorry", key))


def refund(books: Books, charge: int, amount: int | None = None, key: str = "k") -> Moved:
    return books.move(lambda to, connection: to.refund(connection, charge, amount, "anna", "sorry", key))


def test_a_top_up_is_a_row_and_moves_the_balance_once(books: Books) -> None:
    assert top_up(books, 50_000) == Moved(NUMBER, -50_000, done=True)
    assert top_up(books, 50_000) == Moved(NUMBER, -50_000, done=False)
    assert books.rows(MOVED) == [("top_up:k", "top_up", -50_000, True, None, "cash", "anna")]
    assert books.balance() == 50_000
    books.subscriber("8613700137000", prepaid=True)
    for amount, number in ((50_001, NUMBER), (50_000, "8613700137000")):
        with pytest.raises(CannotMove, match="this key was used for another movement"):
            top_up(books, amount, number=number)
    assert books.balance() == 50_000


def test_the_same_top_up_on_several_connections_comes_once(books: Books) -> None:
    async def crowd() -> list[Moved]:
        connections = [await psycopg.AsyncConnection.connect(books.url, autocommit=True) for _ in range(6)]
        moved = await asyncio.gather(*(
            Movements(books.config, datetime.now(UTC)).top_up(connection, NUMBER, 1000, "anna", "cash", "k")
            for connection in connections
        ))  # fmt: skip
        for connection in connections:
            await connection.close()
        return moved

    assert sorted(moved.done for moved in asyncio.run(crowd())) == [False] * 5 + [True]
    assert books.balance() == 1000


@pytest.mark.parametrize(
    ("number", "amount", "reason", "key", "complaint"),
    [
        (NUMBER, 0, "x", "k", "more than nothing"), (NUMBER, -1, "x", "k", "louhua billing adjust"),
        (NUMBER, 1, " ", "k", "say why"), (NUMBER, 1, "x" * 201, "k", "1 to 200 characters"),
        (NUMBER, 1, "x", "", "a key has 1 to 60"), (NUMBER, 1, "x", "k" * 61, "a key has 1 to 60"),
        (NUMBER, 1, "cash\x1b[2J", "k", "a reason is one line of plain text"),
        (NUMBER, 1, "cash\nin hand", "k", "a reason is one line"), (NUMBER, 1, "x\0", "k", "a reason is one line"),
        (NUMBER, 1, "\udcff", "k", "a reason is one line"), (NUMBER, 1, "x", "\udcff", "a key is one line"),
        (NUMBER, 1, "x", "k\0", "a key is one line"), (NUMBER, 1, "x", "k\x07", "a key is one line"),
        ("8613900139000", 1, "x", "k", "pays afterwards"), ("8613700137000", 1, "x", "k", "pays afterwards"),
    ],
)  # fmt: skip
def test_what_cannot_be_topped_up(
    books: Books, number: str, amount: int, reason: str, key: str, complaint: str
) -> None:
    with pytest.raises(CannotMove, match=complaint):
        top_up(books, amount, key, number, reason)
    assert books.rows(MOVED) == books.rows("SELECT * FROM charging_balance") == []


@pytest.mark.parametrize("reason", ["现金　收据771", "“sorry”, café", 'a, "b"'])
def test_a_reason_is_in_any_language(books: Books, reason: str) -> None:
    assert top_up(books, 1, reason=reason).done
    assert books.one("SELECT reason FROM charging_charge") == reason


def test_an_adjustment_moves_a_balance_by_what_is_available(books: Books) -> None:
    assert adjust(books, -500, "a").done
    assert books.balance() == 500
    assert adjust(books, 400, "b").done
    books.connection.execute("UPDATE charging_balance SET reserved = 60")
    with pytest.raises(CannotMove, match=r"only 0\.040 yuan are available"):
        adjust(books, 41, "c")
    assert adjust(books, 40, "d").done
    assert not adjust(books, 40, "d").done
    assert books.balance() == 60
    with pytest.raises(CannotMove, match="an adjustment of nothing"):
        adjust(books, 0, "e")


def test_an_adjustment_of_who_pays_afterwards_is_a_row_only(books: Books) -> None:
    assert adjust(books, 700, "a", "8613900139000").done
    assert adjust(books, -200, "b", "8613900139000").done
    assert [row[2:4] for row in books.rows(MOVED)] == [(700, False), (-200, False)]
    assert books.rows("SELECT * FROM charging_balance") == []


def charged(books: Books, number: str) -> int:
    return int(books.one("SELECT max(id) FROM charging_charge WHERE kind = 'rental' AND payer = %s", number))


def test_no_more_is_given_back_than_was_charged(books: Books) -> None:
    top_up(books, 3000, "t")
    books.run("2026-11", "2026-11-01")
    charge = charged(books, NUMBER)
    assert refund(books, charge, 1000, "a") == Moved(NUMBER, -1000, done=True)
    assert books.balance() == 1000
    with pytest.raises(CannotMove, match=r"2\.000 yuan are left"):
        refund(books, charge, 2001, "b")
    assert refund(books, charge, None, "b") == Moved(NUMBER, -2000, done=True)
    assert refund(books, charge, None, "b") == refund(books, charge, 2000, "b") == Moved(NUMBER, -2000, done=False)
    assert refund(books, charge, 1000, "a").done is False
    with pytest.raises(CannotMove, match=r"0\.000 yuan are left"):
        refund(books, charge, None, "c")
    assert books.balance() == 3000
    assert [row[:5] for row in books.rows(MOVED)][1:] == [
        ("refund:a", "refund", -1000, True, charge), ("refund:b", "refund", -2000, True, charge),
    ]  # fmt: skip


def test_what_was_charged_afterwards_is_given_back_on_the_bill(books: Books) -> None:
    books.run("2026-11", "2026-11-01")
    assert refund(books, charged(books, "8613900139000")).done
    assert books.rows(MOVED) == [
        ("refund:k", "refund", -3000, False, charged(books, "8613900139000"), "sorry", "anna"),
    ]  # fmt: skip
    assert books.rows("SELECT * FROM charging_balance") == []


def test_several_refunds_at_once_give_back_no_more(books: Books) -> None:
    books.run("2026-11", "2026-11-01")
    charge = charged(books, "8613900139000")

    async def crowd() -> list[Moved | BaseException]:
        connections = [await psycopg.AsyncConnection.connect(books.url, autocommit=True) for _ in range(6)]
        moved = await asyncio.gather(
            *(
                Movements(books.config, datetime.now(UTC)).refund(
                    connection, charge, 1000, "anna", "sorry", str(number)
                )
                for number, connection in enumerate(connections)
            ),
            return_exceptions=True,
        )
        for connection in connections:
            await connection.close()
        return moved

    done = asyncio.run(crowd())
    assert sum(isinstance(moved, Moved) for moved in done) == 3
    assert sum(isinstance(moved, CannotMove) for moved in done) == 3


@pytest.mark.parametrize(
    ("kind", "left", "wanted", "given"),
    [
        ("usage", 100, None, 100), ("usage", 100, 40, 40), ("rental", 100, 100, 100), ("usage", 100, 101, None),
        ("usage", 0, None, None), ("usage", 100, 0, None), ("usage", 100, -1, None), ("top_up", 100, 40, None),
        ("adjustment", 100, None, None), ("refund", 100, None, None), ("usage", -5, None, None),
    ],
)  # fmt: skip
def test_how_much_is_given_back(kind: str, left: int, wanted: int | None, given: int | None) -> None:
    if given is None:
        with pytest.raises(CannotMove, match="are left to give back" if kind == "usage" else "is of the kind"):
            to_give_back(7, kind, left, wanted)
    else:
        assert to_give_back(7, kind, left, wanted) == given


@pytest.mark.parametrize("kind", ["top_up", "adjustment"])
def test_only_usage_and_rentals_are_given_back(books: Books, kind: str) -> None:
    (top_up if kind == "top_up" else adjust)(books, 500 if kind == "top_up" else -500)
    with pytest.raises(CannotMove, match=f"is of the kind {kind}; only usage and rentals"):
        refund(books, books.one("SELECT id FROM charging_charge"), 1, "x")
    with pytest.raises(CannotMove, match="there is no charge 99"):
        refund(books, 99)


def test_money_that_is_kept_elsewhere_is_not_moved_here(database_url: str) -> None:
    here = Books(database_url)
    here.plan(rental="3.000")
    here.subscriber(prepaid=True)
    here.subscriber("8613900139000")
    top_up(here, 3000, "t")
    here.run("2026-11", "2026-11-01")
    here.connection.close()
    books = Books(database_url, keeper="diameter")
    for move in (top_up, adjust):
        with pytest.raises(CannotMove, match="kept elsewhere"):
            move(books, 5)
    with pytest.raises(CannotMove, match="kept elsewhere"):
        refund(books, charged(books, NUMBER))
    assert adjust(books, 5, number="8613900139000").done
    assert refund(books, charged(books, "8613900139000"), key="r").done
    books.connection.close()


def test_a_movement_is_one_of_the_month_that_it_is_in_china(books: Books) -> None:
    midnight = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
    for second in (-1, 0):

        async def paid_in(to: Movements, connection: Connection, key: str = str(second)) -> Moved:
            return await to.top_up(connection, NUMBER, 1000, "anna", " cash ", key)

        books.move(paid_in, midnight + timedelta(seconds=second))
    moved = books.rows("SELECT month::text, at, reason FROM charging_charge ORDER BY id")
    assert moved == [
        ("2026-11-01", midnight - timedelta(seconds=1), "cash"), ("2026-12-01", midnight, "cash"),
    ]  # fmt: skip


def test_a_key_that_gave_back_something_else_is_refused(books: Books) -> None:
    books.subscriber("8613700137000")
    books.run("2026-10", "2026-10-01")
    october = charged(books, "8613900139000")
    books.run("2026-11", "2026-11-01")
    ben, carl = charged(books, "8613900139000"), charged(books, "8613700137000")
    assert refund(books, ben, 1000).done
    for charge, amount in ((ben, 1500), (october, 1000), (carl, 1000), (carl, None)):
        with pytest.raises(CannotMove, match="this key was used for another movement"):
            refund(books, charge, amount)
    assert len(books.rows(MOVED)) == 1


@pytest.fixture
def louhua(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LOUHUA_DATABASE__URL", books.url)
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path))
    monkeypatch.setenv("LOUHUA_CHARGING__PLAN", "basic")
    monkeypatch.setenv("SUDO_USER", "anna")

    def invoke(*arguments: str) -> Result:
        return CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(app, ["billing", *arguments])

    return invoke


def test_the_commands_move_money_and_say_so(louhua: Any, books: Books) -> None:
    done = louhua("top-up", "13800138000", "50.00", "--reason", "cash", "--key", "k1")
    assert (done.exit_code, done.stdout) == (0, "13800138000 has 50.000 yuan more\n")
    done = louhua("top-up", "13800138000", "50", "--reason", "cash", "--key", "k1")
    assert done.stdout == "13800138000 has 50.000 yuan more already: this key has been used for it\n"
    for _ in range(2):
        assert louhua("top-up", "13800138000", "0.5", "--reason", "coins").exit_code == 0
    assert books.balance() == 51_000
    done = louhua("adjust", "13800138000", "-5.00", "--reason", "goodwill")
    assert (done.exit_code, done.stdout) == (0, "13800138000 is credited 5.000 yuan\n")
    done = louhua("adjust", "138 0013 8000", "1.005", "--reason", "correction")
    assert done.stdout == "138 0013 8000 is charged 1.005 yuan\n"
    books.run("2026-11", "2026-11-01")
    charge = str(charged(books, NUMBER))
    done = louhua("refund", charge, "1", "--reason", "it was down")
    assert done.stdout == f"1.000 yuan of charge {charge} are given back\n"
    assert "2.000 yuan of charge" in louhua("refund", charge, "--reason", "all of it").stdout
    assert {row[6] for row in books.rows(MOVED)} == {"anna"}
    assert books.balance() == 54_995


def test_a_balance_is_shown_with_what_is_owed(louhua: Any, books: Books) -> None:
    books.run("2026-11", "2026-11-01")
    assert louhua("balance", "13800138000").stdout == (
        "balance    0.000\nreserved   0.000\navailable  0.000\n"
        "owed       3.000 of the rental of 2026-11, since 2026-11-01\n"
    )
    books.run("2026-11", "2026-11-09")
    done = louhua("top-up", "13800138000", "10", "--reason", "cash")
    assert done.stdout == (
        "13800138000 has 10.000 yuan more\n3.000 of it paid rentals that were owed\n"
        "nothing is owed any more: the service is on again\n"
    )
    books.connection.execute("UPDATE charging_balance SET reserved = 100")
    assert louhua("balance", "13800138000").stdout == (
        "balance    7.000\nreserved   0.100\navailable  6.900\nowed       nothing\n"
    )
    assert louhua("balance", "13900139000").stdout == "pays       afterwards\nowed       nothing\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["top-up", "13800138000", "ten", "--reason", "x"], "'ten' is no amount; write yuan in quotes"),
        (["top-up", "13800138000", "1e999999999", "--reason", "x"], "a thousand million yuan at most"),
        (["top-up", "13800138000", "0.0001", "--reason", "x"], "nothing smaller than a thousandth"),
        (["top-up", "nobody", "1", "--reason", "x"], "'nobody' is not a telephone number"),
        (["top-up", "13900139000", "1", "--reason", "x"], "pays afterwards and has no balance"),
        (["top-up", "13800138000", "1", "--reason", ""], "say why"),
        (["top-up", "13800138000", "1", "--reason", "caf\udce9"], "a reason is one line of plain text in UTF-8"),
        (["adjust", "13800138000", "1", "--reason", "x\x1b[1m"], "a reason is one line of plain text in UTF-8"),
        (["refund", "77", "--reason", "x", "--key", "\udcff"], "a key is one line of plain text in UTF-8"),
        (["adjust", "13800138000", "1", "--reason", "x"], "only 0.000 yuan are available"),
        (["refund", "77", "--reason", "x"], "there is no charge 77"),
        (["balance", "13700137000"], "is not known; register with: louhua subscribers add 13700137000"),
        (["run", "--month", "2999-01"], "2999-01 has not begun; the latest is"),
        (["run", "--month", "November"], "'November' is not a month; write it like"),
    ],
)
def test_what_cannot_be_is_explained(louhua: Any, books: Books, arguments: list[str], complaint: str) -> None:
    done = louhua(*arguments)
    assert done.exit_code == 1
    assert complaint in " ".join(done.output.split())
    assert books.rows("SELECT * FROM charging_charge") == []


def test_staffs_doings_are_written_down_masked(louhua: Any, tmp_path: Path) -> None:
    for arguments in (["top-up", "13800138000", "1", "--reason", "x"], ["balance", "13800138000"],
                      ["adjust", "13800138000", "1", "--reason", "x"], ["refund", "1", "--reason", "x"],
                      ["run", "--month", "2026-10"]):  # fmt: skip
        louhua(*arguments)
    text = (tmp_path / "audit.log").read_text()
    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    assert [(line["did"], line["by"]) for line in lines] == [
        (f"billing {did}", "anna") for did in ("top-up", "balance", "adjust", "refund", "run")
    ]
    assert [line.get("number") for line in lines] == ["*********8000"] * 3 + [None] * 2
    assert "00138000" not in text
