"""The console against the real PostgreSQL, as its accounts see it."""

from collections.abc import Callable, Iterator
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
