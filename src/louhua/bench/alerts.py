"""``louhua bench alerts``: call events from NATS through merging to rows, at no and at a million open alerts.

Events are published in messages of a hundred, as busy call nodes do. A unit is an event; its latency is the
time from the publication of its message until its call is recorded and its alert merged.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import psycopg

from louhua.bench.results import Result, percentile
from louhua.bench.smsc import smsc_process
from louhua.bench.usage import Usage
from louhua.bus.events import CallEnded, Choice, Outcome, Reason, Treatment
from louhua.bus.nats import Bus
from louhua.db.pool import database_url
from louhua.sandbox.platform import Platform, settings

_MESSAGE: Final = 100
_LOOK_EVERY_S: Final = 0.1
_LIMIT_S: Final = 300.0
_WATCHES_PER_MILLION: Final = 200_000

Say = Callable[[str], None]

# Open alerts as five callers each left them on phones that are off: what a network failure leaves behind.
_FILL_WATCHES: Final = """
INSERT INTO reachability_watch (callee, since, last_call_at, limit_at, source, next_probe_at, probes)
SELECT '8615' || lpad(n::text, 9, '0'), now(), now(), now() + interval '72 hours', 'probe:sandbox',
       now() + interval '24 hours', 1
  FROM generate_series(1, %(watches)s) AS n
"""
_FILL_ALERTS: Final = """
INSERT INTO alerts_alert (callee, caller, kind, recipient, state, calls, first_at, last_at, other_number, watched,
                          attempts, error, updated_at)
SELECT '8615' || lpad((n %% %(watches)s + 1)::text, 9, '0'), '8616' || lpad(n::text, 9, '0'), 'call_back',
       '8615' || lpad((n %% %(watches)s + 1)::text, 9, '0'), 'held', 1, now(), now(), '', true, 0, '', now()
  FROM generate_series(1, %(alerts)s) AS n
"""


class _Run(msgspec.Struct):
    """One measured flood of events."""

    rate: float
    latencies_ms: list[float]
    missing: int


def run(events: int, callees: int, open_alerts: int, say: Say) -> Result:
    """Flood an empty platform, then one with ``open_alerts``; raises ``StartError`` when it cannot start."""
    chance = random.Random(20261123)  # noqa: S311  # test data
    values: dict[str, dict[str, Any]] = {"node": {"roles": ["alert"]}, "alerts": {"probe_hold_off": "1h"}}
    say("Starting the platform …")
    with smsc_process() as port, Platform(settings(port, values)) as platform:
        with Usage(platform.role_processes) as usage:
            say(f"Publishing {events:,} call events …")
            first = asyncio.run(_flood(platform, list(_calls(events, callees, chance)), 0))
        details: dict[str, float | int] = {}
        if open_alerts:
            say(f"Adding {open_alerts:,} open alerts …")
            _fill(platform, open_alerts)
            say(f"Publishing {events:,} call events again …")
            again = asyncio.run(_flood(platform, list(_calls(events, callees, chance)), events))
            details = {
                "open_alerts": open_alerts,
                "rate_with_open_alerts": again.rate,
                "p99_ms_with_open_alerts": percentile(again.latencies_ms, 0.99),
                "failures_with_open_alerts": again.missing,
            }
    return Result(
        bench="alerts",
        unit="event",
        count=events,
        rate=first.rate,
        failures=first.missing,
        p50_ms=percentile(first.latencies_ms, 0.5),
        p99_ms=percentile(first.latencies_ms, 0.99),
        cpu_ms=usage.cpu_ms_each(events),
        peak_mb=usage.peak_mb,
        details=details,
    )


def _calls(count: int, callees: int, chance: random.Random) -> Iterator[CallEnded]:
    """Calls of all sorts to ``callees`` phones that are off."""
    choices = [Choice.CALL_BACK, Choice.CALL_BACK, Choice.NONE, Choice.NONE, Choice.CALL_OTHER, Choice.POWER_ON]
    for _ in range(count):
        now = datetime.now(UTC)
        choice = chance.choice(choices)
        yield CallEnded(
            id=uuid.uuid4().hex,
            node="bench",
            trunk="exchange",
            sip_call_id=uuid.uuid4().hex,
            callee=f"86138{chance.randrange(callees):08}",
            caller=f"86139{chance.randrange(10**8):08}",
            reason=Reason.UNREACHABLE,
            treatment=Treatment.MENU,
            choice=choice,
            outcome=Outcome.COMPLETED,
            started_at=now,
            answered_at=now,
            ended_at=now,
            other_number="861088886666" if choice is Choice.CALL_OTHER else "",
        )


async def _flood(platform: Platform, calls: list[CallEnded], before: int) -> _Run:
    """Publish everything as fast as NATS takes it and wait until it is in rows; ``before`` were there."""
    bus = await Bus.connect(platform.config, "bench")
    looking = asyncio.create_task(_look(platform, before + len(calls)))
    started = time.monotonic()
    published: list[float] = []
    for start in range(0, len(calls), _MESSAGE):
        await bus.publish(calls[start : start + _MESSAGE])
        published.append(time.monotonic())
    seen = await looking
    await bus.close()
    done, last = seen[-1][1] - before, seen[-1][0]
    latencies = []
    looks = iter(seen)
    at, count = next(looks)
    for number, moment in enumerate(published):
        wanted = before + min((number + 1) * _MESSAGE, len(calls))
        while count < wanted:
            following = next(looks, None)
            if following is None:
                break
            at, count = following
        latencies.append(1000 * max(0.0, at - moment))
    return _Run(done / (last - started), latencies, len(calls) - done)


async def _look(platform: Platform, wanted: int) -> list[tuple[float, int]]:
    """Count the recorded calls again and again until all are there: (when, how many)."""
    seen: list[tuple[float, int]] = []
    deadline = time.monotonic() + _LIMIT_S
    connection = await psycopg.AsyncConnection.connect(database_url(platform.config), autocommit=True)
    async with connection:
        while time.monotonic() < deadline:
            row = await (await connection.execute("SELECT count(*) FROM alerts_call")).fetchone()
            seen.append((time.monotonic(), int(row[0]) if row else 0))
            if seen[-1][1] >= wanted:
                break
            await asyncio.sleep(_LOOK_EVERY_S)
    return seen


def _fill(platform: Platform, alerts: int) -> None:
    watches = max(1, alerts * _WATCHES_PER_MILLION // 1_000_000)
    with psycopg.connect(database_url(platform.config), autocommit=True) as connection:
        connection.execute(_FILL_WATCHES, {"watches": watches})
        connection.execute(_FILL_ALERTS, {"watches": watches, "alerts": alerts})
        connection.execute("VACUUM ANALYZE alerts_alert")
        connection.execute("VACUUM ANALYZE reachability_watch")
        connection.execute("CHECKPOINT")
