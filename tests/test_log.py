"""What stands in the log, and what must not."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import structlog, sys
from louhua.log import setup_logging
sys.stderr.isatty = lambda: {terminal}
setup_logging("alert")
def handle(body):
    raise ValueError("cannot")
try:
    handle("the body of a " + "text")
except ValueError:
    structlog.get_logger().exception("it.failed", subject="text.received")
"""


FULL_DISK = """
import structlog
from louhua.log import setup_logging
setup_logging("call")
for _ in range(1000):
    structlog.get_logger().error("it.failed", detail="x" * 100)
print("went on")
"""


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", FULL_DISK], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert done.stdout == "went on\n"


@pytest.mark.parametrize("terminal", [True, False], ids=["for a person", "for a machine"])
def test_an_exception_is_logged_without_the_values_it_met(terminal: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(terminal=terminal)], capture_output=True, text=True, check=True
    )
    for expected in ("it.failed", "text.received", "ValueError", "alert"):
        assert expected in done.stderr
    assert "the body of a text" not in done.stderr


def test_lines_of_libraries_look_like_ours_and_show_no_number() -> None:
    program = """
import logging, threading, structlog
from louhua.log import setup_logging
setup_logging("call")
logging.getLogger("nats").warning('"quoted" %s is away', "8613800138000")
def work():
    try:
        raise ValueError("Key (callee)=(8613800138000) exists at 0.123456789 in 1234567890abcdef1234567890abcdef")
    except ValueError:
        logging.getLogger("lib").exception("failed")
    structlog.get_logger().warning("it.failed", error="to +8613800138000", call="8613800138000")
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    library, exception, ours = map(json.loads, done.stderr.splitlines())
    assert {line["process"] for line in (library, exception, ours)} == {"call"}
    assert (library["logger"], library["level"]) == ("nats", "warning")
    assert library["event"] == '"quoted" *********8000 is away'
    assert "(*********8000) exists at 0.123456789 in 1234567890abcdef1234567890abcdef" in exception["exception"]
    assert (ours["error"], ours["call"]) == ("to **********8000", "8613800138000")
