"""The commands as a person types them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from louhua.cli import app

runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})


def test_help_names_the_commands() -> None:
    done = runner.invoke(app, ["--help"])
    assert done.exit_code == 0
    for command in ("serve", "check", "migrate", "demo", "bench", "sandbox"):
        assert command in done.output


@pytest.mark.parametrize("command", ["serve", "check", "migrate"])
def test_a_wrong_key_stops_every_command(tmp_path: Path, command: str) -> None:
    path = tmp_path / "louhua.toml"
    path.write_text("[sip]\nlissten = 1\n")
    done = runner.invoke(app, [command, "--config", str(path)])
    assert done.exit_code == 1
    assert "sip.lissten: there is no such key" in done.output


def test_check_fails_when_something_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path))
    monkeypatch.setenv("LOUHUA_SIP__LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("LOUHUA_WEB__LISTEN", "127.0.0.1:0")
    done = runner.invoke(app, ["check"])
    assert done.exit_code == 1
    assert "add an [[smsc]]" in done.output


def test_the_version_is_shown() -> None:
    assert runner.invoke(app, ["--version"]).output.startswith("louhua 0.")


def commands(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    yield words
    for name, inner in getattr(command, "commands", {}).items():
        # A phone has a number before its action.
        yield from commands((*words, *(("1",) if words[-1:] == ("phone",) else ()), name), inner)


@pytest.mark.parametrize("words", list(commands((), get_command(app))), ids=" ".join)
def test_no_help_loses_a_word_on_a_small_terminal(words: tuple[str, ...]) -> None:
    done = runner.invoke(app, [*words, "--help"])
    assert done.exit_code == 0
    assert "[]" not in done.output, "brackets in a docstring are markup"
    assert "…" not in done.output.replace("LOUHUA_…", "")
