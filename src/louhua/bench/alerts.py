"""``louhua bench alerts``: call events from NATS through merging to rows; also on a full platform, or while old
records go.

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

from louhua.bench import fill
from louhua.bench.housekeeping import housekeeper_process
from louhua.bench.results import Result, percentile
from louhua.bench.rules import register, settings_with_rules
from louhua.bench.smsc import smsc_process
from louhua.bench.usage import Usage
from louhua.bus.events import CallEnded, Choice, Outcome, Reason, Treatment
from louhua.bus.nats import Bus
from louhua.db.pool import connect, database_url
from louhua.sandbox.platform import Platform, settings

_MESSAGE: Final = 100
_LOOK_EVERY_S: Final = 0.1
_LIMIT_S: Final = 300.0
_RECORDED: Final = "SELECT count(*) FROM alerts_call WHERE started_at >= %(since)s"
_TURNS: Final = 3

Say = Callable[[str], None]


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform is measured with after it was measured empty; 0 is not at all.

    ``old_records`` are so many calls, alerts and texts each that retention removes meanwhile.
    """

    open_alerts: int = 0
    watches: int = 1
    old_records: int = 0


class _Run(msgspec.Struct):
    """One measured flood of events."""

    rate: float
    latencies_ms: list[float]
    missing: int

    def figures(self, when: str) -> dict[str, float | int]:
        """As details of a result."""
        return {
            f"rate_{when}": self.rate,
            f"p99_ms_{when}": percentile(self.latencies_ms, 0.99),
            f"failures_{when}": self.missing,
        }


def run(events: int, callees: int, filling: Filling, say: Say, *, rules: bool = False) -> Result:
    """Flood an empty platform, then one that is full; raises ``StartError`` when it cannot start.

    ``rules``: every rule is on, and every callee has a profile and lists.
    """
    flood = _Flood(events, callees, say)
    values: dict[str, dict[str, Any]] = {"node": {"roles": ["alert"]}, "alerts": {"probe_hold_off": "1h"}}
    say("Starting the platform …")
    with smsc_process() as centre, Platform(_settings(centre.port, values, rules=rules)) as platform:
        if rules:
            register(database_url(platform.config), callees)
        fill.leave_room(platform.config, filling.old_records)
        with Usage(platform.role_processes) as usage:
            first = flood.run(platform)
        details: dict[str, float | int] = {}
        if filling.open_alerts:
            say(f"Adding {filling.open_alerts:,} open alerts on {filling.watches:,} watches …")
            fill.add_open(platform.config, filling.open_alerts, filling.watches)
            details |= {"open_alerts": filling.open_alerts, "watches": filling.watches}
            details |= flood.run(platform).figures("with_open_alerts")
            details["disk_gb"] = fill.disk_gb(platform.config.node.data)
        if filling.old_records:
            details |= _flood_while_purging(platform, filling.old_records, flood, say)
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


def _settings(port: int, values: dict[str, dict[str, Any]], *, rules: bool) -> dict[str, Any]:
    return settings_with_rules(settings(port, values)) if rules else settings(port, values)


def _flood_while_purging(platform: Platform, old: int, flood: "_Flood", say: Say) -> dict[str, float | int]:
    """Flood by turns beside the old records and while they go: the medians, as machines have moods."""
    say(f"Adding {old:,} old calls, alerts and texts …")
    fill.add_old(platform.config, old)
    beside, while_purging = [], []
    for _ in range(_TURNS):
        beside.append(flood.run(platform))
        with housekeeper_process(platform.config_path):
            while_purging.append(flood.run(platform))
    return {
        "old_records": old,
        **_median(beside).figures("with_old_records"),
        **_median(while_purging).figures("while_purging"),
        "alerts_purged_meanwhile": fill.first_alert(platform.config) - 1,
    }


def _median(runs: list[_Run]) -> _Run:
    return sorted(runs, key=lambda run: run.rate)[len(runs) // 2]


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


class _Flood:
    """Publishes as many events as are wanted, each time others."""

    def __init__(self, events: int, callees: int, say: Say) -> None:
        self._events = events
        self._callees = callees
        self._say = say
        self._chance = random.Random(20261123)  # noqa: S311  # test data

    def run(self, platform: Platform) -> _Run:
        """Publish everything as fast as NATS takes it and wait until it is in rows."""
        self._say(f"Publishing {self._events:,} call events …")
        return asyncio.run(_publish(platform, list(_calls(self._events, self._callees, self._chance))))


async def _publish(platform: Platform, calls: list[CallEnded]) -> _Run:
    bus = await Bus.connect(platform.config, "bench")
    looking = asyncio.create_task(_look(platform, calls[0].started_at, len(calls)))
    started = time.monotonic()
    published: list[float] = []
    for start in range(0, len(calls), _MESSAGE):
        await bus.publish(calls[start : start + _MESSAGE])
        published.append(time.monotonic())
    seen = await looking
    await bus.close()
    last, done = seen[-1]
    latencies = []
    looks = iter(seen)
    at, count = next(looks)
    for number, moment in enumerate(published):
        wanted = min((number + 1) * _MESSAGE, len(calls))
        while count < wanted:
            following = next(looks, None)
            if following is None:
                break
            at, count = following
        latencies.append(1000 * max(0.0, at - moment))
    return _Run(done / (last - started), latencies, len(calls) - done)


async def _look(platform: Platform, since: datetime, wanted: int) -> list[tuple[float, int]]:
    """Count the calls recorded since again and again until all are there: (when, how many)."""
    seen: list[tuple[float, int]] = []
    deadline = time.monotonic() + _LIMIT_S
    async with connect(platform.config) as connection:
        while time.monotonic() < deadline:
            row = await (await connection.execute(_RECORDED, {"since": since})).fetchone()
            seen.append((time.monotonic(), int(row[0]) if row else 0))
            if seen[-1][1] >= wanted:
                break
            await asyncio.sleep(_LOOK_EVERY_S)
    return seen
