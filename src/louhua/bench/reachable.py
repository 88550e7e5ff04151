"""``louhua bench reachable``: phones come back at a steady rate, each with alerts that waited for it.

A unit is a phone; its latency is the time from the publication of its ``phone.reachable`` until its first text is
submitted at the SMSC, which is the sandbox's, in a process of its own.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from louhua.bench import fill
from louhua.bench.results import Result, percentile
from louhua.bench.smsc import Centre, smsc_process
from louhua.bench.usage import Usage
from louhua.bus.events import PhoneReachable, Source
from louhua.bus.nats import Bus
from louhua.sandbox.platform import Platform, settings

_ALERTS_EACH: Final = 2
"""For each phone, unless more are wanted."""
_STEP_S: Final = 0.02
_SETTLE_LIMIT_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.5

Say = Callable[[str], None]


def run(rate: float, seconds: float, open_alerts: int, watches: int, say: Say) -> Result:
    """Bring back ``rate`` phones a second; raises ``StartError`` when the platform cannot start.

    There are ``open_alerts`` on ``watches`` phones, or as many as it takes if that is more.
    """
    count = round(rate * seconds)
    watches = max(watches, count)
    open_alerts = max(open_alerts, _ALERTS_EACH * watches)
    say("Starting the platform …")
    with smsc_process() as centre:
        values = settings(centre.port, {"node": {"roles": ["alert"]}, "smsc": {"window": 500}})
        with Platform(values) as platform:
            say(f"Adding {open_alerts:,} open alerts on {watches:,} phones that are off …")
            fill.add_open(platform.config, open_alerts, watches)
            say(f"Switching on {rate:g} phones a second …")
            with Usage(platform.role_processes) as usage:
                began = time.time()
                published = asyncio.run(_publish(platform, count, rate))
                texted = _await_texts(centre, count)
    waited = [1000 * (texted[number] - at) for number, at in published.items() if number in texted]
    return Result(
        bench="reachable",
        unit="phone",
        count=count,
        rate=len(texted) / (max(texted.values(), default=began + 1) - began),
        failures=count - len(waited),
        p50_ms=percentile(waited, 0.5),
        p99_ms=percentile(waited, 0.99),
        cpu_ms=usage.cpu_ms_each(count),
        peak_mb=usage.peak_mb,
        details={"open_alerts": open_alerts, "watches": watches, "longest_ms": max(waited, default=0.0)},
    )


async def _publish(platform: Platform, count: int, rate: float) -> dict[str, float]:
    """Say that the phones are back, each when it is its turn; when that was said, in seconds since 1970."""
    bus = await Bus.connect(platform.config, "bench")
    published: dict[str, float] = {}
    began = time.monotonic()
    while len(published) < count:
        turn = min(count, int((time.monotonic() - began) * rate) + 1)
        numbers = [f"8615{n + 1:09}" for n in range(len(published), turn)]
        if numbers:
            published.update(dict.fromkeys(numbers, time.time()))
            await bus.publish([_back(number) for number in numbers])
        await asyncio.sleep(_STEP_S)
    await bus.close()
    return published


def _back(number: str) -> PhoneReachable:
    return PhoneReachable(id=uuid.uuid4().hex, number=number, source=Source.API, at=datetime.now(UTC))


def _await_texts(centre: Centre, count: int) -> dict[str, float]:
    """Wait until every phone has a text, or no more come."""
    deadline = time.monotonic() + _SETTLE_LIMIT_S
    while len(texted := centre.first_texts()) < count and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    return texted
