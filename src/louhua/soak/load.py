"""The load: calls at a steady rate, and phones that go on and off; all of it written down."""

import asyncio
import random
import time
import uuid

from louhua.bus.events import Reason
from louhua.config import split_address
from louhua.sandbox.listening import Library
from louhua.sandbox.phone import CallReport, Phone, PhoneError
from louhua.sandbox.platform import Platform
from louhua.soak import plan
from louhua.soak.ledger import Dialled, Ended, Ledger, Person
from louhua.soak.network import Network
from louhua.together import end

_ANSWER_LIMIT_S = 8.0
_CALL_LIMIT_S = 25.0
_FORWARDED_ON = (Reason.NO_ANSWER, Reason.BUSY)


class Load:
    """Callers and callees; nobody is called while their phone is being switched."""

    def __init__(
        self, chance: random.Random, platform: Platform, network: Network, ledger: Ledger, people: list[Person]
    ) -> None:
        self._chance = chance
        self._platform = platform
        self._network = network
        self._ledger = ledger
        self._on = {person.number: True for person in people}
        self._switching: set[str] = set()
        self._callers = plan.callers(chance)
        self._library = Library.load()
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self, seconds: float, per_second: float) -> None:
        """Call for ``seconds``, let the last calls end, then have every phone on."""
        switching = {asyncio.create_task(self._switch_now_and_then(number)) for number in self._on}
        try:
            await self._call_steadily(seconds, per_second)
        finally:
            await end(switching)
        await asyncio.gather(*self._calls)
        for number in self._on:
            await self._network.switch(number, on=True)

    async def _call_steadily(self, seconds: float, per_second: float) -> None:
        begun = time.monotonic()
        made = 0
        while (now := time.monotonic() - begun) < seconds:
            while made <= now * per_second:
                made += 1
                self._place_call()
            await asyncio.sleep(made / per_second - now)

    async def _switch_now_and_then(self, number: str) -> None:
        while True:
            await asyncio.sleep(plan.pause(self._chance, on=self._on[number]))
            self._switching.add(number)
            await self._network.switch(number, on=not self._on[number])
            self._on[number] = not self._on[number]
            self._switching.discard(number)

    def _place_call(self) -> None:
        callee = self._chance.choice([number for number in self._on if number not in self._switching] or [""])
        if not callee:
            return
        reason = self._chance.choice(_FORWARDED_ON) if self._on[callee] else Reason.UNREACHABLE
        dialled = Dialled(
            call_id=f"{uuid.uuid4().hex}@soak",
            at=time.time(),
            caller=self._chance.choice(self._callers),
            callee=callee,
            reason=reason,
            wants=plan.wish(self._chance, reason),
        )
        self._ledger.write(dialled)
        task = asyncio.create_task(self._call(dialled))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _call(self, dialled: Dialled) -> None:
        phone = Phone(dialled.caller, split_address(self._platform.config.sip.listen), self._library)
        answered: list[float] = []

        def watch(what: str, _detail: str) -> None:
            if what == "answered":
                answered.append(time.time())

        try:
            report = await phone.call(
                dialled.callee,
                plan.script(dialled.wants),
                reason=dialled.reason,
                watcher=watch,
                answer_limit_s=_ANSWER_LIMIT_S,
                limit_s=_CALL_LIMIT_S,
                call_id=dialled.call_id,
            )
        except PhoneError:
            report = CallReport(caller=dialled.caller, callee=dialled.callee, reason=dialled.reason)
        self._ledger.write(_ended(dialled.call_id, report, min(answered, default=None)))


def _ended(call_id: str, report: CallReport, answered_at: float | None) -> Ended:
    return Ended(
        call_id=call_id,
        at=time.time(),
        noticed=report.noticed,
        answered_at=answered_at,
        status=report.status,
        ended_by=report.ended_by,
        pressed=report.pressed,
        heard=tuple(heard.clip.rpartition("/")[2] for heard in report.heard),
    )
