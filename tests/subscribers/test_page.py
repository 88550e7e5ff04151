"""The page about subscribers says what the code does."""

import re
from pathlib import Path

from louhua.alerts.selfcare import LIST_SIZE
from louhua.subscribers.importing import CHUNK
from louhua.subscribers.profiles import Status
from louhua.subscribers.rows import CELLS
from louhua.texts.keywords import WORDS

PAGE = (Path(__file__).parents[2] / "docs" / "subscribers.md").read_text("utf-8")


def table(first: str) -> list[list[str]]:
    """The rows of the table whose header begins so."""
    lines = PAGE[PAGE.index(f"| {first} |") :].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[: lines.index("")]]
    return rows[2:]


def test_every_keyword_and_word_is_named() -> None:
    named = {row[0]: tuple(re.findall(r"`([^`]+)`", row[1])) for row in table("keyword")}
    assert named == dict(WORDS)


def test_every_column_of_a_file_is_named_with_values_it_takes() -> None:
    named = {row[0]: re.sub(r"\(.*?\)", "", row[1]) for row in table("column")}
    assert list(named) == list(CELLS)
    for column, values in named.items():
        for value in re.split(r", | to ", values):
            assert CELLS[column](value.strip()) is not None


def test_every_status_is_named() -> None:
    assert [row[0] for row in table("status")] == list(Status)


def test_sizes_are_the_codes() -> None:
    assert f"A list takes {LIST_SIZE} numbers" in PAGE
    assert f"{CHUNK:,} rows are one transaction" in PAGE
