"""``python -m louhua.calls.media``: a media process, started by the call role and by nobody else."""

import argparse
import contextlib
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from louhua.calls.media.lines import Lines
from louhua.calls.media.process import serve
from louhua.calls.media.prompts import Prompts
from louhua.log import setup_logging


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m louhua.calls.media")
    parser.add_argument("--fd", type=int, required=True, help="inherited end of the control socket pair")
    parser.add_argument("--ports", required=True, help="first and last UDP port, like 20000-29999")
    parser.add_argument("--address", required=True, help="local address of RTP")
    parser.add_argument("--prompts", type=Path, required=True, help="directory of the prompts")
    return parser.parse_args()


def _end_with(parent: int) -> None:
    """Be ended by the parent's end alone, not by signals meant for the node as a whole.

    A node that is told to stop lets live calls end first, and they need this process; the kernel sends
    SIGTERM too when the parent is gone.
    """

    def on_term(*_: object) -> None:
        if os.getppid() != parent:
            sys.exit(0)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, on_term)


def _claim_resources() -> None:
    """Have sockets for as many calls as the system allows, and the processor when a frame is due.

    Only a privileged process may have the latter; without it a busy machine sends some frames later.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def main() -> None:
    """Read the arguments and serve."""
    arguments = _arguments()
    _end_with(os.getppid())
    setup_logging("media")
    first, _, last = arguments.ports.partition("-")
    lines = Lines(arguments.address, int(first), int(last))
    prompts = Prompts.load(arguments.prompts)
    _claim_resources()
    serve(socket.socket(fileno=arguments.fd), lines, prompts)


if __name__ == "__main__":
    main()
