"""Kamailio as a registrar: started on loopback with a database of its own, stopped when done."""

import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

_CONFIG = Path(__file__).with_name("kamailio.cfg")
_SCHEMA = Path("/usr/share/kamailio/db_sqlite")
_MODULES = Path("/usr/lib/x86_64-linux-gnu/kamailio/modules")


def free_port() -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Kamailio:
    """A registrar; ``start`` again after ``stop`` has forgotten all registrations and subscriptions."""

    def __init__(self, directory: Path, min_expires: int = 1, max_expires: int = 3600) -> None:
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = directory / "kamailio.log"
        self._directory = directory
        self._expires = min_expires, max_expires
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it answers."""
        database = self._directory / "kamailio.sqlite"
        database.unlink(missing_ok=True)
        connection = sqlite3.connect(database)
        for part in ("standard", "presence"):
            connection.executescript((_SCHEMA / f"{part}-create.sql").read_text())
        connection.close()
        modules = next(Path("/usr/lib").glob("*/kamailio/modules"), _MODULES)
        text = _CONFIG.read_text()
        for name, value in {
            "@MODULES@": f"{modules}/", "@DATABASE@": str(database), "@ADDRESS@": self.address,
            "@MIN_EXPIRES@": str(self._expires[0]), "@MAX_EXPIRES@": str(self._expires[1]),
        }.items():  # fmt: skip
            text = text.replace(name, value)
        config = self._directory / "kamailio.cfg"
        config.write_text(text)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["kamailio", "-DD", "-E", "-m", "32", "-M", "4", "-f", config, "-l", f"udp:{self.address}",
                 "-Y", self._directory, "-P", self._directory / "kamailio.pid"],
                stdout=log, stderr=log, cwd=self._directory,
            )  # fmt: skip
        self._await_answer()

    def _await_answer(self) -> None:
        question = (
            "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKq;rport\r\n"
            "From: <sip:t@t>;tag=t\r\nTo: <sip:x>\r\nCall-ID: q\r\n"
            "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(0.2)
            wire.connect(("127.0.0.1", self.port))
            for _ in range(100):
                assert self._process is not None
                assert self._process.poll() is None, self.log.read_text(errors="replace")[-4000:]
                try:
                    wire.send(question.encode())
                    wire.recv(4096)
                    return
                except ConnectionRefusedError:
                    time.sleep(0.1)
                except TimeoutError:
                    continue
        raise AssertionError(f"Kamailio does not answer:\n{self.log.read_text(errors='replace')[-4000:]}")

    def stop(self) -> None:
        """Stop; what it knew is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def register(self, number: str, expires: int = 600) -> None:
        """A phone registers, by SIPp; with ``expires`` 0 it leaves."""
        subprocess.run(
            ["sipp", self.address, "-sf", _CONFIG.with_name("register.xml"), "-m", "1", "-s", f"+{number}", "-i",
             "127.0.0.1", "-key", "expires", str(expires), "-timeout", "20s", "-nostdin"],
            check=True, capture_output=True, timeout=30, cwd=self._directory,
        )  # fmt: skip
