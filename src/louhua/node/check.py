"""``louhua check``: is everything there that the configuration names, and what to do where it is not.

Only looks: no server is started, no schema changed, no text sent.
"""

import ipaddress
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import psycopg

from louhua.bus.nats import addresses
from louhua.charging.cdr.files import directory
from louhua.charging.months import today_in
from louhua.charging.plans import Version, read_plan, valid
from louhua.config import Config, Smsc, split_address
from louhua.db.pool import database_url
from louhua.node.lock import held

_TIMEOUT_S: Final = 3.0


class Finding(msgspec.Struct, frozen=True):
    """One thing looked at; ``why`` says what is wrong and the way out."""

    what: str
    ok: bool
    why: str = ""


def problems(config: Config) -> Iterator[Finding]:
    """Look at everything the configuration names, one finding each, good or bad."""
    yield _writable("node.data", config.node.data)
    yield from _servers(config)
    if held(config.node.data):
        yield Finding("sip.listen, web.listen: the node that runs here has its ports", ok=True)
    else:
        yield from own_ports(config)
    if "call" in config.node.roles:
        yield from _call(config)
    if "alert" in config.node.roles:
        yield from _alert(config)


def own_ports(config: Config) -> Iterator[Finding]:
    """Look at the ports that this node is to listen on."""
    if "call" in config.node.roles:
        yield _free("sip.listen", config.sip.listen, socket.SOCK_DGRAM)
    yield _free("web.listen", config.web.listen, socket.SOCK_STREAM)
    if "alert" in config.node.roles:
        for registrar in config.registrars:
            yield _free(f"registrars {registrar.name}: listen", registrar.listen, socket.SOCK_DGRAM)


def _servers(config: Config) -> Iterator[Finding]:
    if config.database.url == "embedded":
        yield Finding("database.url: embedded", ok=True)
    else:
        yield _database(config.database.url)
    if config.nats.url == "embedded":
        yield Finding("nats.url: embedded", ok=True)
    else:
        for host, port in addresses(config.nats.url):
            yield _reachable("nats.url", f"{host}:{port}", "start NATS there, or correct the URL")


def _call(config: Config) -> Iterator[Finding]:
    yield _local("sip.media_address", config.sip.media_address)
    if config.sip.trunks:
        names = ", ".join(trunk.name for trunk in config.sip.trunks)
        yield Finding(f"sip.trunks: {names}", ok=True)
    else:
        yield Finding(
            "sip.trunks",
            ok=False,
            why="no trunk is configured, so every call is refused; add a [[sip.trunks]]",
        )
    first, last = config.sip.port_range
    ports = (last - first + 1) // 2
    enough = ports >= config.sip.max_calls
    yield Finding(
        f"sip.media_ports: {ports} calls at once",
        ok=enough,
        why=""
        if enough
        else f"fewer than sip.max_calls ({config.sip.max_calls}); widen the range or lower max_calls",
    )


def _plans(config: Config) -> Iterator[Finding]:
    """Whether the plans that are named are valid today, where a database can be asked: what has none is free."""
    today = today_in(config.service.zone)
    try:
        with psycopg.connect(database_url(config), connect_timeout=int(_TIMEOUT_S)) as connection:
            rows = connection.execute("SELECT name, number, document FROM charging_planversion").fetchall()
    except psycopg.Error:
        return
    for key, name in (("plan", config.charging.plan), ("visitor_plan", config.charging.visitor_plan)):
        versions = [Version(number, read_plan(document)) for of, number, document in rows if of == name]
        if name:
            why = "" if valid(versions, today) else "not valid today, so nothing is charged; see louhua plans list"
            yield Finding(f"charging.{key}: {name}", ok=not why, why=why)


def _alert(config: Config) -> Iterator[Finding]:
    yield from _plans(config)
    yield _writable("charging.cdr_directory", directory(config))
    if not config.smsc:
        yield Finding("smsc", ok=False, why="no SMSC is configured, so no text can be sent; add an [[smsc]]")
    for smsc in config.smsc:
        yield _smsc(smsc)
    if config.charging.diameter is not None and config.charging.keeper == "diameter":
        for peer in config.charging.diameter.peers:
            yield _reachable(
                "charging.diameter.peers", peer,
                "start the charging system there (to try: louhua sandbox ocs), or correct the address",
            )  # fmt: skip


def _writable(key: str, wanted: Path) -> Finding:
    what = f"{key}: {wanted}"
    existing = next(path for path in (wanted.resolve(), *wanted.resolve().parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK):
        return Finding(what, ok=True)
    return Finding(what, ok=False, why=f"{existing} cannot be written; give {key} a directory of your own")


def _database(url: str) -> Finding:
    what = "database.url"
    try:
        with psycopg.connect(url, connect_timeout=int(_TIMEOUT_S), autocommit=True) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        return Finding(what, ok=False, why=f"{str(error).strip()}; start PostgreSQL there, or correct the URL")
    return Finding(what, ok=True)


def _smsc(smsc: Smsc) -> Finding:
    what = f"smsc {smsc.name}: {smsc.host}:{smsc.port}"
    if smsc.tls:
        try:
            with (
                socket.create_connection((smsc.host, smsc.port), _TIMEOUT_S) as plain,
                ssl.create_default_context().wrap_socket(plain, server_hostname=smsc.host),
            ):
                return Finding(what, ok=True)
        except OSError as error:
            return Finding(what, ok=False, why=f"no TLS connection: {error}; check its certificate and smsc.tls")
    return _reachable(
        f"smsc {smsc.name}", f"{smsc.host}:{smsc.port}", "start the SMSC (the sandbox: louhua sandbox run)"
    )


def _reachable(what: str, address: str, way_out: str) -> Finding:
    try:
        host, port = split_address(address)
        socket.create_connection((host.strip("[]"), port), _TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        return Finding(f"{what}: {address}", ok=False, why=f"cannot be reached ({error}); {way_out}")
    return Finding(f"{what}: {address}", ok=True)


def _free(key: str, address: str, kind: socket.SocketKind) -> Finding:
    what = f"{key}: {address}"
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), port))
    except OSError as error:
        return Finding(
            what, ok=False, why=f"{error.strerror}; stop what uses it (louhua itself?) or choose another"
        )
    return Finding(what, ok=True)


def _local(key: str, address: str) -> Finding:
    what = f"{key}: {address}"
    try:
        ipaddress.ip_address(address)
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except (OSError, ValueError) as error:
        return Finding(what, ok=False, why=f"{error}; name an IP address of this machine")
    return Finding(what, ok=True)
