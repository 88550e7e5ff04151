"""``louhua bench calls``: forwarded calls at a steady rate, SIPp as the generator, all of Louhua behind.

Each call: INVITE with Diversion, 200, ACK, the menu, key 2 (RFC 4733) after three seconds, a goodbye, BYE
from the platform. A call has failed when SIPp says so, when its key was sent and not understood, or when no
record of it exists in the end.
"""

import csv
import itertools
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from louhua.bench.results import Result, percentile
from louhua.bench.smsc import smsc_process
from louhua.bench.sniffer import Sniffer
from louhua.bench.usage import Usage
from louhua.db.pool import database_url
from louhua.processes import StartError
from louhua.sandbox.platform import Platform, free_port, settings

_KEY: Final = Path("/usr/share/sip-tester/dtmf_2833_2.pcap")
_SCENARIO: Final = Path(__file__).parent / "forwarded_call.xml"
_SETTLE_LIMIT_S: Final = 30.0

Say = Callable[[str], None]


def run(rate: float, seconds: float, say: Say) -> Result:
    """Place ``rate`` calls a second for ``seconds`` and report; raises ``StartError`` when it cannot."""
    _require_generator()
    count = round(rate * seconds)
    overrides: dict[str, dict[str, Any]] = {
        "sip": {"max_calls": 5000},
        "node": {"roles": ["call", "alert"]},
        "alerts": {"probe_hold_off": "1h"},
    }
    say("Starting the platform …")
    with smsc_process() as centre, Platform(settings(centre.port, overrides)) as platform:
        media_port = free_port(socket.SOCK_DGRAM) // 2 * 2
        with tempfile.TemporaryDirectory(prefix="louhua-bench-") as directory, Sniffer(media_port) as sniffer:
            say(f"Placing {count:,} calls, {rate:g} a second …")
            with Usage(platform.role_processes) as usage:
                _generate(Path(directory), platform.config.sip.listen, media_port, rate, count)
                records = _await_records(platform, count)
            figures = _read_statistics(Path(directory))
            answer_ms = _read_answer_times(Path(directory))
    lost_keys = max(0, sniffer.keys_pressed - records.understood)
    failed = int(figures["FailedCall(C)"]) + lost_keys + max(0, int(figures["SuccessfulCall(C)"]) - records.count)
    spent = usage.cpu_ms_each(count)
    spent.pop("web", None)
    return Result(
        bench="calls",
        unit="call",
        count=count,
        rate=records.rate,
        failures=failed,
        p50_ms=percentile(answer_ms, 0.5),
        p99_ms=percentile(answer_ms, 0.99),
        cpu_ms={**spent, "total": sum(value for role, value in spent.items() if role != "total")},
        peak_mb=usage.peak_mb,
        details={
            "at_once": int(figures["peak"]),
            "retransmissions": int(figures["Retransmissions(C)"]),
            "keys_sent": sniffer.keys_pressed,
            "keys_understood": records.understood,
            "records": records.count,
            "rtp_gap_p50_ms": percentile(sniffer.gaps_ms, 0.5),
            "rtp_gap_p99_ms": percentile(sniffer.gaps_ms, 0.99),
        },
    )


def _require_generator() -> None:
    if shutil.which("sipp") is None:
        raise StartError("SIPp was not found; install it: apt-get install sip-tester")
    if os.geteuid() != 0:
        raise StartError("SIPp needs raw sockets to press keys; run this measurement as root")
    if not _KEY.exists():
        raise StartError(f"{_KEY} is missing; reinstall the package sip-tester")


def _generate(directory: Path, target: str, media_port: int, rate: float, count: int) -> None:
    numbers = directory / "numbers.csv"
    numbers.write_text("SEQUENTIAL\n" + "".join(itertools.islice(_numbers(), min(count, 50_000))))
    shutil.copy(_KEY, directory / "key.pcap")
    shutil.copy(_SCENARIO, directory / "call.xml")
    step_ms, each = _pace(rate)
    command = [
        "sipp", target, "-sf", "call.xml", "-inf", numbers.name, "-r", str(each), "-rp", str(step_ms),
        "-m", str(count), "-l", "100000", "-i", "127.0.0.1", "-p", str(free_port(socket.SOCK_DGRAM)),
        "-mi", "127.0.0.1", "-mp", str(media_port), "-trace_stat", "-stf", "stat.csv", "-fd", "1",
        "-trace_rtt", "-rtt_freq", "10", "-nostdin", "-timeout", f"{int(count / rate + 60)}s",
        "-recv_timeout", "20000", "-max_socket", "65000",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if not (directory / "stat.csv").exists():
        raise StartError(f"SIPp did not run: {done.stderr.strip()[-400:]}")


def _pace(rate: float) -> tuple[int, int]:
    """SIPp starts ``each`` calls every ``step`` ms: the smallest steps that keep the rate to half a percent."""
    for each in itertools.count(1):
        step_ms = max(1, round(1000 * each / rate))
        if abs(1000 * each / step_ms - rate) <= rate / 200:
            return step_ms, each
    raise AssertionError("some multiple of the rate is near a whole number")


def _numbers() -> Iterator[str]:
    """Pairs of caller and callee, all callees different, in an order that is the same every time."""
    shuffled = random.Random(20261123)  # noqa: S311  # test data
    for _ in itertools.count():
        yield f"139{shuffled.randrange(10**8):08};138{shuffled.randrange(10**8):08};\n"


class _Records(msgspec.Struct, frozen=True):
    """What the platform recorded: calls, those with key 2, and the rate at which they came."""

    count: int = 0
    understood: int = 0
    rate: float = 0.0


_RECORDS: Final = """
SELECT count(*), count(*) FILTER (WHERE choice = 'call_back'),
       coalesce((count(*) - 1) / nullif(extract(epoch FROM max(started_at) - min(started_at)), 0), 0)
  FROM alerts_call
"""


def _await_records(platform: Platform, count: int) -> _Records:
    """Wait until every call is recorded, or no more come."""
    seen, deadline = _Records(), time.monotonic() + _SETTLE_LIMIT_S
    with psycopg.connect(database_url(platform.config), autocommit=True) as connection:
        while time.monotonic() < deadline and seen.count < count:
            row = connection.execute(_RECORDS).fetchone()
            if row is not None:
                seen = _Records(row[0], row[1], float(row[2]))
            time.sleep(0.2)
    return seen


def _read_statistics(directory: Path) -> dict[str, str]:
    """The last line of SIPp's statistics, and the most calls at once in ``peak``."""
    with (directory / "stat.csv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return {**rows[-1], "peak": str(max(int(row["CurrentCall"]) for row in rows))}


def _read_answer_times(directory: Path) -> list[float]:
    """From INVITE to 200, in milliseconds, for each call."""
    times: list[float] = []
    for path in directory.glob("*_rtt.csv"):
        with path.open(newline="") as file:
            times += [float(row["response_time_ms"]) for row in csv.DictReader(file, delimiter=";")]
    return times
