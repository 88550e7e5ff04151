"""Connections to PostgreSQL: where the database is, and a pool of asynchronous connections."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from louhua.config import Config
from louhua.db.embedded import embedded_url

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]


def database_url(config: Config) -> str:
    """The URL of the configured database; the embedded one's follows from the data directory."""
    return embedded_url(config.node.data) if config.database.url == "embedded" else config.database.url


async def open_pool(url: str, *, size: int = 4) -> Pool:
    """Open a pool of autocommit connections; waits at most 30 s for the first one.

    Use ``async with connection.transaction():`` for more than one statement.
    """
    pool: Pool = AsyncConnectionPool(
        url, min_size=1, max_size=size, open=False, kwargs={"autocommit": True}, name="louhua", timeout=30
    )
    await pool.open(wait=True, timeout=30)
    return pool


def django_database(url: str) -> dict[str, Any]:
    """A PostgreSQL URL as Django's ``DATABASES`` entry."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "CONN_HEALTH_CHECKS": True,
    }


def socket_path_of(url: str) -> Path | None:
    """The socket directory of a URL that names one, else ``None``."""
    host = dict(parse_qsl(urlsplit(url).query)).get("host", "")
    return Path(host) if host.startswith("/") else None
