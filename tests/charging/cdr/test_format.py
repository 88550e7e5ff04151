"""What stands in a file of charges, and what is not taken for one."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.charging.cdr.format import COLUMNS, Broken, body, head, name_of, read, tail
from louhua.charging.store import Row

ZONE = ZoneInfo("Asia/Shanghai")
CREATED = datetime(2026, 11, 23, 15, 30, tzinfo=ZONE)


def row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "id": 4711, "event": "text:123", "kind": "usage", "payer": "8613800138000", "month": date(2026, 11, 1),
        "at": datetime(2026, 11, 23, 7, 15, 0, 123456, tzinfo=UTC), "item": "detail",
        "recipient": "8613800138000", "party": "8613900139000", "plan": "standard", "version": 2, "quantity": 1,
        "price": 100, "amount": 100, "why": "price", "used": 3, "item_sum": 300, "day_sum": 100,
        "month_sum": 2300, "seq": 24, "prepaid": False, "refunds": None, "reason": "", "author": "",
    }  # fmt: skip
    return Row(**values | changes)


def whole(rows: list[Row], number: int = 7) -> str:
    ids = [each.id for each in rows] or [0]
    ending = tail(number, len(rows), sum(each.amount for each in rows), ids[0], ids[-1])
    return head(number, "n1", CREATED) + body(rows, ZONE) + ending


def test_a_file_as_it_stands() -> None:
    refund = row(
        id=4712, event="refund:1", kind="refund", item="", recipient="", party="", plan="", version=0, price=-100,
        amount=-100, why="", used=0, item_sum=0, day_sum=0, month_sum=0, seq=0, prepaid=True, refunds=4711,
        reason='said "no", twice', author="张三",
    )  # fmt: skip
    assert whole([row(), refund]) == (
        f"H,louhua-cdr,1,n1,7,2026-11-23T15:30:00+08:00,{COLUMNS}\n"
        "D,4711,text:123,usage,8613800138000,2026-11,2026-11-23T15:15:00.123+08:00,detail,8613800138000,"
        "8613900139000,standard,2,1,0.100,0.100,price,3,0.300,0.100,2.300,24,0,,,\n"
        "D,4712,refund:1,refund,8613800138000,2026-11,2026-11-23T15:15:00.123+08:00,,,,,"
        '0,1,-0.100,-0.100,,0,0.000,0.000,0.000,0,1,4711,"said ""no"", twice",张三\n'
        "T,2,0.000,7,4711,4712\n"
    )


def test_a_file_without_charges() -> None:
    assert whole([]).splitlines()[1:] == ["T,0,0.000,7,0,0"]
    assert read(io.StringIO(whole([]))).charges == 0


@pytest.mark.parametrize(
    ("number", "created", "name"),
    [
        (1, CREATED, "2026-11-23/louhua-0000000001.csv"),
        (12345678901, CREATED, "2026-11-23/louhua-12345678901.csv"),
        (2, datetime(2026, 11, 23, 16, 0, tzinfo=UTC).astimezone(ZONE), "2026-11-24/louhua-0000000002.csv"),
    ],
)
def test_names(number: int, created: datetime, name: str) -> None:
    assert name_of(number, created) == name


@pytest.mark.parametrize(
    ("reason", "field"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a,b", '"a,b"'),
        ('"', '""""'),
        ("one\ntwo\r\n\tthree", "one two   three"),
        ("\0\x1b[31m\x7f\x85\u2028", "  [31m   "),
        ("退款", "退款"),
        ("=1+1", "=1+1"),
        ("  x ", "  x "),
    ],
)
def test_free_text(reason: str, field: str) -> None:
    assert body([row(reason=reason)], ZONE).endswith(f",{field},\n")


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0.000"), (1, "0.001"), (-1, "-0.001"), (-1000, "-1.000"), (10**12, "1000000000.000")],
)
def test_amounts(amount: int, text: str) -> None:
    line = next(csv.reader([body([row(amount=amount)], ZONE)]))
    assert line[14] == text
    assert read(io.StringIO(whole([row(amount=amount)]))).amount == amount


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
SUMS = st.integers(-(10**13), 10**13)
ROWS = st.lists(
    st.builds(
        Row,
        id=st.integers(1, 2**62), event=TEXT, kind=TEXT, payer=TEXT, month=st.dates(), item=TEXT, recipient=TEXT,
        at=st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)), party=TEXT, plan=TEXT,
        version=st.integers(0, 9), quantity=st.integers(0, 9), price=SUMS, amount=SUMS, why=TEXT,
        used=st.integers(0, 9), item_sum=SUMS, day_sum=SUMS, month_sum=SUMS, seq=st.integers(0, 9),
        prepaid=st.booleans(), refunds=st.none() | st.integers(1), reason=TEXT, author=TEXT,
    ),
    unique_by=lambda row: row.id,
    max_size=20,
).map(lambda rows: sorted(rows, key=lambda row: row.id))  # fmt: skip


@given(ROWS)
def test_what_is_written_is_read(rows: list[Row]) -> None:
    text = whole(rows)
    found = read(io.StringIO(text, newline=""))
    assert (found.number, found.created_at) == (7, CREATED)
    assert (found.charges, found.amount) == (len(rows), sum(row.amount for row in rows))
    assert (found.first, found.last) == ((rows[0].id, rows[-1].id) if rows else (0, 0))
    assert len(text.splitlines()) == len(rows) + 2, "a line a charge, whatever it says"
    for line, row in zip(csv.reader(text.splitlines()[1:-1]), rows, strict=True):
        assert int(line[14].replace(".", "")) == row.amount
        assert timedelta(0) <= row.at - datetime.fromisoformat(line[6]) < timedelta(milliseconds=1)
        assert len(line[23]) == len(row.reason)


GOOD = whole([row(), row(id=4712, amount=-50)]).splitlines(keepends=True)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "line 1: no file of charges of version 1"),
        (GOOD[1:], "line 1: no file of charges"),
        ([GOOD[0].replace("cdr,1", "cdr,2"), *GOOD[1:]], "line 1: no file of charges"),
        ([GOOD[0].replace("amount", "sum"), *GOOD[1:]], "line 1: no file of charges"),
        ([GOOD[0].replace(",7,", ",x,"), *GOOD[1:]], "line 1: 'x' is no number"),
        ([GOOD[0].replace(",7,", ",٧,"), *GOOD[1:]], "line 1: '٧' is no number"),
        (['H,"x" y\n'], "line 1: "),
        (GOOD[:1], "the last line is missing"),
        (GOOD[:3], "the last line is missing"),
        ([*GOOD[:3], GOOD[3][:8]], "the last line says"),
        ([*GOOD[:2], GOOD[3]], "the last line says 2,0.050,7,4711,4712, the lines before it 1,0.100,7,4711,4711"),
        ([*GOOD[:2], GOOD[2].replace("-0.050", "-0.051"), GOOD[3]], "the last line says 2,0.050"),
        ([*GOOD[:3], GOOD[3].replace(",7,", ",8,")], "the last line says 2,0.050,8"),
        ([GOOD[0], GOOD[2], GOOD[1], GOOD[3]], "line 3: charge 4711 stands behind 4712"),
        ([*GOOD[:2], GOOD[1], *GOOD[2:]], "line 3: charge 4711 stands behind 4711"),
        ([*GOOD, GOOD[1]], "line 5: there is something behind the last line"),
        ([GOOD[0], "D,1,2\n", *GOOD[1:]], "line 2: 3 fields where 25 belong"),
        ([GOOD[0], GOOD[1].replace("0.100,price", "0.1,price"), *GOOD[2:]], "line 2: '0.1' is no amount"),
        ([GOOD[0], GOOD[1].replace("price", '"price'), *GOOD[2:]], "line"),
        ([GOOD[0], GOOD[1].replace("price", '"pr"ice'), *GOOD[2:]], "line 2: ',' expected after '\"'"),
        ([GOOD[0], "\n", *GOOD[1:]], "line 3: there is something behind the last line"),
    ],
)
def test_what_is_no_whole_file(lines: list[str], why: str) -> None:
    with pytest.raises(Broken) as broken:
        read(lines)
    assert str(broken.value).startswith(why)


def test_a_good_one_is_whole() -> None:
    assert read(GOOD).amount == 50
