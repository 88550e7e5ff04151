"""The format of a file of charges, as docs/cdr.md has it: CSV (RFC 4180) in UTF-8, but lines end with LF.

The first field of a line says what it is: ``H`` heads the file, ``D`` is a charge, ``T`` ends the file. Every kind
has a fixed number of fields. Money is in yuan with three decimals; nothing here is a float.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Final

import msgspec

from louhua.charging.store import Row
from louhua.money import yuan

FORMAT: Final = "louhua-cdr"
VERSION: Final = 1


COLUMNS: Final = " ".join(Row._fields)
_AMOUNT: Final = 1 + Row._fields.index("amount")

# A program that reads lines must not see two where there is one.
_SPACE: Final = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")
_YUAN: Final = re.compile(r"-?[0-9]+\.[0-9]{3}")


class Broken(Exception):
    """What was read is no whole file of charges; says the line and what is wrong."""


class Contents(msgspec.Struct, frozen=True):
    """What a file says of itself, and its lines bear out. ``amount`` is in thousandths of a yuan."""

    number: int
    created_at: datetime
    charges: int
    amount: int
    first: int
    last: int


def name_of(number: int, created_at: datetime) -> str:
    """The name below the directory of files; ``created_at`` in the service's zone."""
    return f"{created_at:%Y-%m-%d}/louhua-{number:010}.csv"


def head(number: int, node: str, created_at: datetime) -> str:
    """The first line; ``created_at`` in the service's zone."""
    return _lines([("H", FORMAT, VERSION, node, number, created_at.isoformat(timespec="seconds"), COLUMNS)])


def body(rows: Sequence[Row], zone: tzinfo) -> str:
    """A line a charge; times in this zone, with their offset."""
    return _lines(_charge(row, zone) for row in rows)


def tail(number: int, charges: int, amount: int, first: int, last: int) -> str:
    """The last line: how many, their sum, the file's number, and the first and the last charge."""
    return _lines([("T", charges, yuan(amount), number, first, last)])


def _charge(row: Row, zone: tzinfo) -> tuple[object, ...]:
    return (
        "D", row.id, _plain(row.event), _plain(row.kind), _plain(row.payer), f"{row.month:%Y-%m}",
        row.at.astimezone(zone).isoformat(timespec="milliseconds"), _plain(row.item), _plain(row.recipient),
        _plain(row.party), _plain(row.plan), row.version, row.quantity, yuan(row.price), yuan(row.amount),
        _plain(row.why), row.used, yuan(row.item_sum), yuan(row.day_sum), yuan(row.month_sum), row.seq,
        int(row.prepaid), row.refunds, _plain(row.reason), _plain(row.author),
    )  # fmt: skip


def _plain(text: str) -> str:
    return text if text.isprintable() else text.translate(_SPACE)


def _lines(records: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue()


def read(lines: Iterable[str]) -> Contents:
    """Read a whole file and reckon it up; raises ``Broken``."""
    rows = csv.reader(lines, strict=True)
    charges = amount = first = last = 0
    ending: list[str] | None = None
    try:
        number, created_at = _read_head(next(rows, []))
        for row in rows:
            if ending is not None:
                raise Broken(f"line {rows.line_num}: there is something behind the last line")
            if row[:1] != ["D"]:
                ending = row
                continue
            if len(row) != 1 + len(Row._fields):
                raise Broken(f"line {rows.line_num}: {len(row)} fields where {1 + len(Row._fields)} belong")
            charge = _whole(row[1])
            if charge <= last:
                raise Broken(f"line {rows.line_num}: charge {charge} stands behind {last}")
            charges, amount = charges + 1, amount + _thousandths(row[_AMOUNT])
            first, last = first or charge, charge
    except (csv.Error, ValueError) as error:
        raise Broken(f"line {rows.line_num}: {error}") from error
    contents = Contents(number, created_at, charges, amount, first, last)
    _check_ending(ending, contents)
    return contents


def _read_head(row: list[str]) -> tuple[int, datetime]:
    if row[:3] != ["H", FORMAT, str(VERSION)] or row[6:] != [COLUMNS]:
        raise Broken(f"line 1: no file of charges of version {VERSION} begins like this")
    return _whole(row[4]), datetime.fromisoformat(row[5])


def _check_ending(row: list[str] | None, found: Contents) -> None:
    if row is None or row[:1] != ["T"]:
        raise Broken("the last line is missing: the file is not whole")
    expected = ["T", str(found.charges), yuan(found.amount), str(found.number), str(found.first), str(found.last)]
    if row != expected:
        raise Broken(f"the last line says {','.join(row[1:])}, the lines before it {','.join(expected[1:])}")


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is no number")
    return int(text)


def _thousandths(text: str) -> int:
    if not _YUAN.fullmatch(text):
        raise ValueError(f"{text!r} is no amount")
    return int(text.replace(".", ""))
