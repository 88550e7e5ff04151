"""Whoever is told to stop while starting or working leaves nothing half-made and nobody behind."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from louhua.sandbox.platform import Platform, settings


@pytest.fixture
def directory() -> Iterator[Path]:
    """For temporary files: its name is short, as there will be sockets in it."""
    path = Path(tempfile.mkdtemp(prefix="louhua-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def until(condition: Callable[[], bool], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_while_the_database_is_made_for_the_first_time() -> None:
    platform = Platform(settings(1, {"node": {"roles": ["web"]}}))
    data = platform.config.node.data
    command = [sys.executable, "-m", "louhua.cli", "serve", "--config", str(platform.config_path)]
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        ) as serving:
            until((data / "postgres.new" / "PG_VERSION").exists)
            os.killpg(serving.pid, signal.SIGINT)
            said, _ = serving.communicate(timeout=60)
        assert serving.returncode == 0
        assert said.endswith("Stopped.\n")
        assert "Traceback" not in said
        assert "schema" not in said
        assert not (data / "postgres.new").exists()
        platform.start()
    finally:
        platform.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["demo"], ["bench", "alerts", "--open", "0", "--events", "200000"]], ids=["demo", "bench"]
)
@pytest.mark.parametrize("moment", ["starting", "working"])
def test_sigterm_stops_and_removes_what_was_started(directory: Path, command: list[str], moment: str) -> None:
    def begun() -> bool:
        return any(directory.glob("louhua-*/var/health/alert.json" if moment == "working" else "louhua-*/log"))

    with subprocess.Popen(
        [sys.executable, "-m", "louhua.cli", *command],
        env=os.environ | {"TMPDIR": str(directory)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        process = psutil.Process(running.pid)
        until(lambda: begun() and bool(process.children()))
        family = process.children(recursive=True)
        running.terminate()
        assert running.wait(60) != 0
    assert list(directory.glob("louhua-*")) == []
    gone, alive = psutil.wait_procs(family, timeout=10)
    assert len(gone) == len(family), alive
