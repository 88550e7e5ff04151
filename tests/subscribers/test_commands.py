"""Registering people from the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from louhua.cli import app
from louhua.db.embedded import EmbeddedPostgres
from louhua.subscribers.commands import BadRow, read_profiles
from louhua.subscribers.profiles import Language, Privacy, Profile, Status

runner = CliRunner(env={"COLUMNS": "100", "TERM": "dumb"})


@pytest.fixture
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUHUA_DATABASE__URL", database_url)


def write(directory: Path, text: str) -> Path:
    path = directory / "people.csv"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.usefixtures("_database")
def test_somebody_is_set_and_shown() -> None:
    done = runner.invoke(app, ["subscribers", "set", "13800138000", "--voicemail", "--language", "en"])
    assert done.exit_code == 0, done.output
    shown = runner.invoke(app, ["subscribers", "show", "+86 138 0013 8000"]).output
    assert [line.split() for line in shown.splitlines()] == [
        ["number", "13800138000"], ["status", "registered"], ["voicemail", "yes"], ["power_on", "everybody"],
        ["language", "en"],
    ]  # fmt: skip


@pytest.mark.usefixtures("_database")
def test_what_is_not_named_stays() -> None:
    for options in (["--voicemail", "--power-on=nobody"], ["--language", "en"], ["--status=suspended"]):
        assert runner.invoke(app, ["subscribers", "set", "13800138000", *options]).exit_code == 0
    shown = dict(
        line.split() for line in runner.invoke(app, ["subscribers", "show", "13800138000"]).output.splitlines()
    )
    assert shown == {
        "number": "13800138000", "status": "suspended", "voicemail": "yes", "power_on": "nobody", "language": "en",
    }  # fmt: skip


def test_a_database_without_tables_is_explained(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUHUA_DATABASE__URL", postgres.url.replace("/louhua?", "/postgres?"))
    done = runner.invoke(app, ["subscribers", "show", "13800138000"])
    assert done.exit_code == 1
    assert "run: louhua migrate" in done.output


@pytest.mark.usefixtures("_database")
def test_who_is_not_known_has_the_default_profile() -> None:
    assert "status          unregistered" in runner.invoke(app, ["subscribers", "show", "13800138000"]).output


@pytest.mark.usefixtures("_database")
def test_a_file_is_imported_and_imported_again(tmp_path: Path) -> None:
    lines = "".join(f"1380013{number:04},registered,no\n" for number in range(2500))
    path = write(tmp_path, "number,status,voicemail\n" + lines)
    for _ in range(2):
        done = runner.invoke(app, ["subscribers", "import", str(path)])
        assert "2,500 subscribers imported" in done.output
    assert "status          registered" in runner.invoke(app, ["subscribers", "show", "13800130007"]).output


@pytest.mark.usefixtures("_database")
def test_a_file_with_a_wrong_line_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "number\n13800138000\nnobody\n")
    done = runner.invoke(app, ["subscribers", "import", str(path)])
    assert done.exit_code == 1
    assert "line 3: 'nobody' is not a telephone number" in done.output
    assert "status          unregistered" in runner.invoke(app, ["subscribers", "show", "13800138000"]).output


def test_a_missing_database_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path))
    done = runner.invoke(app, ["subscribers", "show", "13800138000"])
    assert done.exit_code == 1
    assert "is louhua serve running" in done.output


def test_a_full_row_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path, "\ufeffnumber,status,voicemail,language,power_on\n13800138000,Registered,是,en,nobody\n"
    )
    assert list(read_profiles(path, "CN")) == [
        Profile(
            number="8613800138000",
            status=Status.REGISTERED,
            voicemail=True,
            language=Language.EN,
            power_on=Privacy.NOBODY,
        )
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "first line must name the columns"),
        ("13800138000\n", "first line must name the columns"),
        ("number,colour\n13800138000,red\n", "first line must name the columns"),
        ("number,status\n13800138000,maybe\n", "line 2: status is 'maybe'"),
        ("number,language\n13800138000,fr\n", "line 2: 'fr'"),
        ("number\n13800138000\n+8613800138000\n", "line 3: the number stands in line 2, too"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadRow, match=complaint.replace("+", r"\+")):
        list(read_profiles(write(tmp_path, text), "CN"))
