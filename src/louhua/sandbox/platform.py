"""A whole Louhua of one's own for a demonstration, a measurement or a test: ``louhua serve`` in a directory
of its own, on ports nobody uses, stopped by whoever started it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import psutil

from louhua.config import Config, load
from louhua.processes import StartError, child_command, stop_process

_START_LIMIT_S: Final = 90.0
_STOP_LIMIT_S: Final = 90.0


def free_port(kind: socket.SocketKind) -> int:
    """A port of 127.0.0.1 that is free now; should somebody take it before we do, starting fails."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(
    smsc_port: int, overrides: Mapping[str, Mapping[str, Any] | list[Mapping[str, Any]]] | None = None
) -> dict[str, Any]:
    """A configuration for loopback: free ports, the sandbox's SMSC, short waits; ``overrides`` by section.

    An override of ``smsc`` is one of its keys, as there is only one; a list of tables is taken as it is.
    """
    values: dict[str, Any] = {
        "node": {"name": "sandbox", "drain_limit": "5s"},
        "sip": {
            "listen": f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}",
            "trunks": [{"name": "exchange", "peers": ["127.0.0.0/8"]}],
        },
        "smsc": [
            {
                "name": "sandbox", "host": "127.0.0.1", "port": smsc_port, "system_id": "louhua",
                "password": "sandbox", "rate": 0,
            }
        ],
        "alerts": {"quiet_time": "1s", "probe_hold_off": "1s"},
        "web": {"listen": f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"},
    }  # fmt: skip
    for section, keys in (overrides or {}).items():
        if isinstance(keys, list):
            values[section] = keys
            continue
        table = values["smsc"][0] if section == "smsc" else values.setdefault(section, {})
        table.update(keys)
    return values


def to_toml(values: Mapping[str, Any]) -> str:
    """The configuration as TOML: tables, arrays of tables, strings, numbers, booleans and lists of those."""
    lines: list[str] = []
    for section, content in values.items():
        for table in [content] if isinstance(content, Mapping) else content:
            lines.append(f"[{section}]" if isinstance(content, Mapping) else f"[[{section}]]")
            plain = {key: value for key, value in table.items() if not _is_tables(value)}
            lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
            for key, value in table.items():
                if _is_tables(value):
                    for inner in value:
                        lines.append(f"[[{section}.{key}]]")
                        lines += [
                            f"{name} = {json.dumps(item, ensure_ascii=False)}" for name, item in inner.items()
                        ]
    return "\n".join(lines) + "\n"


def _is_tables(value: object) -> bool:
    return isinstance(value, Sequence) and bool(value) and isinstance(value[0], Mapping)


class Platform:
    """``louhua serve`` as a child process; a context manager that removes its data in the end."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="louhua-"))
        self.data.chmod(0o711)
        path = self.data / "louhua.toml"
        node = {**values.get("node", {}), "data": str(self.data / "var")}
        path.write_text(to_toml({**values, "node": node}), "utf-8")
        self.config_path = path
        self.config: Config = load(path)
        self.log_path = self.data / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it, and wait for nothing."""
        command = [sys.executable, "-m", "louhua.cli", "serve", "--config", str(self.config_path)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                child_command(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | {"COLUMNS": "200"},
            )
        return self.process

    def start(self) -> None:
        """Start it and wait until every role is well; raises ``StartError`` with the end of its log."""
        process = self.launch()
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            if self.well():
                return
            time.sleep(0.05)
        self.stop()
        tail = "\n".join(self.log_path.read_text(errors="replace").splitlines()[-15:])
        raise StartError(f"Louhua did not start; the end of its log:\n{tail}")

    def stop(self) -> int:
        """Stop it as an operator would (SIGTERM) and return its exit status."""
        if self.process is None:
            return 0
        process, self.process = self.process, None
        return stop_process(process, _STOP_LIMIT_S)

    def well(self) -> bool:
        """Whether ``/healthz`` says that every role is well."""
        try:
            with urllib.request.urlopen(f"http://{self.config.web.listen}/healthz", timeout=5) as answer:
                return set(self.config.node.roles) <= set(json.load(answer)["processes"])
        except (urllib.error.URLError, OSError):
            return False

    def metrics(self) -> str:
        """What ``/metrics`` says now."""
        with urllib.request.urlopen(f"http://{self.config.web.listen}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    def role_processes(self) -> dict[str, list[psutil.Process]]:
        """The processes of each role (``call`` with its media processes), PostgreSQL and NATS, by name."""
        found: dict[str, list[psutil.Process]] = {}
        if self.process is None:
            return found
        for child in psutil.Process(self.process.pid).children():
            try:
                found.setdefault(_role_of(child.cmdline()), []).extend([child, *child.children(recursive=True)])
            except psutil.NoSuchProcess:
                continue
        return found


def _role_of(command: list[str]) -> str:
    line = " ".join(command)
    for role in ("call", "alert", "web"):
        if f"louhua.node.{role}" in line:
            return role
    return "postgres" if "postgres" in line else "nats" if "nats-server" in line else "other"
