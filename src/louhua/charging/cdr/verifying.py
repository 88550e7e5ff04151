"""Whether every closed file is where it belongs, whole, and what its row says."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from louhua.charging.cdr.format import Broken, Contents, read
from louhua.charging.cdr.store import File
from louhua.money import yuan


def listed(directory: Path) -> list[str]:
    """The names of the files that are there. Ask before the rows are read: no file is older than its row."""
    return sorted(str(path.relative_to(directory)) for path in directory.glob("*/louhua-*.csv"))


def problems(
    files: Sequence[File], there: Sequence[str], directory: Path, since: datetime | None = None
) -> Iterator[tuple[File | None, str]]:
    """What is wrong, by file. A file that is well has an empty text.

    ``files`` are all rows, by number; ``there`` is what was ``listed`` before they were read. Nothing is told of
    what was begun before ``since``, a moment in the service's zone.
    """
    yield from ((None, gap) for gap in gaps(files, since))
    for file in files:
        if file.closed_at is not None and _within(file, since):
            yield file, _problem(file, directory / file.name)
    known = {file.name for file in files}
    first_day = since.date().isoformat() if since else ""
    for name in there:
        # By the day it is filed under: of what has no row nothing else is known.
        if name not in known and name >= first_day:
            yield None, f"{name}: the database knows of no such file"


def gaps(files: Sequence[File], since: datetime | None = None) -> Iterator[str]:
    """What is missing before files that were begun ``since`` then, by the rows of all."""
    number, after = 0, 0
    for file in files:
        if not _within(file, since):
            pass
        elif file.number != number + 1:
            yield f"file {number + 1} is missing: the next one is {file.number}"
        elif file.after_id != after:
            yield f"{file.name}: begins after charge {file.after_id}, the file before ends with {after}"
        number, after = file.number, file.upto_id


def _within(file: File, since: datetime | None) -> bool:
    return since is None or file.created_at >= since


def _problem(file: File, path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as text:
            found = read(text)
    except FileNotFoundError:
        return f"{file.name}: is not there"
    except OSError as error:
        return f"{file.name}: {error.strerror}"
    except (Broken, UnicodeError) as error:
        return f"{file.name}: {error}"
    said = "; ".join(_differences(file, found))
    return f"{file.name}: {said}" if said else ""


def _differences(file: File, found: Contents) -> Iterator[str]:
    if found.number != file.number:
        yield f"it says that it is file {found.number}"
    elif found.created_at != file.created_at.replace(microsecond=0):
        yield f"it says that it was begun at {found.created_at.isoformat()}"
    if (found.charges, found.amount) != (file.charges, file.amount):
        yield (
            f"{found.charges:,} charges of {yuan(found.amount)} yuan, "
            f"where the database has {file.charges:,} of {yuan(file.amount)}"
        )
    if not file.after_id < found.first or found.last != file.upto_id:
        yield f"charges {found.first} to {found.last}, where those after {file.after_id} to {file.upto_id} belong"
