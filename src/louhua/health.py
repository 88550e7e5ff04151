"""How a node's processes tell each other that they are well.

Each role writes a small JSON file in the data directory every two seconds; the web role answers ``/healthz``
from these files. A file that is not renewed in time says that its role hangs or is dead.
"""

import json
import os
import time
from pathlib import Path
from typing import Final

import msgspec
import structlog

log = structlog.get_logger()

PERIOD_S: Final = 2.0
_STALE_S: Final = 10.0


class Check(msgspec.Struct, frozen=True):
    """One thing that is well or not; ``detail`` says more to a person."""

    ok: bool
    detail: str = ""


class Report(msgspec.Struct, frozen=True):
    """What a process said last, and when (seconds since the epoch)."""

    process: str
    pid: int
    at: float
    checks: dict[str, Check]


def health_directory(data: Path) -> Path:
    """Where the reports of a node are."""
    return data.resolve() / "health"


class HealthFile:
    """The report of one process of a node."""

    def __init__(self, data: Path, process: str) -> None:
        self._process = process
        self._path = health_directory(data) / f"{process}.json"

    def write(self, checks: dict[str, Check]) -> None:
        """Replace the report in one step; where the disk takes none, the last one grows old and says so."""
        report = Report(process=self._process, pid=os.getpid(), at=time.time(), checks=checks)
        draft = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(msgspec.json.encode(report))
            draft.replace(self._path)
        except OSError as error:
            log.warning("health.not_written", report=self._process, error=str(error))

    def read(self) -> Report | None:
        """The last report, or ``None``."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Report)
        except (OSError, msgspec.DecodeError):
            return None

    def ready(self) -> bool:
        """Whether the process has reported at all."""
        return self.read() is not None


def summary(data: Path, now: float) -> tuple[bool, dict[str, object]]:
    """Everything the node's processes said: whether all is well, and the details as plain JSON values."""
    processes: dict[str, object] = {}
    well = True
    for path in sorted(health_directory(data).glob("*.json")):
        report = HealthFile(data, path.stem).read()
        if report is None:
            continue
        fresh = now - report.at < _STALE_S
        good = fresh and all(check.ok for check in report.checks.values())
        well = well and good
        processes[report.process] = {
            "ok": good,
            "age_s": round(now - report.at, 1),
            "checks": json.loads(msgspec.json.encode(report.checks)),
        }
    return well and bool(processes), processes
