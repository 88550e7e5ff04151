"""``louhua bench billing``: the rentals of a month in the embedded PostgreSQL, and the same run again.

All subscribers are registered and have a plan with a rental; a tenth pays beforehand, and of these a tenth has too
little. A unit is a subscriber; a latency is that of a chunk of 2,000: how long others who want one of its balances
wait at most.
"""

import asyncio
import itertools
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil
import psycopg

from louhua.bench.imports import migrate
from louhua.bench.results import Result, percentile
from louhua.bench.usage import Usage
from louhua.charging.months import local_day, month_of
from louhua.charging.run.runner import RentalRun, Tally
from louhua.config import Config, Node
from louhua.creditors import Charging
from louhua.db.embedded import EmbeddedPostgres
from louhua.db.pool import database_url

Say = Callable[[str], None]

_PLAN: Final = """
INSERT INTO charging_planversion (name, number, valid_from, document, author, created_at)
VALUES ('rental', 1, '2000-01-01', '{"name": "rental", "valid_from": "2000-01-01", "rental": "5.000",
        "first_month": "pro-rata"}', 'bench', now())
"""
_SUBSCRIBERS: Final = """
INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on, power_on_hours, quiet_hours,
                                    digest, sender, notice_due, prepaid, activated_at, served_since, created_at,
                                    updated_at)
SELECT '86138' || lpad(n::text, 8, '0'), 'registered', false, '', 'everybody', '', '', false, '', false,
       n %% 10 = 0, now() - interval '400 days', now() - interval '400 days', now() - interval '400 days', now()
  FROM generate_series(1, %(count)s) AS n
"""
_BALANCES: Final = """
INSERT INTO charging_balance (payer, balance, reserved, updated_at)
SELECT number, CASE WHEN right(number, 2) = '10' THEN 2000 ELSE 50000 END, 0, now()
  FROM subscribers_subscriber WHERE prepaid
"""
_TABLES: Final = ("subscribers_subscriber", "charging_balance")


def run(subscribers: int, say: Say) -> Result:
    """Collect the rentals of ``subscribers``, twice; raises ``StartError`` when there is no database."""
    directory = Path(tempfile.mkdtemp(prefix="louhua-"))
    directory.chmod(0o711)
    config = Config(node=Node(data=directory / "var"), charging=Charging(plan="rental"))
    try:
        say("Starting PostgreSQL …")
        with EmbeddedPostgres(config.node.data) as server:
            migrate(server)
            say(f"Registering {subscribers:,} subscribers …")
            _fill(config, subscribers)
            with Usage(lambda: {"run": [psutil.Process()]}) as alone, Usage(lambda: _processes(server)) as usage:
                say("Collecting …")
                first, took, chunks = asyncio.run(_collect(config))
            say("Collecting again …")
            again, took_again, _ = asyncio.run(_collect(config))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return Result(
        bench="billing",
        unit="subscriber",
        count=first.registered,
        rate=subscribers / took,
        failures=subscribers - first.collected - first.free + again.collected + again.free,
        p50_ms=percentile(chunks, 0.5),
        p99_ms=percentile(chunks, 0.99),
        cpu_ms=usage.cpu_ms_each(subscribers),
        peak_mb=usage.peak_mb,
        details={
            "peak_mb_of_the_run": alone.peak_mb,
            "seconds": took,
            "seconds_again": took_again,
            "owing": first.owing,
            "yuan": first.amount / 1000,
        },
    )


def _fill(config: Config, subscribers: int) -> None:
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        connection.execute(_PLAN)
        connection.execute(_SUBSCRIBERS, {"count": subscribers})
        connection.execute(_BALANCES)
        for table in _TABLES:
            connection.execute(f"VACUUM ANALYZE {table}".encode())
        connection.execute("CHECKPOINT")


async def _collect(config: Config) -> tuple[Tally, float, list[float]]:
    """What a run did, in how many seconds, and how many milliseconds each chunk took."""
    now = datetime.now(UTC)
    moments = [time.monotonic()]
    month = month_of(local_day(now, config.service.zone))
    tally = await RentalRun(config).month(month, now, lambda _: moments.append(time.monotonic()))
    if tally is None:
        raise RuntimeError("another run is at work on a database of our own")
    return (
        tally,
        time.monotonic() - moments[0],
        [1000 * (later - before) for before, later in itertools.pairwise(moments)],
    )


def _processes(server: EmbeddedPostgres) -> dict[str, list[psutil.Process]]:
    found = {"run": [psutil.Process()]}
    if server.process is not None:
        postgres = psutil.Process(server.process.pid)
        found["postgres"] = [postgres, *postgres.children(recursive=True)]
    return found
