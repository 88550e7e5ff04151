"""Real servers for the tests: a PostgreSQL and a NATS of our own, started once for the run."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings

from louhua.bus.embedded import EmbeddedNats
from louhua.config import Config, Node
from louhua.db.embedded import EmbeddedPostgres

# A machine that is busy with other tests makes an example slow, not wrong.
settings.register_profile("louhua", deadline=None)
settings.load_profile("louhua")


@pytest.fixture(scope="session")
def data_directory() -> Iterator[Path]:
    """The data directory of the run's node."""
    path = Path(tempfile.mkdtemp(prefix="louhua-test-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def config(data_directory: Path) -> Config:
    """The configuration of the run's node: everything embedded."""
    return Config(node=Node(data=data_directory))


@pytest.fixture(scope="session")
def postgres(data_directory: Path) -> Iterator[EmbeddedPostgres]:
    """A running PostgreSQL, its schema migrated."""
    server = EmbeddedPostgres(data_directory)
    server.start()
    from louhua.db.migrate import migrate

    migrate(Config(node=Node(data=data_directory)))
    yield server
    server.stop()


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    """The URL of the migrated database, every table empty."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        tables = connection.execute(
            "SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename <> 'django_migrations'"
        ).fetchone()
        if tables and tables[0]:
            connection.execute(f"TRUNCATE {tables[0]} RESTART IDENTITY CASCADE".encode())
    return postgres.url


@pytest.fixture(scope="session")
def nats_server(data_directory: Path) -> Iterator[EmbeddedNats]:
    """A running NATS with JetStream."""
    server = EmbeddedNats(data_directory)
    server.start()
    yield server
    server.stop()
