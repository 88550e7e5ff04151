"""One node a data directory: two would spoil each other's servers."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from louhua.processes import StartError


class DataInUse(StartError):
    """Another process holds the data directory."""


@contextlib.contextmanager
def only_one(data: Path) -> Iterator[None]:
    """Hold the data directory.

    Raises ``DataInUse``, or ``StartError`` when there can be no such directory.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(f"node.data: {data}: {error.strerror}; give it a directory of your own") from error
    with (data / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DataInUse(
                f"another louhua runs in {data}; stop it, or give this one its own [node] data"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def held(data: Path) -> bool:
    """Whether a node runs in the data directory."""
    try:
        with (data / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
