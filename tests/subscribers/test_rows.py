"""Files of subscribers: which rows are understood, which are not, and why."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.config import Config
from louhua.db.migrate import setup_django
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.rows import CELLS, NOT_NAMED, BadFile, Row, Table, merged

PLAN = NumberPlan(Config.model_validate({"ranges": [{"name": "own", "prefixes": ["86"]}]}))


def table(text: str) -> Table:
    octets = io.BytesIO(text.encode())
    return Table(io.TextIOWrapper(octets, "utf-8-sig", newline=""), octets, PLAN)


def read(text: str, size: int = 100) -> tuple[list[Row], list[tuple[int, str]]]:
    chunks = list(table(text).chunks(size))
    return (
        [row for chunk in chunks for row in chunk.rows],
        [(item.line, item.reason) for chunk in chunks for item in chunk.rejected],
    )


def test_a_full_row_is_read() -> None:
    text = (
        "\ufeffnumber,status,voicemail,language,power_on,power_on_hours,quiet_hours,digest,sender,daily_limit\r\n"
        "13800138000,Registered,是,en,nobody,8:00-22:00,22:00-7:00,no,caller,5\r\n"
        "+86 139-0013-9000,,,default,, default ,default,,default,default\r\n"
    )
    assert read(text) == (
        [
            Row(2, "8613800138000", (
                "registered", "t", "en", "nobody", "08:00-22:00", "22:00-07:00", "f", "caller", "5",
            )),
            Row(3, "8613900139000", (
                NOT_NAMED, NOT_NAMED, "", NOT_NAMED, "", "", NOT_NAMED, "", "-1",
            )),
        ],
        [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("header", "line", "reason"),
    [
        ("number", "nobody", "'nobody' is not a telephone number"),
        ("number", '""', "'' is not a telephone number"),
        ("number,status", "13800138000", "it has 1 values, the first line 2"),
        ("number", "13800138000,x,y", "it has 3 values, the first line 1"),
        ("number,status", "13800138000,maybe",
         "status is 'maybe'; write unregistered, registered, suspended"),
        ("number,voicemail", "13800138000,maybe", "voicemail is 'maybe'; write yes or no"),
        ("number,language", "13800138000,fr", "language is 'fr'; write zh-hans, en, default"),
        ("number,power_on", "13800138000,default", "power_on is 'default'; write everybody, list, nobody"),
        ("number,quiet_hours", "13800138000,25:00-26:00",
         "quiet_hours '25:00-26:00' are no hours; write them like 22:00-07:00, or off, or default"),
        ("number,daily_limit", "13800138000,-3",
         "daily_limit is '-3'; write 0 (no limit) to 1000, or default"),
        ("number", "01088886666", "861088886666 cannot get texts"),
        ("number", "+447911123456", "447911123456 is in no range that is served"),
        ("number,status", "+447911123456,", "447911123456 is in no range that is served"),
    ],
)  # fmt: skip
def test_a_bad_row_is_put_aside_with_the_reason(header: str, line: str, reason: str) -> None:
    good = "13800138001" + "," * header.count(",")
    rows, rejected = read(f"{header}\n{good}\n{line}\n{good}\n")
    assert [row.line for row in rows] == [2, 4]
    assert rejected == [(3, reason)]


def test_who_is_not_registered_may_have_any_number() -> None:
    rows, rejected = read("number,status\n01088886666,suspended\n+447911123456,unregistered\n")
    assert len(rows) == 2
    assert rejected == []


def test_lines_are_counted_as_an_editor_does() -> None:
    rows, rejected = read('number,reason\n13800138000,"two\nlines"\n\nnobody,\n')
    assert [row.line for row in rows] == [2]
    assert [line for line, _ in rejected] == [5]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "first line must name the columns"),
        ("13800138000\n", "first line must name the columns"),
        ("number,colour\n13800138000,red\n", "'colour' is none; number, and out of status"),
        ("number,number\n1,2\n", "each once"),
    ],
)
def test_a_file_without_a_header_is_explained(text: str, complaint: str) -> None:
    with pytest.raises(BadFile, match=complaint):
        table(text)


def test_a_quote_that_is_not_closed_is_explained() -> None:
    with pytest.raises(BadFile, match=r"line 2: .*; look for a quote that is not closed"):
        read('number\n"13800138000\n' + "13800138000\n" * 20_000)


def test_another_encoding_is_explained() -> None:
    octets = io.BytesIO("number,voicemail\n13800138000,是\n".encode("gbk"))
    with pytest.raises(BadFile, match="not utf-8; if Excel wrote it, name the encoding with --encoding gbk"):
        list(Table(io.TextIOWrapper(octets, "utf-8", newline=""), octets, PLAN).chunks(10))


def test_chunks_end_where_they_should() -> None:
    lines = "".join(f"138001380{number:02}\n" for number in range(25))
    chunks = list(table("number\n" + lines).chunks(10))
    assert [len(chunk.rows) for chunk in chunks] == [10, 10, 5]
    assert [chunk.line for chunk in chunks] == [11, 21, 26]
    assert chunks[-1].position == len("number\n" + lines)


def test_of_several_rows_what_the_later_ones_name_counts() -> None:
    rows = [
        Row(2, "1", ("registered", "t")),
        Row(3, "2", ("registered", "t")),
        Row(4, "1", ("suspended", NOT_NAMED)),
        Row(5, "1", (NOT_NAMED, "f")),
    ]
    assert merged(rows) == (
        [Row(5, "1", ("suspended", "f")), Row(3, "2", ("registered", "t"))], [(2, 4), (4, 5)]
    )  # fmt: skip


@given(st.lists(st.lists(st.text(), max_size=3), max_size=20), st.integers(1, 7))
def test_no_file_is_too_strange(lines: list[list[str]], size: int) -> None:
    """Every row is either read or put aside, unless the file itself cannot be read."""
    text = "number,status\n" + "\n".join(",".join(line) for line in lines)
    try:
        rows, rejected = read(text.encode(errors="replace").decode(), size)
    except BadFile:
        return
    seen = [row.line for row in rows] + [line for line, _ in rejected]
    assert len(seen) == len(set(seen)) <= 1 + text.count("\n") + text.count("\r")


def test_every_column_is_one_of_the_tables(config: Config) -> None:
    setup_django(config)
    from louhua.subscribers.models import Subscriber

    fields = {field.name for field in Subscriber._meta.get_fields()}
    assert set(CELLS) < fields
    assert fields - set(CELLS) == {
        "number", "next_plan", "next_plan_on", "activated_at", "served_since", "served_until", "notice_due",
        "created_at", "updated_at",
    }  # fmt: skip
