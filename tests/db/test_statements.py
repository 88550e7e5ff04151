"""Every statement of the hot path is understood by the migrated schema."""

import importlib
import re

import psycopg
import pytest

MODULES = [
    "louhua.alerts.callers",
    "louhua.alerts.daily",
    "louhua.alerts.history",
    "louhua.alerts.offers",
    "louhua.alerts.store",
    "louhua.charging.balances",
    "louhua.charging.catalogue",
    "louhua.charging.explain",
    "louhua.charging.movements",
    "louhua.charging.cdr.store",
    "louhua.charging.reservations",
    "louhua.charging.run.store",
    "louhua.charging.store",
    "louhua.db.locks",
    "louhua.reachability.counts",
    "louhua.reachability.store",
    "louhua.retention.partitions",
    "louhua.retention.store",
    "louhua.subscribers.store",
    "louhua.texts.inbound",
    "louhua.texts.receipts",
    "louhua.texts.standing",
    "louhua.texts.store",
    "louhua.voicemail.store",
]

STATEMENTS = [
    pytest.param(value, id=f"{module.removeprefix('louhua.')}.{name}")
    for module in MODULES
    for name, value in vars(importlib.import_module(module)).items()
    if name.isupper() and isinstance(value, str) and re.search(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", value)
]


def test_the_statements_are_found() -> None:
    assert len(STATEMENTS) > 30


@pytest.mark.parametrize("statement", STATEMENTS)
def test_the_schema_understands(statement: str, database_url: str) -> None:
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    numbered = re.sub(r"%\((\w+)\)s", lambda match: f"${names.index(match[1]) + 1}", statement)
    with psycopg.connect(database_url) as connection:
        connection.execute(f"PREPARE checked AS {numbered}".encode())


def test_models_and_migrations_agree(database_url: str) -> None:
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
