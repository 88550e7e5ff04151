"""``/healthz`` and ``/metrics`` as a balancer and Prometheus see them."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from louhua.config import Config
from louhua.db.migrate import setup_django
from louhua.health import Check, HealthFile, health_directory

if TYPE_CHECKING:
    from django.test import Client


@pytest.fixture
def client(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator["Client"]:
    setup_django(config)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    from django.test import Client

    yield Client(SERVER_NAME="localhost")
    for path in health_directory(config.node.data).glob("*.json"):
        path.unlink()


def test_a_well_node_says_so(client: "Client", config: Config) -> None:
    HealthFile(config.node.data, "call").write({"sip": Check(ok=True)})
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json()["processes"]["call"]["ok"]


def test_a_sick_node_is_taken_out_of_the_balancer(client: "Client", config: Config) -> None:
    HealthFile(config.node.data, "alert").write({"smsc a": Check(ok=False, detail="not bound")})
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["processes"]["alert"]["checks"]["smsc a"]["detail"] == "not bound"
    assert answer.json()["processes"]["alert"]["age_s"] < time.time()


def test_figures_are_in_prometheus_format(client: "Client") -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_nothing_can_be_posted(client: "Client", path: str) -> None:
    assert client.post(path).status_code == 405


def test_a_foreign_host_name_is_refused(client: "Client") -> None:
    assert client.get("/healthz", HTTP_HOST="evil.example").status_code == 400
