"""Louhua's adapter, Debian's freeDiameter as the relay, and the sandbox's charging system, all on loopback."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.peers.freediameter import FreeDiameter, free_port

from louhua.charging.credit import Ask, Settled, Settlement
from louhua.charging.diameter.online import OnlineCharging
from louhua.creditors import Diameter

REALM = "ocs.example"
PAYER = "8613800138000"
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
PATIENCE_S = 30
WARM_UP = "warm-up"


def diameter(port: int, **other: Any) -> Diameter:
    return Diameter.model_validate({
        "peers": [f"127.0.0.1:{port}"], "origin_host": "alert1.louhua.example", "origin_realm": "louhua.example",
        "destination_realm": REALM, "timeout": "2s",
    } | other)  # fmt: skip


def ask(session: str, amount: int = 100, payer: str = PAYER, *, again: bool = False) -> Ask:
    return Ask(session=session, payer=payer, item="missed", amount=amount, at=AT, again=again)


def used(session: str, amount: int, payer: str = PAYER, **other: Any) -> Settlement:
    return Settlement(session=session, payer=payer, item="missed", used=amount, at=AT, **other)


@asynccontextmanager
async def charging(config: Diameter, *, connected: bool = True) -> AsyncIterator[OnlineCharging]:
    """The adapter while it runs."""
    adapter = OnlineCharging(config)
    running = asyncio.create_task(adapter.run())
    try:
        if connected:
            await asyncio.wait_for(adapter.connected(), PATIENCE_S)
        yield adapter
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class OcsProcess:
    """``louhua sandbox ocs`` as a user starts it; what it prints is kept."""

    def __init__(self, directory: Path, port: int, client: str, balance: str = "1.000", *more: str) -> None:
        self.port = port
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._command = [
            sys.executable, "-m", "louhua.cli", "sandbox", "ocs", "-c", str(directory / "louhua.toml"), "--listen",
            f"127.0.0.1:{port}", "--balance", balance, "--client", client, "--empty", "8613900139000", *more,
        ]  # fmt: skip
        (directory / "louhua.toml").write_text(
            f'[charging.diameter]\npeers = ["127.0.0.1:{port}"]\norigin_host = "x.louhua.example"\n'
            f'origin_realm = "louhua.example"\ndestination_realm = "{REALM}"\n'
        )
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.lines.clear()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listener.start()
        self.await_line("listens")

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._news:
                self.lines.append(line.rstrip())
                self._news.notify_all()
        process.stdout.close()

    def await_line(self, pattern: str) -> str:
        """The first line with ``pattern``, as soon as it is printed."""

        def found() -> str:
            return next((line for line in self.lines if re.search(pattern, line)), "")

        with self._news:
            assert self._news.wait_for(found, PATIENCE_S), f"no {pattern!r} in {self.lines}"
            return found()

    def await_requests(self, count: int) -> list[tuple[str, str]]:
        """Session and balance after each request, those of ``until_routed`` left out, once there are ``count``.

        What is printed before an answer is sent may be read after the answer.
        """

        def found() -> list[tuple[str, str]]:
            matches = (re.search(r"balance ([0-9.]+), session (\S+)", line) for line in self.lines)
            return [(each[2], each[1]) for each in matches if each and not each[2].endswith(WARM_UP)]

        with self._news:
            assert self._news.wait_for(lambda: len(found()) >= count, PATIENCE_S), self.lines
            return found()

    def freeze(self) -> None:
        """Let it hang: all its threads stand still when this returns."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._listener.join(PATIENCE_S)
            self._process = None


class Network:
    """The relay and the charging system."""

    def __init__(self, directory: Path) -> None:
        self.ocs = OcsProcess(directory, free_port(), FreeDiameter.identity)
        self.relay = FreeDiameter(directory, "alert1.louhua.example", f"ocs.{REALM}", self.ocs.port)

    @property
    def config(self) -> Diameter:
        return diameter(self.relay.port)


@contextmanager
def network(directory: Path) -> Iterator[Network]:
    built = Network(directory)
    try:
        built.ocs.start()
        built.relay.start()
        yield built
    finally:
        built.relay.stop()
        built.ocs.kill()


async def until_routed(adapter: OnlineCharging) -> None:
    """Wait until the relay knows its way to the charging system: a session is ended that never was."""
    async with asyncio.timeout(PATIENCE_S):
        while await adapter.settle([used(WARM_UP, 0)]) != [Settled.DONE]:
            await asyncio.sleep(0.1)
