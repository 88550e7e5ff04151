"""Runs the story against a platform of its own, over real SIP, RTP and SMPP, and prints what happens."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape

from louhua.config import split_address
from louhua.db.pool import connect
from louhua.demo.story import AFTER_D, CALLEE, CALLERS, CHARGED, CHARGES, WHEN_ON, Caller, Expected
from louhua.money import yuan
from louhua.numbers import national
from louhua.sandbox.commands import columns, describe
from louhua.sandbox.listening import Library, words
from louhua.sandbox.phone import Phone
from louhua.sandbox.platform import Platform, free_port, settings
from louhua.sandbox.smsc import SandboxSmsc

_TEXTS_LIMIT_S: Final = 15.0
_LOOK_EVERY_S: Final = 0.1
_QUIET_S: Final = 1.5
"""So long nothing more may arrive: what comes twice would come then."""
_COLOURS: Final = {"A": "cyan", "B": "magenta", "C": "green", "D": "yellow"}


def run(console: Console) -> bool:
    """Tell the story; whether every expected text arrived exactly once, and what costs was charged.

    Raises ``StartError``.
    """
    port = free_port(socket.SOCK_STREAM)
    started = time.monotonic()
    console.print("Starting Louhua, with PostgreSQL and NATS, and a small mobile network …")
    well = asyncio.run(_tell(console, port))
    console.print(f"\n{time.monotonic() - started:.0f} s in all.", highlight=False)
    return well


async def _tell(console: Console, port: int) -> bool:
    """Start the network, then the platform, which binds to it; stop both in the end."""
    smsc = SandboxSmsc({"louhua": "sandbox"})
    await smsc.start("127.0.0.1", port)
    platform = Platform(settings(port))
    try:
        await asyncio.to_thread(platform.start)
        return await _Demo(console, platform, smsc).tell()
    finally:
        await asyncio.to_thread(platform.close)
        await smsc.stop()


class _Demo:
    def __init__(self, console: Console, platform: Platform, smsc: SandboxSmsc) -> None:
        self._console = console
        self._platform = platform
        self._script = words()
        self._library = Library.load()
        self._smsc = smsc
        self._shown = dict.fromkeys([CALLEE, *(caller.number for caller in CALLERS)], 0)

    async def tell(self) -> bool:
        """The whole story."""
        self._smsc.phone_off(CALLEE)
        self._say(f"\n[bold]{CALLEE} is off. Four people call:[/]")
        await asyncio.gather(*(self._calls(caller) for caller in CALLERS))
        quiet = await self._nothing_yet()
        self._say(f"\n[bold]{CALLEE} is switched on:[/]")
        self._smsc.phone_on(CALLEE)
        told = await self._expect(WHEN_ON)
        self._say(f"\n[bold]{CALLEE} answers[/] D")
        self._smsc.send(CALLEE, self._platform.config.service.access_number, "D")
        detailed = await self._expect(AFTER_D)
        charged = await self._charged()
        return quiet and told and detailed and charged

    async def _charged(self) -> bool:
        """Wait for the receipt of what was asked for: of five texts, only that one costs anything."""
        deadline = time.monotonic() + _TEXTS_LIMIT_S
        async with connect(self._platform.config) as connection:
            while not (rows := await (await connection.execute(CHARGES)).fetchall()):
                if time.monotonic() > deadline:
                    break
                await asyncio.sleep(_LOOK_EVERY_S)
        self._say("\n[bold]The ledger says:[/]")
        country = self._platform.config.service.country
        for payer, item, amount in rows:
            paid = f"pays {yuan(amount)} yuan: {item}, delivered"
            self._console.print(columns(national(payer, country), "[yellow]ledger[/]", paid), highlight=False)
        return [(national(payer, country), item, amount) for payer, item, amount in rows] == CHARGED

    async def _calls(self, caller: Caller) -> None:
        phone = Phone(caller.number, split_address(self._platform.config.sip.listen), self._library)
        colour = _COLOURS[caller.letter]
        self._say(f"  [{colour}]{caller.letter}[/] {caller.number} {caller.wants}")
        for script in caller.calls:

            def watch(what: str, detail: str) -> None:
                if what in ("hears", "presses", "ended") and not _is_digit(detail):
                    who = f"[{colour}]{caller.letter}[/]"
                    self._console.print(describe(what, detail, self._script, who), highlight=False)

            await phone.call(CALLEE, script, watcher=watch)

    async def _nothing_yet(self) -> bool:
        """Wait until the SMSC holds the probe for the phone that is off; nothing was delivered so far."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TEXTS_LIMIT_S):
                await self._smsc.until(lambda: self._smsc.waiting(CALLEE) > 0)
        delivered = len(self._new_texts())
        self._say(f"\n[bold]Texts delivered so far:[/] {delivered}; the phone is being watched")
        return delivered == 0 and self._smsc.waiting(CALLEE) > 0

    def _new_texts(self) -> list[tuple[str, str]]:
        """What arrived on anybody's phone since it was last shown: (phone, body)."""
        return [
            (phone, text.body) for phone, shown in self._shown.items() for text in self._smsc.inbox(phone)[shown:]
        ]

    async def _expect(self, expected: Sequence[Expected]) -> bool:
        """Wait for the texts, then make sure that no more come; show what every phone got."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TEXTS_LIMIT_S):
                await self._smsc.until(lambda: len(self._new_texts()) >= len(expected))
        await asyncio.sleep(_QUIET_S)
        texts = self._new_texts()
        for phone, body in texts:
            self._shown[phone] += 1
            self._console.print(columns(phone, "[green]gets[/]", escape(body)), highlight=False)
        return self._judge(expected, texts)

    def _judge(self, expected: Sequence[Expected], texts: Sequence[tuple[str, str]]) -> bool:
        well = True
        for item in expected:
            count = sum(phone == item.phone and item.matches(body) for phone, body in texts)
            if count != 1:
                self._say(f"  [bold red]expected once, came {count} times:[/] {item.what}")
                well = False
        if len(texts) != len(expected):
            self._say(f"  [bold red]expected {len(expected)} texts, came {len(texts)}[/]")
            well = False
        return well

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False)


def _is_digit(clip: str) -> bool:
    """Digits read back one by one would fill the screen."""
    return clip.rpartition("/")[2].startswith("digit-")
