"""Runs a soak from its first call to its reckoning."""

import asyncio
import random
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from louhua.sandbox.platform import Platform, free_port, settings
from louhua.soak import plan
from louhua.soak.books import SETTINGS
from louhua.soak.evidence import collect, introduce
from louhua.soak.faults import Faults
from louhua.soak.ledger import Ledger, Person
from louhua.soak.load import Load
from louhua.soak.network import Network
from louhua.soak.reckoning import Reckoning, reckon

_LOOK_EVERY_S: Final = 0.5
_STEADY_S: Final = 3.0
"""So long nothing may change at rest before it is believed: what comes twice would come then."""
_GIVE_UP_S: Final = 40.0
"""At rest for so long, what is missing does not come: NATS repeats after 30 s what nobody has acknowledged."""

Say = Callable[[str], None]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. Times in seconds; a fault comes every ``every_s``, and lasts ``longest_s`` at most."""

    seconds: float
    seed: int
    per_second: float
    every_s: float
    longest_s: float
    settle_limit_s: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: ``kept`` is the directory with everything, where there are differences.

    ``died_alone``: roles that ended without having been killed; the supervisor brings them back all the same.
    """

    reckoning: Reckoning
    faults: dict[str, int]
    died_alone: int
    settled_s: float
    left: str
    kept: str

    @property
    def well(self) -> bool:
        """Whether nothing differs and nothing is left to do."""
        return self.reckoning.well and not self.left


def run(terms: Terms, say: Say) -> Outcome:
    """Run it; raises ``StartError`` when the platform or the SMSC does not start."""
    port = free_port(socket.SOCK_STREAM)
    platform = Platform(settings(port, _OVERRIDES))
    outcome: Outcome | None = None
    try:
        outcome = asyncio.run(_run(terms, say, platform, port))
        (platform.data / "reckoning.json").write_bytes(msgspec.json.encode(outcome))
        return outcome
    finally:
        if outcome is None or outcome.well:
            shutil.rmtree(platform.data, ignore_errors=True)


_OVERRIDES: Final[dict[str, dict[str, Any]]] = {
    "smsc": {"window": 50},
    "alerts": {"daily_limit": 0, "missed_after_message": True},
    "charging": SETTINGS,
}
"""Every call is told of today, so that the reckoning can wait for it."""


async def _run(terms: Terms, say: Say, platform: Platform, port: int) -> Outcome:
    network = Network(platform.data / "smsc.journal", port)
    ledger = Ledger(platform.data / "calls.ledger")
    try:
        say("Starting Louhua, with PostgreSQL and NATS, and a small mobile network …")
        await network.start()
        await asyncio.to_thread(platform.start)
        return await _Soak(terms, say, platform, network, ledger).run()
    finally:
        await asyncio.to_thread(platform.stop)
        await network.stop()
        ledger.close()


class _Soak:
    def __init__(self, terms: Terms, say: Say, platform: Platform, network: Network, ledger: Ledger) -> None:
        self._terms = terms
        self._say = say
        self._platform = platform
        self._network = network
        self._ledger = ledger
        self._chance = random.Random(terms.seed)  # noqa: S311  # test data
        self._people: list[Person] = plan.people(self._chance)
        self._started = time.monotonic()

    async def run(self) -> Outcome:
        """Load and faults, then rest, then the reckoning."""
        terms = self._terms
        await introduce(self._platform.config, self._people)
        plans = plan.faults(self._chance, terms.seconds, terms.every_s, terms.longest_s)
        load = Load(self._chance, self._platform, self._network, self._ledger, self._people)
        faults = Faults(self._platform, self._network, self._ledger, self._tell)
        self._started = time.monotonic()
        async with asyncio.TaskGroup() as both:
            both.create_task(load.run(terms.seconds, terms.per_second))
            both.create_task(faults.run(plans))
        return await self._settle(faults.never_back)

    def _tell(self, fault: plan.Plan) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        lasts = f"{fault.for_s:.1f} s" if fault.for_s else ""
        calls = f"{len(self._ledger.ended)} calls"
        self._say(f"{minutes:4}:{seconds:02}  {fault.how:7} {fault.target:9} {lasts:>6} {calls:>12}")

    async def _settle(self, never_back: list[str]) -> Outcome:
        """Wait until everything is as it must be and stays so, or until it never will be."""
        self._say("The faults are over; waiting until the platform has done everything …")
        begun = time.monotonic()
        resting_since = well_since = None
        reckoning, left = Reckoning(), "everything"
        while (now := time.monotonic()) - begun < self._terms.settle_limit_s:
            try:
                evidence, left = await collect(
                    self._platform.config, self._ledger, self._people, self._network.journal
                )
                reckoning = reckon(evidence)
            except psycopg.OperationalError:
                left = "no database"
            resting_since = None if left else resting_since or now
            well_since = None if left or not reckoning.well else well_since or now
            if well_since is not None and now - well_since >= _STEADY_S:
                break
            if resting_since is not None and now - resting_since >= _GIVE_UP_S:
                break
            await asyncio.sleep(_LOOK_EVERY_S)
        amiss = [left] if left else []
        amiss += [f"{target} did not come back" for target in never_back]
        return self._outcome(reckoning, ", ".join(amiss), time.monotonic() - begun)

    def _outcome(self, reckoning: Reckoning, left: str, settled_s: float) -> Outcome:
        made: dict[str, int] = {}
        for fault in self._ledger.faults:
            name = f"{fault.how} {fault.target}"
            made[name] = made.get(name, 0) + 1
        kept = "" if reckoning.well and not left else str(self._platform.data)
        return Outcome(
            reckoning=reckoning, faults=dict(sorted(made.items())),
            died_alone=_died_alone(self._platform.log_path),
            settled_s=round(settled_s, 1), left=left, kept=kept,
        )  # fmt: skip


def _died_alone(log: Path) -> int:
    """How many deaths of roles the platform has logged that were none by SIGKILL."""
    with log.open(errors="replace") as lines:
        return sum('"event": "role.died"' in line and '"status": -9,' not in line for line in lines)
