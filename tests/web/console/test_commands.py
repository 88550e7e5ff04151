"""``louhua staff`` in a terminal of eighty columns."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.web.console.conftest import PASSWORD
from typer.testing import CliRunner, Result

from louhua.cli import app

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "var"


@pytest.fixture
def run(console: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LOUHUA_DATABASE__URL", console)
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(data))
    runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})

    def invoke(*arguments: str, typed: str = "") -> Result:
        return runner.invoke(app, ["staff", *arguments], input=typed)

    return invoke


def user(name: str = "li") -> Any:
    from django.contrib.auth.models import User

    return User.objects.filter(username=name).first()


def test_an_account_is_added_with_a_password_typed_twice(run: Run) -> None:
    done = run("add", "li", typed=f"{PASSWORD}\n{PASSWORD}\n")
    assert done.exit_code == 0, done.output
    assert done.output.endswith("li may log in as admin\n")
    assert PASSWORD not in done.output
    assert user().check_password(PASSWORD)
    assert (user().is_staff, user().is_superuser) == (True, False)
    assert user().has_perm("charging.add_planversion")


def test_a_password_is_read_from_standard_input(run: Run) -> None:
    done = run("add", "li", "--role=viewer", "--password-stdin", typed=f"{PASSWORD}\r\n")
    assert done.output == "li may log in as viewer\n"
    assert user().check_password(PASSWORD)
    assert not user().has_perm("charging.add_planversion")


@pytest.mark.parametrize(
    ("arguments", "typed", "complaint"),
    [
        (["add", "li", "--password-stdin"], "short\n", "at least 12 characters"),
        (["add", "li", "--password-stdin"], "password1234\n", "too common"),
        (["add", "li", "--password-stdin"], "739201847362\n", "entirely numeric"),
        (["add", "zhang-san-feng", "--password-stdin"], "zhang-san-feng1\n", "too similar to the username"),
        (["add", "li", "--password-stdin"], "\n", "standard input has no password"),
        (["add", "li", "--password-stdin"], "", "standard input has no password"),
        (["add", "a b", "--password-stdin"], f"{PASSWORD}\n", "Enter a valid username"),
        (["add", "Viewer", "--password-stdin"], f"{PASSWORD}\n", "louhua staff set viewer"),
        (
            ["add", "li", "--role=boss", "--password-stdin"],
            f"{PASSWORD}\n",
            "there is no role 'boss'; the roles are admin",
        ),
        (["set", "li", "--inactive"], "", "li has no account; make one with: louhua staff add li"),
        (["set", "viewer"], "", "nothing is to change"),
        (["set", "viewer", "--role=boss"], "", "there is no role 'boss'"),
        (["set", "viewer", "--role=boss", "--password-stdin"], "short\n", "at least 12 characters"),
    ],
)
def test_what_cannot_be_is_explained(run: Run, arguments: list[str], typed: str, complaint: str) -> None:
    from django.contrib.auth.models import User

    done = run(*arguments, typed=typed)
    assert done.exit_code == 1
    assert complaint in done.output
    assert User.objects.count() == 3


@pytest.mark.parametrize(
    ("options", "password"),
    [
        (["--inactive", "--role=boss"], PASSWORD + "!"),
        (["--inactive", "--role=tariffs"], "short"),
        (["--inactive", "--role=tariffs"], "zh-viewer-1"),
    ],
)
def test_an_account_is_changed_as_a_whole_or_not_at_all(run: Run, options: list[str], password: str) -> None:
    assert run("set", "viewer", "--password-stdin", *options, typed=f"{password}\n").exit_code == 1
    assert user("viewer").is_active
    assert user("viewer").check_password(PASSWORD)
    assert [group.name for group in user("viewer").groups.all()] == ["viewer"]


def test_an_account_is_changed(run: Run) -> None:
    assert run("set", "viewer", "--role=tariffs", "--inactive").output == "viewer is set\n"
    assert [group.name for group in user("viewer").groups.all()] == ["tariffs"]
    assert not user("viewer").is_active
    run("set", "viewer", "--active", "--password", typed="another horse 78\nanother horse 78\n")
    assert user("viewer").is_active
    assert user("viewer").check_password("another horse 78")


def test_all_are_listed(run: Run) -> None:
    run("set", "viewer", "--inactive")
    lines = [line.split() for line in run("list").output.splitlines()]
    assert lines == [
        ["name", "roles", "active", "last", "login"],
        ["admin", "admin", "yes", "never"],
        ["tariffs", "tariffs", "yes", "never"],
        ["viewer", "viewer", "no", "never"],
    ]


def test_a_lock_is_lifted(run: Run) -> None:
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    client.post("/console/login/", {"username": "viewer", "password": "wrong"})
    assert run("unlock", "viewer").output == "viewer may try again\n"
    assert run("unlock", "viewer").output == "viewer had no failed login\n"


def test_it_is_written_down_without_passwords(run: Run, data: Path) -> None:
    run("add", "li", "--role=viewer", "--password-stdin", typed=f"{PASSWORD}\n")
    run("set", "li", "--inactive", "--password-stdin", typed="another horse 78\n")
    run("unlock", "li")
    run("list")
    text = (data / "audit.log").read_text()
    assert "horse" not in text
    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    assert [{key: line[key] for key in line if key not in ("at", "by")} for line in lines] == [
        {"did": "staff add", "account": "li", "role": "viewer"},
        {"did": "staff set", "account": "li", "active": "no", "password": "new"},
        {"did": "staff unlock", "account": "li"},
        {"did": "staff list"},
    ]


def test_what_cannot_be_written_down_is_not_done(run: Run, data: Path) -> None:
    data.write_text("no directory")
    done = run("add", "li", "--password-stdin", typed=f"{PASSWORD}\n")
    assert done.exit_code == 1
    assert "audit.log" in done.output
    assert user() is None


@pytest.mark.parametrize(
    ("url", "complaint"),
    [("{}", "is louhua serve running"), ("postgres", "run: louhua migrate")],
)
def test_a_missing_database_is_explained(console: str, tmp_path: Path, url: str, complaint: str) -> None:
    addresses = {"{}": "embedded", "postgres": console.replace("/louhua?", "/postgres?")}
    environment = os.environ | {"LOUHUA_NODE__DATA": str(tmp_path), "LOUHUA_DATABASE__URL": addresses[url]}
    done = subprocess.run(
        [sys.executable, "-m", "louhua.cli", "staff", "list"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
