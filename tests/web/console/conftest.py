"""The console against the real PostgreSQL, as its accounts see it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from louhua.config import Config
from louhua.db.migrate import setup_django

if TYPE_CHECKING:
    from django.test import Client

PASSWORD = "correct horse 77"
HASHED_QUICKLY = ["django.contrib.auth.hashers.MD5PasswordHasher"]

Login = Callable[[str], "Client"]


@pytest.fixture
def console(database_url: str, config: Config) -> Iterator[str]:
    """A database with the roles, and with an account of each role, which has the role's name."""
    setup_django(config)
    from django.contrib.contenttypes.models import ContentType
    from django.core.management.sql import emit_post_migrate_signal
    from django.db import connections
    from django.test import override_settings

    from louhua.web.console.accounts import add
    from louhua.web.console.roles import NAMES

    # Another test may have had the server end every connection.
    connections.close_all()
    ContentType.objects.clear_cache()
    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
    with override_settings(PASSWORD_HASHERS=HASHED_QUICKLY):
        for role in NAMES:
            add(role, PASSWORD, role)
        yield database_url
    connections.close_all()


@pytest.fixture
def login(console: str) -> Login:
    """Log in under a name."""
    from django.test import Client

    def enter(name: str) -> "Client":
        client = Client(SERVER_NAME="localhost")
        answer = client.post("/console/login/", {"username": name, "password": PASSWORD})
        assert answer.status_code == 302, answer.content.decode()
        return client

    return enter


@pytest.fixture
def address(console: str, tmp_path: Path) -> Iterator[str]:
    """Where a real web role listens; it knows the admin's password as it would keep it."""
    from django.conf import global_settings
    from django.test import override_settings

    from louhua.web.console.accounts import change

    with override_settings(PASSWORD_HASHERS=global_settings.PASSWORD_HASHERS):
        change("admin", role=None, active=None, password=PASSWORD)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    environment = os.environ | {
        "LOUHUA_NODE__DATA": str(tmp_path / "var"),
        "LOUHUA_DATABASE__URL": console,
        "LOUHUA_WEB__LISTEN": listen,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "louhua.node.web"], env=environment, stdout=log, stderr=log
        )
    try:
        _await(f"http://{listen}/console/login/", server)
        yield f"http://{listen}"
    finally:
        server.terminate()
        server.wait(20)
    assert "Traceback" not in (tmp_path / "log").read_text()


def _await(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except urllib.error.URLError:
            time.sleep(0.1)
    pytest.fail("the web role did not start")
