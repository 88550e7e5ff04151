"""``louhua serve``: starts a node's servers and roles, restarts what dies, and stops all of it by pid.

Each role is a process of its own (``python -m louhua.node.<role>``), so none can take another down, and the
kernel ends them all should the supervisor be killed. On SIGTERM new calls are refused, live ones may end
within ``node.drain_limit``, then the rest stops: alert, web, NATS, PostgreSQL.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

import psycopg
import structlog

from louhua.bus.embedded import EmbeddedNats
from louhua.config import CONFIG_VARIABLE, Config
from louhua.db.embedded import EmbeddedPostgres
from louhua.db.migrate import migrate
from louhua.health import Check, HealthFile, health_directory
from louhua.node.check import own_ports
from louhua.node.lock import only_one
from louhua.processes import StartError, child_command, stop_process

log = structlog.get_logger()

Say = Callable[[str], None]

_TICK_S: Final = 0.5
_FIRST_BACK_OFF_S: Final = 0.5
_LAST_BACK_OFF_S: Final = 30.0
_STEADY_AFTER_S: Final = 60.0
_STOP_LIMIT_S: Final = 20.0
_READY_LIMIT_S: Final = 60.0
_MIGRATE_EVERY_S: Final = 5.0
_SERVER_RETRY_S: Final = 2.0
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # the directory in it is ours alone


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
            start_new_session=True,  # Ctrl-C is the supervisor's to hear; it stops the others in their order
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


class _Server:
    """An embedded server and when it may be started again."""

    def __init__(self, name: str, server: EmbeddedPostgres | EmbeddedNats) -> None:
        self._name = name
        self._server = server
        self._not_before = 0.0

    def revive(self) -> None:
        """Restart the server if it has died; where that fails the roles go on and it is tried again."""
        process = self._server.process
        if (process is not None and process.poll() is None) or time.monotonic() < self._not_before:
            return
        log.error("server.died", server=self._name, status=None if process is None else process.returncode)
        try:
            self._server.start()
        except StartError as error:
            self._not_before = time.monotonic() + _SERVER_RETRY_S
            log.error("server.not_restarted", server=self._name, error=str(error), retry_in_s=_SERVER_RETRY_S)


class Supervisor:
    """One node. ``say`` gets a line for a person at each step."""

    def __init__(self, config: Config, config_path: Path | None, say: Say) -> None:
        self._config = config
        self._say = say
        self._wake = threading.Event()
        self._stopping = False
        self._postgres = EmbeddedPostgres(config.node.data) if config.database.url == "embedded" else None
        self._nats = EmbeddedNats(config.node.data) if config.nats.url == "embedded" else None
        self._servers = [
            _Server(name, server)
            for name, server in (("postgres", self._postgres), ("nats", self._nats))
            if server is not None
        ]
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
        with only_one(self._config.node.data):
            self._require_free_ports()
            try:
                self._start()
                while not self._stopping:
                    self._watch()
                    self._wake.wait(_TICK_S)
            finally:
                self._stop()

    def _require_free_ports(self) -> None:
        """A port that somebody else has is better known before anything is started.

        The roles of a supervisor that was killed may still let their calls end: they are waited for.
        """
        deadline = time.monotonic() + self._call_stop_limit_s
        while taken := [finding for finding in own_ports(self._config) if not finding.ok]:
            if self._stopping or time.monotonic() > deadline or not self._last_run_lives():
                raise StartError("; ".join(f"{finding.what}: {finding.why}" for finding in taken))
            self._wake.wait(_TICK_S)

    def _last_run_lives(self) -> bool:
        reports = (HealthFile(self._config.node.data, child.role).read() for child in self._children)
        return any(report is not None and _is_role(report.pid) for report in reports)

    @property
    def _call_stop_limit_s(self) -> float:
        return self._config.node.drain_limit.total_seconds() + _STOP_LIMIT_S

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._wake.set()

    def _start(self) -> None:
        shutil.rmtree(_metrics_directory(self._config), ignore_errors=True)
        _metrics_directory(self._config).mkdir(mode=0o700, parents=True)
        shutil.rmtree(health_directory(self._config.node.data), ignore_errors=True)
        for step in (self._start_servers, self._bring_schema_up_to_date, self._start_roles):
            if not self._stopping:
                step()

    def _start_servers(self) -> None:
        if self._postgres is not None:
            self._say("Starting the embedded PostgreSQL …")
            self._postgres.start()
        if self._nats is not None:
            self._nats.start()

    def _start_roles(self) -> None:
        for child in self._children:
            child.start()
        self._await_ready()

    def _bring_schema_up_to_date(self) -> None:
        """Migrate; an external database that is away is tried until it is there, while calls are served."""
        self._say("Bringing the schema up to date …")
        try:
            migrate(self._config)
        except psycopg.OperationalError as error:
            if self._postgres is not None:
                raise StartError(f"the embedded PostgreSQL does not answer: {error}") from error
            log.error("database.away", error=str(error).strip(), retry_in_s=_MIGRATE_EVERY_S)
            threading.Thread(target=self._migrate_later, daemon=True).start()

    def _migrate_later(self) -> None:
        while not self._stopping:
            time.sleep(_MIGRATE_EVERY_S)
            try:
                migrate(self._config)
            except psycopg.OperationalError as error:
                log.warning("database.away", error=str(error).strip(), retry_in_s=_MIGRATE_EVERY_S)
            else:
                log.info("database.migrated")
                return

    def _await_ready(self) -> None:
        """Wait until every role has reported, or until it is clear that some cannot yet.

        A role that waits for a server elsewhere does not keep the others from their work.
        """
        deadline = time.monotonic() + _READY_LIMIT_S
        roles = [child.role for child in self._children]
        waiting = set(roles)
        while waiting and not self._stopping and time.monotonic() < deadline:
            self._watch()
            waiting = {role for role in waiting if not HealthFile(self._config.node.data, role).ready()}
            self._wake.wait(0.05)
        if self._stopping:
            return
        if len(waiting) == len(roles):
            raise StartError(f"nothing is ready after {_READY_LIMIT_S:.0f} s; see the log lines above")
        if waiting:
            self._say(f"Not ready yet, see the log lines above: {', '.join(sorted(waiting))}.")
        self._say(f"Ready: {', '.join(role for role in roles if role not in waiting)}. Stop with Ctrl-C.")

    def _watch(self) -> None:
        for child in self._children:
            child.revive()
        for server in self._servers:
            server.revive()
        self._health.write(
            {child.role: Check(ok=child.process is not None and child.process.poll() is None)
             for child in self._children}
        )  # fmt: skip

    def _stop(self) -> None:
        self._say("Stopping: live calls may end …")
        limits = {"call": self._call_stop_limit_s}
        for role in ("call", "alert", "web"):
            for child in self._children:
                if child.role == role:
                    child.stop(limits.get(role, _STOP_LIMIT_S))
        if self._nats is not None:
            self._nats.stop()
        if self._postgres is not None:
            self._postgres.stop()
        shutil.rmtree(_metrics_directory(self._config), ignore_errors=True)
        self._say("Stopped.")


def _metrics_directory(config: Config) -> Path:
    """Where the roles share their figures: in memory, for a mapped file on a full disk kills who writes it."""
    data = config.node.data.resolve()
    if not _MEMORY.is_dir():
        return data / "metrics"
    return _MEMORY / f"louhua-{os.getuid()}-{hashlib.sha256(bytes(data)).hexdigest()[:16]}"


def _is_role(pid: int) -> bool:
    try:
        return b"louhua.node." in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
