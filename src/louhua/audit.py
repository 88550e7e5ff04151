"""What staff did, a JSON line each, in ``audit.log`` of the node's data directory: it cannot be left out."""

import getpass
import os
from datetime import UTC, datetime

import msgspec

from louhua.config import Config


class CannotAudit(Exception):
    """What somebody is about to do could not be written down, so it must not be done; says the way out."""


def author() -> str:
    """Who is at this terminal."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def record(config: Config, did: str, **about: str) -> None:
    """Write down what the person at this terminal does now; numbers in ``about`` are masked by who calls.

    Raises ``CannotAudit``.
    """
    line = {"at": datetime.now(UTC), "by": author(), "did": did, **about}
    path = config.node.data / "audit.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.write(file, msgspec.json.encode(line) + b"\n")
        finally:
            os.close(file)
    except OSError as error:
        raise CannotAudit(
            f"{path}: {error.strerror}; what staff look up is written there: run this as a user who may write it"
        ) from error
