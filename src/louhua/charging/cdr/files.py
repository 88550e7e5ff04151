"""Files of charges on the disk: complete under their name, or not there at all; never replaced.

Needs a file system with hard links, which ext4, XFS and NFS are.
"""

import contextlib
import filecmp
import os
import tempfile
from pathlib import Path
from typing import Final

from louhua.config import Config

_READABLE: Final = 0o640
"""By the operator's mediation, which is in the group of the directory."""


class Differs(Exception):
    """Under the name of a file that is to be written stands something else; says the way out."""


def directory(config: Config) -> Path:
    """Where files of charges go."""
    return config.node.data / config.charging.cdr_directory


class Draft:
    """A file that is being written beside its place, under a name that begins with a dot and is its own.

    So two that write the same file do not meet: whoever is first has it, and the other one finds the same there.
    Raises ``OSError``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        _make(path.parent)
        for left in path.parent.glob(f".{path.name}.*.tmp"):
            left.unlink(missing_ok=True)
        number, name = tempfile.mkstemp(".tmp", f".{path.name}.", path.parent)
        self._file = os.fdopen(number, "wb")
        self._name = Path(name)

    def write(self, text: str) -> None:
        """Add to it."""
        self._file.write(text.encode())

    def publish(self) -> None:
        """Give it its name, for good even if the power fails; raises ``Differs`` when that is another file's."""
        self._file.flush()
        os.fchmod(self._file.fileno(), _READABLE)
        os.fsync(self._file.fileno())
        try:
            os.link(self._name, self._path)
        except FileExistsError as error:
            if not filecmp.cmp(self._name, self._path, shallow=False):
                raise Differs(
                    f"{self._path} is there already and says something else than the ledger; nothing is lost, "
                    "and it was not touched. Find out whose it is, move it to another place, and run "
                    "louhua cdr export"
                ) from error
        self._name.unlink()
        _sync(self._path.parent)
        _sync(self._path.parent.parent)

    def discard(self) -> None:
        """Leave nothing but what was published."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._name.unlink(missing_ok=True)


def _make(wanted: Path) -> None:
    if not wanted.is_dir():
        _make(wanted.parent)
        wanted.mkdir(exist_ok=True, mode=0o750)
        _sync(wanted.parent)


def _sync(wanted: Path) -> None:
    number = os.open(wanted, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
