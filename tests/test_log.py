"""What stands in the log, and what must not."""

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
