"""A bill says of every row why its amount is what it is."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tests.charging.conftest import Connected, Run, add_plans, plan

from louhua.charging.deliveries import Charger, Delivery
from louhua.charging.explain import charged, explanation, is_complete, totals
from louhua.charging.months import local_day
from louhua.charging.plans import Item
from louhua.charging.store import Row
from louhua.config import Config
from louhua.db.pool import Connection

NUMBER = "8613800138000"
ITEMS = {"detail": {"price": "0.10", "free": 2, "cap": "0.5"}, "voice_text": {"price": "0.2"}}
PLAN = plan(items=ITEMS, day_cap="1")
USAGE = Row(
    id=7, event="text:7", kind="usage", payer=NUMBER, month=date(2026, 11, 1),
    at=datetime(2026, 11, 23, tzinfo=UTC), item="detail", recipient=NUMBER, party="",
    plan="standard", version=1, quantity=1, price=100, amount=100, why="price", used=3, item_sum=100, day_sum=120,
    month_sum=300, seq=1, prepaid=False, refunds=None, reason="", author="",
)  # fmt: skip


def row(kind: str = "usage", **values: Any) -> Row:
    return USAGE._replace(**({"kind": kind} | ({} if kind == "usage" else {"item": ""}) | values))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (row(), "0.100 a text, 2 of 2 free ones used, item at 0.100 of 0.500, day at 0.120 of 1.000"),
        (
            row(why="free quota", used=1, amount=0, day_sum=0),
            (
                "0.100 a text, 1 of 2 free ones used, item at 0.100 of 0.500, day at 0.000 of 1.000,"
                " decided by: free quota"
            ),
        ),
        (
            row(item="voice_text", price=200),
            "0.200 a minute, day at 0.120 of 1.000",
        ),
        (
            row("rental", price=3000, amount=800, why="pro rata", quantity=8),
            "pro rata, 8 days of 3.000 a month",
        ),
        (row("refund", refunds=3, author="li", reason="complaint"), "of charge 3, by li: complaint"),
        (row("adjustment", author="li", reason="goodwill"), "by li: goodwill"),
    ],
)
def test_every_row_is_explained(given: Row, said: str) -> None:
    named = "" if given.author else "standard version 1: "
    assert explanation(given, PLAN) == named + said


def test_a_version_that_is_gone_leaves_what_the_row_says() -> None:
    assert explanation(row(), None) == "standard version 1: 0.100 a text"


def test_money_that_was_paid_in_is_no_charge() -> None:
    rows = [row("top_up", amount=-5000), row(), row(), row("rental", amount=3000), row("refund", amount=-100)]
    assert charged(rows) == 3100
    assert totals(rows) == {"top_up": (1, -5000), "detail": (2, 200), "rental": (1, 3000), "refund": (1, -100)}


@pytest.fixture
def billed(connected: Callable[[Connected], Any]) -> str:
    """Somebody with three details this month, the first two free; which month it is."""
    now = datetime.now(UTC)

    async def work(connection: Connection) -> None:
        await add_plans(connection, PLAN)
        async with connection.transaction():
            await Charger(Config()).charge(
                connection,
                [
                    Delivery(event=f"text:{n}", payer=NUMBER, item=Item.DETAIL, at=now, party=f"861390013900{n}")
                    for n in range(3)
                ],
            )

    connected(work)
    return f"{local_day(now, Config().service.zone):%Y-%m}"


def test_a_bill_is_printed_within_eighty_columns(billed: str, run: Run) -> None:
    done = run("billing", "explain", "13800138000", "--month", billed)
    assert done.exit_code == 0, done.output
    words = " ".join(done.output.split())
    assert f"13800138000 in {billed}" in words
    assert "detail 13900139002 0.100" in words
    assert "0 of 2 free ones used" in words
    assert "detail 3 0.100 charged 0.100 yuan" in words
    assert max(len(line) for line in done.output.splitlines()) <= 80


def test_long_numbers_and_amounts_are_never_cut(
    billed: str, connected: Callable[[Connected], Any], run: Run
) -> None:
    """A charge is given back by its number, and a ledger soon has a million of them."""

    async def grow(connection: Connection) -> None:
        await connection.execute(
            "UPDATE charging_charge SET id = id + 98765432100, item = 'operator_minute', party = '4915112345678',"
            " amount = -1000000000, prepaid = true"
        )

    connected(grow)
    lines = run("billing", "explain", "13800138000", "--month", billed).output.splitlines()
    assert max(map(len, lines)) <= 80
    first, words = lines[1:3]
    assert first.split()[2:] == ["operator_minute", "+4915112345678", "-1000000.000", "prepaid"]
    assert words.startswith("  charge 987654321")


def test_without_a_month_it_is_this_one(billed: str, run: Run) -> None:
    done = run("billing", "explain", "13800138000")
    assert done.output == run("billing", "explain", "13800138000", "--month", billed).output
    assert f"13800138000 in {billed}\n" in done.output


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("Asia/Shanghai", ["11-23", "01:30", "detail", "13900139000", "0.000"]),
        ("Asia/Tokyo", ["11-23", "02:30", "detail", "13900139000", "0.000"]),
    ],
)
def test_times_are_in_the_services_zone(
    billed: str,
    connected: Callable[[Connected], Any],
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    said: list[str],
) -> None:
    async def move(connection: Connection) -> None:
        await connection.execute("UPDATE charging_charge SET at = '2026-11-22T17:30:00Z'")

    connected(move)
    monkeypatch.setenv("LOUHUA_SERVICE__TIMEZONE", zone)
    lines = run("billing", "explain", "13800138000", "--month", billed).output.splitlines()
    assert lines[1].split() == said


def test_a_bill_as_json_has_no_top_up_in_its_sum(
    billed: str, connected: Callable[[Connected], Any], run: Run
) -> None:
    async def pay(connection: Connection) -> None:
        await connection.execute(
            "UPDATE charging_charge SET kind = 'top_up', item = '', amount = -50000 WHERE event = 'text:0'"
        )

    connected(pay)
    bill = json.loads(run("billing", "explain", "13800138000", "--month", billed, "--json").output)
    assert sum(Decimal(charge["amount"]) for charge in bill["charges"]) == Decimal("-49.900")
    assert bill["charged"] == "0.100"


def test_a_bill_as_json_and_of_nobody(billed: str, run: Run) -> None:
    bill = json.loads(run("billing", "explain", "13800138000", "--month", billed, "--json").output)
    assert bill["charged"] == "0.100"
    assert [charge["price"] for charge in bill["charges"]] == ["0.100"] * 3
    assert [charge["month_sum"] for charge in bill["charges"]] == ["0.000"] * 3
    assert [charge["why"] for charge in bill["charges"]] == ["free quota", "free quota", "price"]
    assert "nothing was charged" in run("billing", "explain", "13900139000").output


@pytest.mark.parametrize(
    ("today", "kept", "complete"),
    [
        (date(2026, 11, 23), 366, True),
        (date(2027, 10, 31), 366, True),
        (date(2027, 11, 1), 366, False),  # a day before the first rows go, of UTC
        (date(2028, 11, 23), 366, False),
        (date(2026, 11, 7), 8, True),
        (date(2026, 11, 8), 8, False),
    ],
)
def test_a_month_is_whole_until_its_first_day_is_too_old(today: date, kept: int, complete: bool) -> None:
    assert is_complete(date(2026, 11, 1), today, timedelta(days=kept)) is complete


def test_a_bill_that_may_lack_charges_says_so(
    billed: str, connected: Callable[[Connected], Any], run: Run
) -> None:
    removed = "Charges of this month may have been removed already (retention.charges).\n"
    whole = run("billing", "explain", "13800138000", "--month", billed)
    assert "removed" not in whole.output
    assert json.loads(run("billing", "explain", "13800138000", "--json").output)["complete"] is True

    async def grow_old(connection: Connection) -> None:
        await connection.execute("UPDATE charging_charge SET month = '2024-03-01'")

    connected(grow_old)
    done = run("billing", "explain", "13800138000", "--month", "2024-03")
    assert done.output == whole.output.replace(billed, "2024-03") + removed
    bill = json.loads(run("billing", "explain", "13800138000", "--month", "2024-03", "--json").output)
    assert (bill["complete"], bill["charged"]) == (False, "0.100")


@pytest.mark.parametrize("month", ["2024-03", "0001-01"])
def test_a_month_of_which_nothing_is_left_was_not_free(database_url: str, run: Run, month: str) -> None:
    first, second = run("billing", "explain", "13800138000", "--month", month).output.splitlines()
    assert first.endswith(": nothing is in the ledger")
    assert second.startswith("Charges of this month may have been removed")
    bill = json.loads(run("billing", "explain", "13800138000", "--month", month, "--json").output)
    assert (bill["charges"], bill["complete"]) == ([], False)


@pytest.mark.parametrize("month", ["2026-13", "november", "2026", "2026-11-23"])
def test_a_month_that_is_none_is_refused_with_the_way_out(database_url: str, run: Run, month: str) -> None:
    done = run("billing", "explain", "13800138000", "--month", month)
    assert done.exit_code == 1
    assert "write it like 2026-11" in done.output


def test_who_looked_is_written_down(billed: str, run: Run, tmp_path: Any) -> None:
    run("billing", "explain", "13800138000", "--month", billed)
    written = (tmp_path / "var" / "audit.log").read_text()
    assert '"did":"billing explain"' in written
    assert "13800138000" not in written


def test_a_month_before_has_its_own_bill(billed: str, run: Run) -> None:
    before = datetime.fromisoformat(f"{billed}-01") - timedelta(days=1)
    assert "nothing was charged" in run("billing", "explain", "13800138000", "--month", f"{before:%Y-%m}").output
