"""Reads files of subscribers: what stands in each row, which rows cannot be used, and why.

A cell that is empty says nothing, nor does a column that is not there: what is known stays. ``default`` is the
service's own setting.
"""

import csv
import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import BinaryIO, Final, TextIO

import msgspec

from louhua.hours import parse_hours
from louhua.section import PLAN_NAME
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import BY_STAFF, Language, Privacy, Sender, Status

NOT_NAMED: Final = r"\N"
"""NULL in the text format of PostgreSQL's COPY, in which cells are kept."""

MOST_TEXTS: Final = 1000
"""The highest daily limit."""

_TRUE: Final = ("1", "true", "yes", "y", "是")
_FALSE: Final = ("0", "false", "no", "n", "否")
_DEFAULT: Final = "default"
_OURS: Final = ("line", "reason")
"""Columns that files of rejected rows begin with."""


class BadRow(ValueError):
    """A row cannot be used; the message says why."""


class BadFile(ValueError):
    """The file cannot be used, or not from some line on; the message says why, and the way out."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row that can be used: a cell a column, as COPY has it."""

    line: int
    number: str
    cells: tuple[str, ...]


class Rejected(msgspec.Struct, frozen=True):
    """A row that cannot: its values as they stood there."""

    line: int
    reason: str
    values: list[str]


class Chunk(msgspec.Struct):
    """Rows that stand together in a file; the file was read up to ``line`` and ``position``, in octets."""

    rows: list[Row]
    rejected: list[Rejected]
    line: int
    position: int


def _one_of(*words: str, default: bool = False) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text in words:
            return text
        if default and text == _DEFAULT:
            return ""
        raise BadRow(f"is {text!r}; write {', '.join((*words, _DEFAULT) if default else words)}")

    return read


def _flag(text: str) -> str:
    if text in _TRUE or text in _FALSE:
        return "t" if text in _TRUE else "f"
    raise BadRow(f"is {text!r}; write yes or no")


def _hours(text: str) -> str:
    if text == _DEFAULT:
        return ""
    try:
        return str(parse_hours(text))
    except ValueError as error:
        raise BadRow(f"{error}, or default") from error


def _limit(text: str) -> str:
    if text == _DEFAULT:
        return "-1"
    if text.isascii() and text.isdigit() and int(text) <= MOST_TEXTS:
        return str(int(text))
    raise BadRow(f"is {text!r}; write 0 (no limit) to {MOST_TEXTS}, or default")


def _plan(text: str) -> str:
    if text == _DEFAULT:
        return ""
    if re.fullmatch(PLAN_NAME, text):
        return text
    raise BadRow(f"is {text!r}, which is no name of a plan; louhua plans list has them")


CELLS: Final[Mapping[str, Callable[[str], str]]] = {
    "status": _one_of(*BY_STAFF),
    "voicemail": _flag,
    "language": _one_of(*Language, default=True),
    "power_on": _one_of(*Privacy),
    "power_on_hours": _hours,
    "quiet_hours": _hours,
    "digest": _flag,
    "sender": _one_of(*Sender, default=True),
    "daily_limit": _limit,
    "plan": _plan,
    "prepaid": _flag,
}
"""The columns beside ``number``, and how each is read."""


@lru_cache(maxsize=8192)
def _cell(column: str, text: str) -> str:
    plain = text.strip().lower()
    if not plain:
        return NOT_NAMED
    try:
        return CELLS[column](plain)
    except BadRow as error:
        raise BadRow(f"{column} {error}") from None


class Table:
    """A CSV file with a header; ``columns`` are those of ``CELLS`` that it has, ``header`` as it stands there.

    ``plans`` are the names of those there are to be had.
    """

    def __init__(
        self, file: TextIO, octets: BinaryIO, plan: NumberPlan, plans: Container[str] = frozenset()
    ) -> None:
        self._octets = octets
        self._plan = plan
        self._plans = plans
        self._rows = csv.reader(file)
        self.header = [name.strip() for name in self._next() or []]
        names = [name.lower() for name in self.header]
        strange = [name for name in names if name not in ("number", *CELLS, *_OURS)]
        if "number" not in names or strange or len(names) != len(set(names)):
            wrong = f"{strange[0]!r} is none; " if strange and "number" in names else ""
            raise BadFile(
                f"the first line must name the columns, each once: {wrong}number, and out of {', '.join(CELLS)}"
            )
        self._number = names.index("number")
        self._status = names.index("status") if "status" in names else None
        self._plan_at = names.index("plan") if "plan" in names else None
        self._places = [(place, name) for place, name in enumerate(names) if name in CELLS]
        self.columns = tuple(name for _, name in self._places)

    def _next(self) -> list[str] | None:
        """The values of the next row; raises ``BadFile`` when what follows cannot be read."""
        line = self._rows.line_num + 1
        try:
            return next(self._rows, None)
        except UnicodeDecodeError as error:
            raise BadFile(
                f"after line {line - 1:,}: not {error.encoding}; if Excel wrote it, name the encoding with"
                " --encoding gbk (or utf-16)"
            ) from error
        except csv.Error as error:
            raise BadFile(f"line {line:,}: {error}; look for a quote that is not closed") from error

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All rows, ``size`` at a time."""
        while True:
            chunk = Chunk([], [], 0, 0)
            ended = self._fill(chunk, size)
            chunk.line, chunk.position = self._rows.line_num, self._octets.tell()
            if chunk.rows or chunk.rejected:
                yield chunk
            if ended:
                return

    def _fill(self, chunk: Chunk, size: int) -> bool:
        """Read up to ``size`` rows; whether the file has ended."""
        for _ in range(size):
            line = self._rows.line_num + 1
            values = self._next()
            if values is None:
                return True
            if not values:
                continue
            try:
                chunk.rows.append(self.read(line, values))
            except BadRow as error:
                chunk.rejected.append(Rejected(line, str(error), values))
        return False

    def read(self, line: int, values: Sequence[str]) -> Row:
        """Understand a row; raises ``BadRow``."""
        if len(values) != len(self.header):
            raise BadRow(f"it has {len(values)} values, the first line {len(self.header)}")
        dialled = values[self._number]
        number = self._plan.dialled(dialled)
        if not number:
            raise BadRow(f"{dialled!r} is not a telephone number")
        cells = tuple([_cell(name, values[place]) for place, name in self._places])
        if self._plan_at is not None:
            self._check_plan(_cell("plan", values[self._plan_at]))
        if self._status is None or _cell("status", values[self._status]) in (Status.REGISTERED, NOT_NAMED):
            why_not = self._plan.why_not_registered(number)
            if why_not:
                raise BadRow(why_not)
        return Row(line, number, cells)

    def _check_plan(self, name: str) -> None:
        if name not in ("", NOT_NAMED) and name not in self._plans:
            raise BadRow(f"there is no plan {name!r}; louhua plans list has those there are")


def merged(rows: Sequence[Row]) -> tuple[list[Row], list[tuple[int, int]]]:
    """Each number once, with what its later rows name; and the lines (earlier, later) that tell of the same."""
    found: dict[str, Row] = {}
    again: list[tuple[int, int]] = []
    for row in rows:
        earlier = found.get(row.number)
        if earlier is None:
            found[row.number] = row
            continue
        again.append((earlier.line, row.line))
        both = zip(earlier.cells, row.cells, strict=True)
        cells = tuple([old if new == NOT_NAMED else new for old, new in both])
        found[row.number] = Row(row.line, row.number, cells)
    return list(found.values()), again
