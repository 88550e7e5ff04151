"""The mobile network of a soak: keeps the SMSC's process alive and gives it its orders.

An order is repeated until a process has confirmed it; all orders are such that twice is as good as once.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Final

import msgspec
import psutil

from louhua.processes import StartError, child_command
from louhua.soak.smsc import OK, Dawdle, Order, Switch

_RESTART_AFTER_S: Final = 0.5
_STOP_LIMIT_S: Final = 10.0

_encode = msgspec.json.Encoder().encode


class Network:
    """An SMSC that comes back when it is killed, and the phones behind it."""

    def __init__(self, journal: Path, port: int) -> None:
        self.journal = journal
        self._port = port
        self._process: Process | None = None
        self._ready = asyncio.Event()
        self._busy = asyncio.Lock()
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the SMSC; raises ``StartError`` when it does not."""
        self._keeping = asyncio.create_task(self._keep())
        waiting = asyncio.create_task(self._ready.wait())
        await asyncio.wait({self._keeping, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._keeping.done():
            self._keeping.result()

    async def stop(self) -> None:
        """Stop it for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._process is not None and self._process.returncode is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_LIMIT_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    @property
    def process(self) -> psutil.Process | None:
        """The SMSC's process, while there is one."""
        if self._process is None or self._process.returncode is not None or not self._ready.is_set():
            return None
        return psutil.Process(self._process.pid)

    async def switch(self, number: str, *, on: bool) -> None:
        """Switch a phone on or off; returns when that is so."""
        await self._order(Switch(number, on))

    async def dawdle(self, seconds: float) -> None:
        """Have the SMSC answer late; 0 ends it."""
        await self._order(Dawdle(seconds))

    async def _order(self, order: Order) -> None:
        async with self._busy:
            while True:
                await self._ready.wait()
                process = self._process
                assert process is not None
                assert process.stdin is not None
                assert process.stdout is not None
                with contextlib.suppress(OSError):
                    process.stdin.write(_encode(order) + b"\n")
                    if await process.stdout.readline() == OK:
                        return
                await process.wait()
                if process is self._process:
                    self._ready.clear()

    async def _keep(self) -> None:
        """Start it, and again whenever it has died; raises ``StartError`` when it does not start at all."""
        started = False
        while True:
            self._process = await asyncio.create_subprocess_exec(
                *child_command([sys.executable, "-m", "louhua.soak.smsc", str(self.journal), str(self._port)]),
                stdin=PIPE, stdout=PIPE, start_new_session=True,
            )  # fmt: skip
            assert self._process.stdout is not None
            if await self._process.stdout.readline() == OK:
                started = True
                self._ready.set()
            elif not started:
                raise StartError(f"the SMSC did not start on port {self._port}; see above")
            await self._process.wait()
            self._ready.clear()
            await asyncio.sleep(_RESTART_AFTER_S)
