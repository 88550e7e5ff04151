"""A whole platform with its network: SMSC and phones in this process, Louhua in its own."""

import asyncio
import time
from collections.abc import Callable

from louhua.config import split_address
from louhua.sandbox.listening import Library
from louhua.sandbox.phone import Phone
from louhua.sandbox.platform import Platform
from louhua.sandbox.smsc import SandboxSmsc


class Clock:
    """The SMSC's clock, which can be put forward: seconds since 1970."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


class World:
    """The platform, the SMSC with its clock, and phones to call with."""

    def __init__(self, platform: Platform, smsc: SandboxSmsc, clock: Clock) -> None:
        self.platform = platform
        self.smsc = smsc
        self.clock = clock
        self._library = Library.load()

    def phone(self, number: str) -> Phone:
        return Phone(number, split_address(self.platform.config.sip.listen), self._library)

    async def until(self, condition: Callable[[], bool], limit_s: float = 30) -> None:
        """Wait until something is so; an assertion fails when it never is."""
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            log = self.platform.log_path.read_text(errors="replace")
            raise AssertionError(f"it did not happen in {limit_s} s; the log ends:\n{log[-4000:]}") from None


Live = Callable[..., None]
