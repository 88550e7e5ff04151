"""``louhua bench import``: subscribers from a CSV file into the embedded PostgreSQL, new ones and again.

The file has numbers in no order and the columns that are used most. A unit is a row; a latency is that of a chunk
of 50,000 rows: how long others who want one of its subscribers wait at most.
"""

import asyncio
import csv
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil

from louhua.bench.results import Result, percentile
from louhua.bench.usage import Usage
from louhua.config import Config, Node
from louhua.db.embedded import EmbeddedPostgres
from louhua.db.pool import connect
from louhua.processes import StartError
from louhua.subscribers.importing import Rejects, Tally, load, opened, rejects_of
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.rows import Table

Say = Callable[[str], None]

_FIRST: Final = ("138", "139")


def run(rows: int, say: Say) -> Result:
    """Import ``rows`` subscribers, then the same file again; raises ``StartError`` when there is no database."""
    directory = Path(tempfile.mkdtemp(prefix="louhua-"))
    directory.chmod(0o711)
    config = Config(node=Node(data=directory / "var"))
    try:
        say("Starting PostgreSQL …")
        with EmbeddedPostgres(config.node.data) as server:
            migrate(server)
            say(f"Writing {rows:,} rows …")
            path = directory / "subscribers.csv"
            _write(path, rows)
            with Usage(lambda: _processes(server)) as usage:
                say("Importing …")
                first, took, chunks = asyncio.run(_import(config, path))
                cpu = usage.cpu_ms_each(rows)
            say("Importing again …")
            again, took_again, _ = asyncio.run(_import(config, path))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return Result(
        bench="import",
        unit="row",
        count=rows,
        rate=rows / took,
        failures=rows - first.new + again.new + again.changed,
        p50_ms=percentile(chunks, 0.5),
        p99_ms=percentile(chunks, 0.99),
        cpu_ms=cpu,
        peak_mb=usage.peak_mb,
        details={"seconds": took, "seconds_again": took_again},
    )


def migrate(server: EmbeddedPostgres) -> None:
    """Make the tables, in a process of its own: Django knows one database a process."""
    command = [sys.executable, "-m", "louhua.cli", "migrate"]
    environment = os.environ | {"LOUHUA_DATABASE__URL": server.url}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartError(f"louhua migrate failed: {done.stderr.strip()}")


def _write(path: Path, rows: int) -> None:
    chance = random.Random(20261123)  # noqa: S311  # test data
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["number", "status", "voicemail", "language", "quiet_hours"])
        for number in chance.sample(range(len(_FIRST) * 10**8), rows):
            prefix = _FIRST[number // 10**8]
            table.writerow([
                f"{prefix}{number % 10**8:08}", "registered", "yes" if number % 2 else "no",
                "en" if number % 5 == 0 else "", "22:00-07:00" if number % 3 == 0 else "",
            ])  # fmt: skip


async def _import(config: Config, path: Path) -> tuple[Tally, float, list[float]]:
    """What became of the rows, in how many seconds, and how many milliseconds each chunk took."""
    tally = Tally()
    moments = [time.monotonic()]
    async with connect(config) as connection:
        with opened(path, "utf-8-sig") as (text, octets):
            table = Table(text, octets, NumberPlan(config))
            rejects = Rejects(rejects_of(path), table.header)
            await load(
                connection,
                table,
                rejects,
                tally,
                datetime.now(config.service.zone).date(),
                notice=True,
                progress=lambda: moments.append(time.monotonic()),
            )
    took = time.monotonic() - moments[0]
    return tally, took, [1000 * (later - before) for before, later in itertools.pairwise(moments)]


def _processes(server: EmbeddedPostgres) -> dict[str, list[psutil.Process]]:
    found = {"import": [psutil.Process()]}
    if server.process is not None:
        postgres = psutil.Process(server.process.pid)
        found["postgres"] = [postgres, *postgres.children(recursive=True)]
    return found
