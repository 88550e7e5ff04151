"""Commands against the real PostgreSQL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from louhua.cli import app

Run = Callable[..., Result]
Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The node's data directory, where staff's doings are written down."""
    return tmp_path / "var"


@pytest.fixture
def run(database_url: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run ``louhua subscribers …`` in a terminal of eighty columns."""
    monkeypatch.setenv("LOUHUA_DATABASE__URL", database_url)
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(data))
    runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})

    def invoke(*arguments: str, **options: Any) -> Result:
        return runner.invoke(app, ["subscribers", *arguments], **options)

    return invoke


@pytest.fixture
def rows(database_url: str) -> Rows:
    """What the database holds."""

    def query(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(database_url) as connection:
            return connection.execute(statement.encode()).fetchall()

    return query
