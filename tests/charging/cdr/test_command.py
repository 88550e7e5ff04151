"""``louhua cdr``: what it says, and what it finds amiss."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.charging.cdr.conftest import Books, Run

from louhua.charging.cdr import exporter, store, verifying
from louhua.charging.cdr.format import read
from louhua.charging.cdr.store import File
from louhua.db.pool import Connection


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "MOST", 10)


def day() -> str:
    return f"{datetime.now(ZoneInfo('Asia/Shanghai')):%Y-%m-%d}"


def test_each_file_is_named_with_its_sum(books: Books, run: Run) -> None:
    books.fill(1, 15)
    before = day()
    done = run("export")
    assert before == day(), "midnight came while this ran"
    assert (done.exit_code, done.stdout) == (
        0,
        (
            f"{before}/louhua-0000000001.csv  10 charges, 0.041 yuan\n"
            f"{before}/louhua-0000000002.csv  5 charges, 0.037 yuan\n"
        ),
    )
    done = run("export")
    assert (done.exit_code, done.stdout) == (0, "nothing was charged that stands in no file yet\n")


def test_files_are_listed(books: Books, run: Run) -> None:
    assert run("list").stdout == "no file of charges was written in the last 30 days\n"
    books.fill(1, 15)
    run("export")
    books.connection.execute(
        "UPDATE charging_cdrfile SET created_at = now() - interval '31 days', closed_at = NULL WHERE number = 1"
    )
    assert "louhua-0000000001" not in run("list").stdout
    _, first, second = run("list", "--days", "32").stdout.splitlines()
    assert first.split()[1:3] == ["10", "0.041"]
    assert first.rstrip().endswith("not yet")
    assert second.split()[:3] == [f"{day()}/louhua-0000000002.csv", "5", "0.037"]
    told = json.loads(run("list", "--json").stdout)
    assert told["directory"] == str(books.directory)
    (file,) = told["files"]
    assert {name: file[name] for name in ("number", "charges", "amount", "after_id", "upto_id", "node")} == {
        "number": 2, "charges": 5, "amount": "0.037", "after_id": 10, "upto_id": 15, "node": "louhua",
    }  # fmt: skip


def test_what_staff_do_is_written_down(books: Books, run: Run) -> None:
    for command in ("export", "list", "verify"):
        run(command)
    did = [json.loads(line)["did"] for line in (books.data / "audit.log").read_text().splitlines()]
    assert did == ["cdr export", "cdr list", "cdr verify"]


def test_the_bar_stays_off_standard_output(books: Books) -> None:
    """A terminal for what is told of the work, a pipe for what came of it."""
    books.fill(1, 5)
    command = "env TERM=xterm " + " ".join(map(str, books.command()))
    done = subprocess.run(
        ["script", "--quiet", "--return", "--command", f"{command} > {books.data}.out", "/dev/null"],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done
    assert "100%" in done.stdout
    assert Path(f"{books.data}.out").read_text().endswith("louhua-0000000001.csv  5 charges, 0.015 yuan\n")


def spoil(change: Callable[[str], str]) -> Callable[[Books], None]:
    def apply(books: Books) -> None:
        path = books.files()[1]
        path.write_text(change(path.read_text()))

    return apply


def lie(statement: str) -> Callable[[Books], None]:
    def apply(books: Books) -> None:
        books.connection.execute(statement.encode())

    return apply


def block(books: Books) -> None:
    path = books.files()[1]
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("apply", "problem"),
    [
        (lambda books: books.files()[1].unlink(), "louhua-0000000002.csv: is not there"),
        (
            lambda books: books.files()[1].replace(books.files()[0]),
            (
                "louhua-0000000001.csv: it says that it is file 2; 10 charges of 0.127 yuan, "
                "where the database has 10 of 0.041; charges 11 to 20, where those after 0 to 10 belong"
            ),
        ),
        (spoil(lambda text: text[:-5]), "the last line says"),
        (spoil(lambda text: ""), "line 1: no file of charges"),
        (spoil(lambda text: text.replace("0.011,price", "0.010,price", 1)), "the last line says"),
        (spoil(lambda text: "\n".join(text.splitlines()[:-1])), "the last line is missing"),
        (lambda books: books.files()[1].write_bytes(b"H,\xff"), "can't decode"),
        (spoil(lambda text: re.sub(r"2,20..-..-..T", "2,2001-02-03T", text)), "it was begun at 2001-02-03T"),
        (block, "louhua-0000000002.csv: Is a directory"),
        (
            lie("UPDATE charging_cdrfile SET charges = 9 WHERE number = 2"),
            "10 charges of 0.127 yuan, where the database has 9 of 0.127",
        ),
        (
            lie("UPDATE charging_cdrfile SET after_id = 11 WHERE number = 2"),
            "charges 11 to 20, where those after 11 to 20 belong",
        ),
        (lie("UPDATE charging_cdrfile SET amount = 1 WHERE number = 2"), "where the database has 10 of 0.001"),
        (lie("UPDATE charging_cdrfile SET after_id = 9 WHERE number = 2"), "begins after charge 9"),
        (lie("DELETE FROM charging_cdrfile WHERE number = 2"), "file 2 is missing: the next one is 3"),
        (
            lie("DELETE FROM charging_cdrfile WHERE number = 3"),
            "louhua-0000000003.csv: the database knows of no such file",
        ),
    ],
)
def test_what_is_amiss_is_found(books: Books, run: Run, apply: Callable[[Books], None], problem: str) -> None:
    books.fill(1, 25)
    run("export")
    assert run("verify").stdout == "3 files, 25 charges, 0.241 yuan: all as they were written\n"
    apply(books)
    done = run("verify")
    assert done.exit_code == 1
    assert problem in done.stderr.replace("\n", " ")
    assert all(line.startswith("error ") for line in done.stderr.splitlines())


def test_a_file_that_is_being_written_is_not_missed(books: Books, run: Run) -> None:
    books.fill(1, 25)
    run("export")
    books.connection.execute("UPDATE charging_cdrfile SET closed_at = NULL WHERE number = 3")
    books.files()[2].unlink()
    assert run("verify").stdout == "2 files, 20 charges, 0.168 yuan: all as they were written\n"


def test_an_archive_is_checked(books: Books, run: Run, tmp_path: Path) -> None:
    books.fill(1, 25)
    run("export")
    books.directory.rename(tmp_path / "archive")
    assert run("verify").exit_code == 1
    assert run("verify", str(tmp_path / "archive")).exit_code == 0


def test_a_file_that_is_written_meanwhile_is_no_problem(
    books: Books, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are read, and before all is judged somebody writes the next file."""
    books.fill(1, 15)
    run("export")
    read_files = store.files

    async def slowly(connection: Connection, since: datetime = store._EVER) -> list[File]:
        known = await read_files(connection, since)
        (books.directory / day() / "louhua-0000000003.csv").write_text("as its row says")
        return known

    monkeypatch.setattr(store, "files", slowly)
    assert run("verify").stdout == "2 files, 15 charges, 0.078 yuan: all as they were written\n"
    assert "louhua-0000000003.csv: the database knows of no such file" in run("verify").stderr.replace("\n", "")


@pytest.fixture
def aged(books: Books, run: Run) -> Books:
    """Four files, the first two older than a week."""
    books.fill(1, 35)
    run("export")
    books.connection.execute(
        "UPDATE charging_cdrfile SET created_at = created_at - interval '8 days' WHERE number <= 2"
    )
    return books


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_older_files_are_not_looked_at(aged: Books, run: Run, removed: int) -> None:
    """They may be there, or removed; and what is there of another ledger is as old as its folder."""
    for path in aged.files()[:removed]:
        path.unlink()
    foreign = aged.directory / f"{datetime.now(ZoneInfo('Asia/Shanghai')) - timedelta(days=8):%Y-%m-%d}"
    foreign.mkdir()
    (foreign / "louhua-0000000077.csv").touch()
    assert run("verify", "--days", "7").stdout == "2 files, 15 charges, 0.252 yuan: all as they were written\n"
    done = run("verify")
    assert done.exit_code == 1
    assert done.stderr.count("is not there") == removed
    assert done.stderr.count("no such file") == 1


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("DELETE FROM charging_cdrfile WHERE number = 2", "file 2 is missing: the next one is 3"),
        ("DELETE FROM charging_cdrfile WHERE number <= 2", "file 1 is missing: the next one is 3"),
        (
            "UPDATE charging_cdrfile SET upto_id = 19 WHERE number = 2",
            "begins after charge 20, the file before ends",
        ),
        ("DELETE FROM charging_cdrfile WHERE number = 4", "0004.csv: the database knows of no such file"),
        ("DELETE FROM charging_cdrfile WHERE number = 1", None),
        ("UPDATE charging_cdrfile SET upto_id = 9 WHERE number = 1", None),
    ],
)
def test_what_is_missing_before_the_files_looked_at_is_found(
    aged: Books, run: Run, statement: str, problem: str | None
) -> None:
    for path in aged.files()[:2]:
        path.unlink()
    aged.connection.execute(statement.encode())
    done = run("verify", "--days", "7")
    assert done.exit_code == (1 if problem else 0), done.output
    assert (problem or "") in done.stderr.replace("\n", " ")
    assert len(done.stderr.splitlines()) == (1 if problem else 0)


def test_gaps() -> None:
    def file(number: int, after: int, upto: int) -> File:
        return File(number, after, upto, 1, 1, f"f{number}", "n", "UTC", datetime.now(UTC))

    assert list(verifying.gaps([])) == []
    assert list(verifying.gaps([file(1, 0, 5), file(2, 5, 9)])) == []
    assert list(verifying.gaps([file(2, 5, 9)])) == ["file 1 is missing: the next one is 2"]
    assert list(verifying.gaps([file(1, 3, 5)])) == ["f1: begins after charge 3, the file before ends with 0"]


def test_a_day_of_the_services_zone(books: Books, run: Run) -> None:
    """What a file is called and what it says of its beginning is the same."""
    books.fill(1, 1)
    run("export")
    (path,) = books.files()
    with path.open(newline="") as text:
        created = read(text).created_at
    assert created.utcoffset() == timedelta(hours=8)
    assert path.parent.name == f"{created:%Y-%m-%d}"
