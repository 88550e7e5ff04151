"""Append-only files of JSON lines: what must outlive the process that wrote it.

A line reaches the kernel in one write before anything follows from it, so ``kill -9`` takes none that counted;
what it may leave is half a last line, from which nothing has followed.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

Line = TypeVar("Line")

_encode = msgspec.json.Encoder().encode


class Journal(Generic[Line]):
    """A file to append to; half a line at its end is removed when it is opened."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        whole = path.read_bytes().rfind(b"\n") + 1
        os.ftruncate(self._file, whole)

    def write(self, *lines: Line) -> None:
        """Append lines; they are in the kernel's hands when this returns. Raises ``OSError``."""
        data = b"".join(_encode(line) + b"\n" for line in lines)
        if os.write(self._file, data) != len(data):
            raise OSError("the journal was written in part; the disk is full")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read(path: Path, kind: Any) -> Iterator[Any]:
    """The whole lines of a file, of type ``kind``, oldest first; none where there is no file."""
    decode = msgspec.json.Decoder(kind).decode
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decode(line)
