"""A call server in a process of its own, and SIPp as its callers."""

import contextlib
import itertools
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.calls.sipp.scenario import Scenario
from tests.workers import own_ports

_SERVER = Path(__file__).with_name("server.py")
_NEWS_LIMIT_S = 15.0
_media_ports = itertools.cycle(own_ports(10_000, 20_000)[::50])


class Caller:
    """One run of SIPp."""

    def __init__(
        self, server: "Server", scenario: Scenario, *, source: str, calls: int, rate: int, directory: Path
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self._server = server
        self._directory = directory
        scenario.write(directory / "scenario.xml")
        self._process = subprocess.Popen(
            [
                "sipp", f"127.0.0.1:{server.port}", "-sf", "scenario.xml", "-i", source, "-m", str(calls),
                "-r", str(rate), "-l", str(calls), "-nostdin", "-cid_str", f"{self.id}-%u",
                "-timeout", "45s", "-timeout_error", "-mp", str(next(_media_ports)),
                "-trace_err", "-error_file", "errors.txt", "-trace_msg", "-message_file", "messages.txt",
            ],
            cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def finish(self) -> str:
        """Wait until it is over; what it sent and received. Fails the test if anything was not as expected."""
        _, errors = self._process.communicate(timeout=60)
        messages = self._read("messages.txt")
        if self._process.returncode != 0:
            errors_file = self._read("errors.txt")[-3000:]
            log = self._server.log()[-3000:]
            pytest.fail(
                f"sipp: {self._process.returncode}\n{errors.decode()[-2000:]}\n{errors_file}\n"
                f"{messages[-6000:]}\nserver's log:\n{log}"
            )
        return messages

    def stop(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()

    def _read(self, name: str) -> str:
        path = self._directory / name
        return path.read_text(errors="replace") if path.exists() else ""


def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Wait for something that nobody tells."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Server:
    """The server's process: its port, its news, its orders."""

    def __init__(self, data: Path, **settings: object) -> None:
        self.data = data
        arguments = {"data": str(data), "first_port": own_ports(20_000, 28_000)[0], **settings}
        self._log = (data / "log.txt").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, str(_SERVER), json.dumps(arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        self.news: list[dict[str, Any]] = []
        self._fresh: queue.Queue[dict[str, Any]] = queue.Queue()
        self._callers: list[Caller] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        self.port: int = self.wait("listening")["port"]

    def call(self, scenario: Scenario, *, source: str = "127.0.0.1", calls: int = 1, rate: int = 50) -> Caller:
        """Let SIPp call."""
        directory = Path(tempfile.mkdtemp(prefix="caller-", dir=self.data))
        caller = Caller(self, scenario, source=source, calls=calls, rate=rate, directory=directory)
        self._callers.append(caller)
        return caller

    def order(self, text: str) -> None:
        """Have the server do something."""
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), f"{text}\n".encode())
        self.wait("done", order=text.split()[0])

    def wait(self, news: str, limit_s: float = _NEWS_LIMIT_S, **fields: object) -> dict[str, Any]:
        """The first news of this kind with these fields, not seen by an earlier wait."""
        wanted = {"news": news, **fields}
        return self._find(lambda entry: wanted.items() <= entry.items(), str(wanted), limit_s)

    def ended(self, caller: Caller, limit_s: float = _NEWS_LIMIT_S) -> dict[str, Any]:
        """The event of the caller's call."""

        def is_it(entry: dict[str, Any]) -> bool:
            return entry["news"] == "ended" and _is_of(entry["event"], caller)

        event: dict[str, Any] = self._find(is_it, f"event of {caller.id}", limit_s)["event"]
        return event

    def _find(self, is_it: Callable[[dict[str, Any]], bool], wanted: str, limit_s: float) -> dict[str, Any]:
        deadline = time.monotonic() + limit_s
        while True:
            for number, entry in enumerate(self.news):
                if is_it(entry):
                    return self.news.pop(number)
            try:
                self.news.append(self._fresh.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                pytest.fail(f"no {wanted}; there is {self.news}\n{self.log()[-4000:]}")

    def events_of(self, caller: Caller) -> list[dict[str, Any]]:
        """The caller's events that have come and that nobody has taken yet."""
        while not self._fresh.empty():
            self.news.append(self._fresh.get())
        ended = [entry["event"] for entry in self.news if entry["news"] == "ended"]
        return [event for event in ended if _is_of(event, caller)]

    def log(self) -> str:
        """What the server logged."""
        return (self.data / "log.txt").read_text()

    def stop(self) -> None:
        """End the server and its callers."""
        for caller in self._callers:
            caller.stop()
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            os.write(self.process.stdin.fileno(), b"stop 0\n")
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._listener.join()
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self._log.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._fresh.put(json.loads(line))


def _is_of(event: dict[str, Any], caller: Caller) -> bool:
    return str(event["sip_call_id"]).startswith(f"{caller.id}-")


@pytest.fixture(scope="session")
def sipp() -> None:
    """SIPp is there."""
    if shutil.which("sipp") is None:
        pytest.fail("sipp is not installed; tools/test-peers.sh installs it")


@pytest.fixture(scope="module")
def server(sipp: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with usual limits, shared by the tests of a module."""
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture
def servers(sipp: None, tmp_path: Path) -> Iterator[list[Server]]:
    """Servers that a test starts with settings of its own; they are stopped after it."""
    running: list[Server] = []
    yield running
    for each in running:
        each.stop()
