"""Bring the schema up to date: Django's migrations, run under a lock so that nodes may start together."""

import os

import django
import psycopg

from louhua.config import Config, set_current
from louhua.db.locks import WAIT, Lock
from louhua.db.pool import database_url


def migrate(config: Config, *, verbosity: int = 0) -> None:
    """Apply every migration that the configured database lacks; raises ``psycopg.Error``."""
    setup_django(config)
    from django.core.management import call_command
    from django.db import connections

    with psycopg.connect(database_url(config), autocommit=True, connect_timeout=5) as lock:
        lock.execute(WAIT, {"key": Lock.SCHEMA})
        call_command("migrate", interactive=False, verbosity=verbosity)
    connections.close_all()


def setup_django(config: Config) -> None:
    """Prepare Django in this process for the configured database."""
    set_current(config)
    os.environ["DJANGO_SETTINGS_MODULE"] = "louhua.web.settings"
    django.setup()
