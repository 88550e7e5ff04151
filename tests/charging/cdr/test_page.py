"""The page about files of charges says what the code does."""

import csv
import io
import re
from pathlib import Path

from tests.charging.cdr.conftest import FIELDS, Books, Run
from typer.testing import CliRunner

from louhua.charging.cdr.exporter import MOST
from louhua.charging.cdr.format import VERSION, name_of, read
from louhua.charging.cdr.store import _TRIES, _TRY_AGAIN_S, _WAIT
from louhua.charging.rating import Why
from louhua.charging.rental import RentalWhy
from louhua.charging.store import Row
from louhua.cli import app

PAGE = (Path(__file__).parents[3] / "docs" / "cdr.md").read_text("utf-8")


def table(first: str, after: str) -> list[list[str]]:
    """The rows of the first table behind these words whose header begins so."""
    begin = PAGE.index(f"| {first} |", PAGE.index(after))
    lines = PAGE[begin:].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2 : lines.index("")]]


def example() -> str:
    found = re.search(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_example_is_a_file() -> None:
    contents = read(io.StringIO(example(), newline=""))
    assert (contents.charges, contents.amount, contents.first, contents.last) == (3, 0, 1, 5)
    assert name_of(contents.number, contents.created_at) in PAGE


def test_a_refund_is_written_as_the_example_has_it(books: Books, run: Run) -> None:
    """But for the moment and the reader's own numbers."""
    books.fill(1, 1)
    told = next(
        dict(zip(FIELDS, line, strict=True)) for line in csv.reader(example().splitlines()) if "refund" in line
    )
    charge, amount, reason = told["refunds"], told["amount"].removeprefix("-"), told["reason"]
    books.connection.execute("UPDATE charging_charge SET payer = %s, price = 100, amount = 100", [told["payer"]])
    done = CliRunner().invoke(app, ["billing", "refund", charge, amount, "--reason", reason, "--key", "1"])
    assert done.exit_code == 0, done.output
    assert run("export").exit_code == 0
    (line,) = (line for line in books.lines() if line["kind"] == "refund")
    assert {key for key, value in line.items() if told[key] != value} <= {"id", "at", "month", "author"}


def test_every_column_is_explained_in_its_order() -> None:
    assert [row[0].strip("`") for row in table("column", "A line a charge")] == list(Row._fields)


def test_the_fields_of_the_other_lines_are_explained() -> None:
    head, *_, tail = example().splitlines()
    for line, words in ((head, "The first line"), (tail, "The last line, `T`")):
        assert [int(row[0]) for row in table("field", words)] == list(range(2, len(line.split(",")) + 1))


def test_values_are_named(books: Books) -> None:
    ((kinds,),) = books.rows("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'charge_kind'")
    values = {row[0].strip("`"): set(re.findall("`([^`]+)`", row[1])) for row in table("column", "A line a")}
    assert values["kind"] == set(re.findall(r"'(\w+)'", kinds))
    assert values["why"] == {*Why, *RentalWhy}
    assert f"version of this format: {VERSION}." in PAGE
    assert f"{MOST:,} charges" in PAGE


def test_how_long_the_ledger_is_asked() -> None:
    assert "200ms" in _WAIT
    assert round(_TRIES * (0.2 + _TRY_AGAIN_S), -1) == 20
    assert "twenty seconds in all" in PAGE
