"""``louhua serve``: starts a node's servers and roles, restarts what dies, and stops all of it by pid.

Each role is a process of its own (``python -m louhua.node.<role>``), so none can take another down, and the
kernel ends them all should the supervisor be killed. On SIGTERM new calls are refused, live ones may end
within ``node.drain_limit``, then the rest stops: alert, web, NATS, PostgreSQL.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import structlog

from louhua.bus.embedded import EmbeddedNats
from louhua.config import CONFIG_VARIABLE, Config
from louhua.db.embedded import EmbeddedPostgres
from louhua.db.migrate import migrate
from louhua.health import Check, HealthFile, health_directory
from louhua.processes import StartError, child_command, stop_process

log = structlog.get_logger()

Say = Callable[[str], None]

_TICK_S: Final = 0.5
_FIRST_BACK_OFF_S: Final = 0.5
_LAST_BACK_OFF_S: Final = 30.0
_STEADY_AFTER_S: Final = 60.0
_STOP_LIMIT_S: Final = 20.0
_READY_LIMIT_S: Final = 60.0


class _Child:
    """A role's process and when it may be started again."""

    def __init__(self, role: str, environment: dict[str, str]) -> None:
        self.role = role
        self._environment = environment
        self._back_off = _FIRST_BACK_OFF_S
        self._started = 0.0
        self._not_before = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the role's process."""
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            child_command([sys.executable, "-m", f"louhua.node.{self.role}"]),
            stdin=subprocess.DEVNULL,
            env=self._environment,
        )

    def revive(self) -> None:
        """Restart the process if it has died, waiting longer each time it dies soon."""
        if self.process is None or self.process.poll() is None:
            return
        now = time.monotonic()
        if self._not_before <= self._started:
            self._back_off = (
                _FIRST_BACK_OFF_S
                if now - self._started > _STEADY_AFTER_S
                else min(self._back_off * 2, _LAST_BACK_OFF_S)
            )
            self._not_before = now + self._back_off
            log.error("role.died", role=self.role, status=self.process.returncode, restart_in=self._back_off)
        if now >= self._not_before:
            self.start()

    def stop(self, limit_s: float) -> None:
        """Ask the process to stop and see that it does."""
        if self.process is not None:
            stop_process(self.process, limit_s)


class Supervisor:
    """One node. ``say`` gets a line for a person at each step."""

    def __init__(self, config: Config, config_path: Path | None, say: Say) -> None:
        self._config = config
        self._say = say
        self._wake = threading.Event()
        self._stopping = False
        self._postgres = EmbeddedPostgres(config.node.data) if config.database.url == "embedded" else None
        self._nats = EmbeddedNats(config.node.data) if config.nats.url == "embedded" else None
        self._health = HealthFile(config.node.data, "node")
        environment = dict(os.environ)
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_directory(config))
        if config_path is not None:
            environment[CONFIG_VARIABLE] = str(config_path.resolve())
        roles = dict.fromkeys((*config.node.roles, "web"))
        self._children = [_Child(role, environment) for role in roles]

    def run(self) -> None:
        """Start everything, watch over it until SIGTERM or SIGINT, stop everything.

        Raises ``StartError`` when something cannot be started; what had been started is stopped.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        with _only_one(self._config.node.data):
            try:
                self._start()
                while not self._stopping:
                    self._watch()
                    self._wake.wait(_TICK_S)
            finally:
                self._stop()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._wake.set()

    def _start(self) -> None:
        shutil.rmtree(_metrics_directory(self._config), ignore_errors=True)
        _metrics_directory(self._config).mkdir(parents=True)
        shutil.rmtree(health_directory(self._config.node.data), ignore_errors=True)
        if self._postgres is not None:
            self._say("Starting the embedded PostgreSQL …")
            self._postgres.start()
        if self._nats is not None:
            self._nats.start()
        self._say("Bringing the schema up to date …")
        migrate(self._config)
        for child in self._children:
            child.start()
        self._await_ready()

    def _await_ready(self) -> None:
        """Wait until every role has reported; a role that keeps dying is an error that names it."""
        deadline = time.monotonic() + _READY_LIMIT_S
        waiting = {child.role for child in self._children}
        while waiting and not self._stopping:
            self._watch()
            waiting = {role for role in waiting if not HealthFile(self._config.node.data, role).ready()}
            if time.monotonic() > deadline:
                names = ", ".join(sorted(waiting))
                raise StartError(f"not ready after {_READY_LIMIT_S:.0f} s: {names}; see the log lines above")
            self._wake.wait(0.05)
        if not self._stopping:
            self._say(f"Ready: {', '.join(child.role for child in self._children)}. Stop with Ctrl-C.")

    def _watch(self) -> None:
        for child in self._children:
            child.revive()
        for name, server in (("postgres", self._postgres), ("nats", self._nats)):
            if server is not None and server.process is not None and server.process.poll() is not None:
                log.error("server.died", server=name, status=server.process.returncode)
                server.start()
        self._health.write(
            {child.role: Check(ok=child.process is not None and child.process.poll() is None)
             for child in self._children}
        )  # fmt: skip

    def _stop(self) -> None:
        self._say("Stopping: live calls may end …")
        limits = {"call": self._config.node.drain_limit.total_seconds() + _STOP_LIMIT_S}
        for role in ("call", "alert", "web"):
            for child in self._children:
                if child.role == role:
                    child.stop(limits.get(role, _STOP_LIMIT_S))
        if self._nats is not None:
            self._nats.stop()
        if self._postgres is not None:
            self._postgres.stop()
        self._say("Stopped.")


def _metrics_directory(config: Config) -> Path:
    return config.node.data.resolve() / "metrics"


@contextlib.contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """Hold the data directory: two nodes in one would spoil each other's servers."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartError(
                f"another louhua runs in {data}; stop it, or give this one its own [node] data"
            ) from error
        lock.write(str(os.getpid()))
        lock.flush()
        yield
