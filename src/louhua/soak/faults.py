"""Makes the faults of a plan: kills, freezes and slows processes of the platform and of the network.

Only processes that the soak has started are touched, each by its pid. What was frozen is thawed, come what may.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from typing import Final

import psutil

from louhua.sandbox.platform import Platform
from louhua.soak.ledger import Fault, Ledger
from louhua.soak.network import Network
from louhua.soak.plan import Plan

_AWAIT_S: Final = 60.0
"""How long a fault waits for a victim that has not come back from the last one."""
_LOOK_EVERY_S: Final = 0.1
_LATE_S: Final = 0.4
"""How late a slow SMSC answers."""

Told = Callable[[Plan], None]


class Faults:
    """The faults of one soak; ``tell`` hears of each as it begins."""

    def __init__(self, platform: Platform, network: Network, ledger: Ledger, tell: Told) -> None:
        self._platform = platform
        self._network = network
        self._ledger = ledger
        self._tell = tell
        self.never_back: list[str] = []
        """Processes that did not come back from a fault."""

    async def run(self, plans: Sequence[Plan]) -> None:
        """Make all of them, each at its time or as soon as its victim is there; they may overlap."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as lasting:
            for plan in plans:
                await asyncio.sleep(max(0.0, begun + plan.at_s - time.monotonic()))
                victims = await self._victims(plan)
                if not victims:
                    self.never_back.append(plan.target)
                    return
                self._tell(plan)
                lasting.create_task(self._make(plan, victims))

    async def _victims(self, plan: Plan) -> list[psutil.Process]:
        deadline = time.monotonic() + _AWAIT_S
        while time.monotonic() < deadline:
            victims = await asyncio.to_thread(self._look, plan)
            if victims:
                return victims
            await asyncio.sleep(_LOOK_EVERY_S)
        return []

    def _look(self, plan: Plan) -> list[psutil.Process]:
        with contextlib.suppress(psutil.NoSuchProcess):
            if plan.target == "smsc":
                process = self._network.process
                return [process] if process else []
            found = self._platform.role_processes()
            if plan.target == "media":
                return found.get("call", [])[1:]
            family = found.get(plan.target, [])
            return family if plan.how == "freeze" and plan.target == "postgres" else family[:1]
        return []

    async def _make(self, plan: Plan, victims: Sequence[psutil.Process]) -> None:
        begun = time.time()
        match plan.how:
            case "kill":
                _signal(victims, signal.SIGKILL)
            case "freeze":
                _signal(victims, signal.SIGSTOP)
                try:
                    await asyncio.sleep(plan.for_s)
                finally:
                    _signal(victims, signal.SIGCONT)
            case "slow":
                await self._network.dawdle(_LATE_S)
                await asyncio.sleep(plan.for_s)
                await self._network.dawdle(0.0)
        self._ledger.write(Fault(at=begun, until=time.time(), how=plan.how, target=plan.target))


def _signal(victims: Sequence[psutil.Process], number: signal.Signals) -> None:
    """Signal processes that may have gone meanwhile."""
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.send_signal(number)
