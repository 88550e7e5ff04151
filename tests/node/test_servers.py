"""A server that died is started again, also where that fails at first."""

import subprocess
from typing import Any

from louhua.node.supervisor import _Server
from louhua.processes import StartError


class Stub:
    """A server whose starts fail a number of times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.starts = 0
        self.process: Any = subprocess.Popen(["true"])
        self.process.wait()

    def start(self) -> None:
        self.starts += 1
        if self.starts <= self.failures:
            self.process = None
            raise StartError("the disk is full")
        self.process = subprocess.Popen(["sleep", "60"])


def test_a_server_that_cannot_start_is_tried_again_later() -> None:
    stub = Stub(failures=2)
    server = _Server("postgres", stub)  # type: ignore[arg-type]
    for starts in (1, 2, 3):
        server.revive()
        server.revive()
        assert stub.starts == starts, "a failed start is not repeated at once"
        server._not_before = 0.0
    stub.process.kill()
    stub.process.wait()
