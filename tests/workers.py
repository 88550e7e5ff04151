"""Tests run in several processes side by side (pytest-xdist); what only one of them may use is divided here."""

import os
from typing import Final

WORKERS: Final = 4
"""For so many processes there are ports of their own."""

WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
"""The number of this one, from 0 on."""


def own_ports(first: int, end: int) -> range:
    """This process's part of a range of ports. Below 32768 nobody gets one who asks for any port."""
    share = (end - first) // WORKERS
    return range(first + WORKER * share, first + (WORKER + 1) * share)
