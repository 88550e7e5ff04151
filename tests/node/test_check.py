"""``louhua check`` finds what is not there and says the way out."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from louhua.config import Config
from louhua.node.check import Finding, problems
from louhua.node.lock import only_one


@pytest.fixture
def taken() -> Iterator[tuple[int, int]]:
    """A UDP and a TCP port that somebody else listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", 0))
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        yield udp.getsockname()[1], tcp.getsockname()[1]


def configured(data: Path, **sections: Any) -> Config:
    good = {
        "node": {"data": data},
        "sip": {"listen": "127.0.0.1:0", "trunks": [{"name": "t", "peers": ["127.0.0.1"]}]},
        "web": {"listen": "127.0.0.1:0"},
    }
    return Config.model_validate(good | sections)


def finding(config: Config, what: str) -> Finding:
    return next(found for found in problems(config) if found.what.startswith(what))


def smsc(port: int) -> list[dict[str, Any]]:
    return [{"name": "a", "host": "127.0.0.1", "port": port, "system_id": "s"}]


def diameter(*peers: str) -> dict[str, Any]:
    return {"peers": peers, "origin_host": "a.b", "origin_realm": "b", "destination_realm": "c"}


def test_all_is_well(tmp_path: Path, taken: tuple[int, int]) -> None:
    charging = {"keeper": "diameter", "diameter": diameter(f"127.0.0.1:{taken[1]}")}
    found = list(problems(configured(tmp_path, smsc=smsc(taken[1]), charging=charging)))
    assert all(each.ok for each in found)
    assert f"charging.diameter.peers: 127.0.0.1:{taken[1]}" in {each.what for each in found}


def test_the_ports_of_the_node_that_runs_here_are_no_mistake(tmp_path: Path, taken: tuple[int, int]) -> None:
    config = configured(
        tmp_path, sip={"listen": f"127.0.0.1:{taken[0]}", "trunks": [{"name": "t", "peers": ["::1"]}]}
    )
    with only_one(tmp_path):
        assert finding(config, "sip.listen").ok
        assert (tmp_path / "lock").read_text() == str(os.getpid())
    assert not finding(config, "sip.listen").ok


def test_a_busy_sip_port_is_named(tmp_path: Path, taken: tuple[int, int]) -> None:
    config = configured(tmp_path, sip={"listen": f"127.0.0.1:{taken[0]}"})
    found = finding(config, "sip.listen")
    assert not found.ok
    assert "choose another" in found.why


def test_a_busy_web_port_is_named(tmp_path: Path, taken: tuple[int, int]) -> None:
    assert not finding(configured(tmp_path, web={"listen": f"127.0.0.1:{taken[1]}"}), "web.listen").ok


@pytest.mark.parametrize(
    ("sections", "what", "way_out"),
    [
        ({"sip": {"trunks": []}}, "sip.trunks", "add a [[sip.trunks]]"),
        ({"sip": {"media_ports": "20000-20010"}}, "sip.media_ports", "widen the range"),
        ({"sip": {"media_address": "192.0.2.1"}}, "sip.media_address", "IP address of this machine"),
        ({"smsc": []}, "smsc", "add an [[smsc]]"),
        ({"smsc": smsc(1)}, "smsc a", "start the SMSC"),
        (
            {"charging": {"keeper": "diameter", "diameter": diameter("127.0.0.1:1", "[::1]:1")}},
            "charging.diameter.peers: [::1]:1",
            "louhua sandbox ocs",
        ),
        ({"database": {"url": "postgresql://127.0.0.1:1/x"}}, "database.url", "start PostgreSQL there"),
        ({"nats": {"url": "nats://127.0.0.1:1"}}, "nats.url", "start NATS there"),
        ({"node": {"data": "/dev/null/louhua"}}, "node.data", "directory of your own"),
        ({"charging": {"cdr_directory": "/dev/null/x"}}, "charging.cdr_directory: /dev/null/x", "of your own"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, sections: dict[str, Any], what: str, way_out: str) -> None:
    found = finding(configured(tmp_path, **sections), what)
    assert not found.ok
    assert way_out in found.why


def test_a_charging_system_is_looked_at_only_where_it_keeps_the_money(tmp_path: Path) -> None:
    config = configured(tmp_path, charging={"keeper": "here", "diameter": diameter("127.0.0.1:1")})
    assert not [found for found in problems(config) if "diameter" in found.what]


def test_only_configured_roles_are_looked_at(tmp_path: Path) -> None:
    config = configured(tmp_path, node={"data": tmp_path, "roles": ["web"]}, sip={"trunks": []})
    assert all(found.ok for found in problems(config))


def test_a_plan_that_is_not_valid_today_is_named(database_url: str, tmp_path: Path) -> None:
    """What has no plan is free: nobody would notice."""
    with psycopg.connect(database_url) as connection:
        for name, until in (("old", "2020-12-31"), ("good", None)):
            document = {"name": name, "valid_from": "2020-01-01"} | ({"valid_until": until} if until else {})
            connection.execute(
                "INSERT INTO charging_planversion (name, number, valid_from, document, author, created_at)"
                " VALUES (%s, 1, '2020-01-01', %s, 'test', now())",
                (name, json.dumps(document)),
            )
    sections = {"database": {"url": database_url}, "charging": {"plan": "old", "visitor_plan": "good"}}
    settings = configured(tmp_path, **sections)
    assert finding(settings, "charging.visitor_plan: good").ok
    assert "louhua plans list" in finding(settings, "charging.plan: old").why
