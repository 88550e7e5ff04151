"""The embedded PostgreSQL: made, found again, and gone with its parent."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from louhua.db.embedded import EmbeddedPostgres, embedded_url
from louhua.db.pool import django_database


@pytest.fixture
def data() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="louhua-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def value(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def test_it_keeps_what_was_committed_over_restarts_and_kills(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (7)")
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        server.start()
        assert value(server.url, "SELECT n FROM kept") == 7
        assert str(value(server.url, "SHOW server_version")).startswith("18")
    finally:
        server.stop()


def test_sessions_that_outlive_a_killed_server_are_ended(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            frozen = connection.info.backend_pid
            os.kill(frozen, signal.SIGSTOP)
            assert server.process is not None
            server.process.kill()
            server.process.wait()
            server.start()
            assert value(server.url, "SELECT count(*) FROM kept") == 0
            with pytest.raises(ProcessLookupError):
                os.kill(frozen, 0)
    finally:
        server.stop()


def test_it_dies_with_a_killed_parent_and_starts_again(data: Path) -> None:
    code = (
        "import sys, os, pathlib\n"
        "from louhua.db.embedded import EmbeddedPostgres\n"
        f"server = EmbeddedPostgres(pathlib.Path({str(data)!r})); server.start()\n"
        "print(server.process.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert int(parent.stdout.readline())
        parent.kill()
    server = EmbeddedPostgres(data)
    server.start()
    try:
        assert value(server.url, "SELECT 1") == 1
    finally:
        server.stop()
    with pytest.raises(psycopg.OperationalError):
        value(server.url, "SELECT 1")


def test_only_a_socket_is_listened_on(postgres: EmbeddedPostgres) -> None:
    assert value(postgres.url, "SHOW listen_addresses") == ""


def test_urls_become_djangos_settings(tmp_path: Path) -> None:
    embedded = django_database(embedded_url(tmp_path))
    assert embedded["NAME"] == "louhua"
    assert str(embedded["HOST"]).startswith("/")
    remote = django_database("postgresql://me:p%40ss@db.example:5433/calls?sslmode=require")
    assert (remote["USER"], remote["PASSWORD"], remote["HOST"], remote["PORT"]) == (
        "me",
        "p@ss",
        "db.example",
        "5433",
    )
    assert remote["OPTIONS"] == {"sslmode": "require", "connect_timeout": 5}
    patient = django_database("postgresql://db.example/calls?connect_timeout=30")
    assert patient["OPTIONS"] == {"connect_timeout": "30"}


@pytest.mark.parametrize(
    ("url", "host", "port", "name"),
    [
        ("postgresql://me@a:5432,b:5433/calls", "a,b", "5432,5433", "calls"),
        ("postgresql://me@/calls?host=/run/postgresql", "/run/postgresql", "", "calls"),
        ("postgresql://me@db.example", "db.example", "", "me"),
        ("postgres://me@[::1]:5433/calls", "::1", "5433", "calls"),
    ],
)
def test_urls_are_read_as_libpq_reads_them(url: str, host: str, port: str, name: str) -> None:
    made = django_database(url)
    assert (made["HOST"], made["PORT"], made["NAME"], made["USER"]) == (host, port, name, "me")


def test_a_stranger_who_has_the_number_of_an_old_server_is_left_alone(data: Path) -> None:
    server = EmbeddedPostgres(data)
    server.start()
    server.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        (data / "postgres" / "postmaster.pid").write_text(f"{stranger.pid}\n{data / 'postgres'}\n")
        with server:
            assert value(server.url, "SELECT 1") == 1
            assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert stranger.returncode == 0
