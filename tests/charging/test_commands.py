"""``louhua plans`` and ``louhua billing subscribe`` as an operator's engineer types them."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.charging.conftest import Connected, Run, add_plans, plan

from louhua.charging.months import next_month, today_in
from louhua.charging.plans import Item, to_toml
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.subscribers.store import subscribe

TODAY = today_in(Config().service.zone)


def written(directory: Path, name: str = "family", valid_from: date = TODAY, **values: Any) -> str:
    path = directory / "plan.toml"
    path.write_text(to_toml(plan(name, **({"valid_from": valid_from} | values))), "utf-8")
    return str(path)


def test_a_plan_is_added_shown_and_listed(database_url: str, run: Run, tmp_path: Path) -> None:
    file = written(tmp_path, rental="3", items={"detail": {"price": "0.1"}})
    done = run("plans", "add", file)
    assert done.output == f"family is version 1, valid from {TODAY}\n", done.output
    assert run("plans", "show", "family").output == Path(file).read_text()
    listed = run("plans", "list").output
    assert "valid today" in listed
    assert max(len(line) for line in listed.splitlines()) <= 80


def test_plans_are_listed_whole_in_eighty_columns(database_url: str, run: Run, tmp_path: Path) -> None:
    name, until = "family_and-friends_".ljust(40, "x"), TODAY + timedelta(days=400)
    items = {item: {"price": "0.1"} for item in Item}
    for rental in ("999999.999", "1000000000"):
        run("plans", "add", written(tmp_path, name, rental=rental, valid_until=until, items=items))
    listed = run("plans", "list").output
    assert max(map(len, listed.splitlines())) <= 80
    assert listed.splitlines()[0].split() == ["version", "from", "until", "rental", "items"]
    ours = listed[listed.index("\n" + name) :].splitlines()[1:4]
    assert ours[0] == name
    days = [str(TODAY), str(until)]
    assert ours[1].split() == ["1", *days, "999999.999", "10", "priced"]
    assert ours[2].split() == ["2", *days, "1000000000.000", "10", "priced,", "valid", "today"]


def test_checking_a_plan_adds_none(database_url: str, run: Run, tmp_path: Path) -> None:
    done = run("plans", "add", written(tmp_path), "--check")
    assert "could be added as version 1" in done.output
    assert "there is no plan" in run("plans", "show", "family").output


def test_a_version_shown_is_the_next_one_with_another_day(database_url: str, run: Run, tmp_path: Path) -> None:
    run("plans", "add", written(tmp_path, rental="3"))
    shown = run("plans", "show", "family").output.replace('"3.000"', '"4.000"')
    path = tmp_path / "next.toml"
    path.write_text(shown.replace(f"valid_from = {TODAY}", f"valid_from = {TODAY + timedelta(days=9)}"))
    assert "is version 2" in run("plans", "add", str(path)).output
    assert 'rental = "3.000"' in run("plans", "show", "family", "--version", "1").output
    assert 'rental = "4.000"' in run("plans", "show", "family").output
    assert "has no version 3; the newest is 2" in run("plans", "show", "family", "--version", "3").output


def test_what_is_wrong_with_a_file_is_said_and_nothing_added(database_url: str, run: Run, tmp_path: Path) -> None:
    run("plans", "add", written(tmp_path))
    for text, said in (
        ("name = 'x'", "valid_from: must be given"),
        (f"name = 'family'\nvalid_from = {TODAY - timedelta(days=1)}", "the earliest is today"),
        ("trial_days = " + "9" * 5000, "bad.toml: a number has too many digits"),
        ("trial_days = " + "[" * 5000, "bad.toml: this is nested too deeply"),
        (f"name = 'x'\nvalid_from = {TODAY}\nitems.detail.payer = 'caller'", "items detail: who asks pays"),
        ("\udcff", "not UTF-8"),
    ):
        (tmp_path / "bad.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
        done = run("plans", "add", str(tmp_path / "bad.toml"))
        assert done.exit_code == 1
        assert said in " ".join(done.output.split())
    assert "No such file" in run("plans", "add", str(tmp_path / "none.toml")).output
    assert run("plans", "list").output.count("family") == 1


def contract(url: str) -> tuple[Any, ...]:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT plan, next_plan, next_plan_on, prepaid FROM subscribers_subscriber"
        ).fetchone()
    return tuple(row or ())


@pytest.fixture
def known(run: Run, connected: Callable[[Connected], Any]) -> None:
    """A subscriber, and two plans."""

    async def work(connection: Connection) -> None:
        begins = plan("begins", valid_from=NEXT, effect="next-month")
        over = plan("over", valid_until=TODAY - timedelta(days=1))
        await add_plans(connection, plan(), plan("own"), plan("later", effect="next-month"), begins, over)

    connected(work)
    run("subscribers", "add", "13800138000")


NEXT = next_month(TODAY)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("options", "stored"),
    [
        (["--plan", "own"], ("", "own", TODAY, False)),
        (["--plan", "later"], ("", "later", NEXT, False)),
        (["--plan", "begins"], ("", "begins", NEXT, False)),
        (["--plan", "later", "--now"], ("", "later", TODAY, False)),
        (["--plan", "own", "--next-month"], ("", "own", NEXT, False)),
        (["--prepaid"], ("", "", None, True)),
        (["--plan", "own", "--prepaid"], ("", "own", TODAY, True)),
        (["--plan", "default", "--now"], ("", "", TODAY, False)),
    ],
)
def test_somebody_gets_a_plan(database_url: str, run: Run, options: list[str], stored: tuple[Any, ...]) -> None:
    done = run("billing", "subscribe", "13800138000", *options)
    assert done.exit_code == 0, done.output
    assert contract(database_url) == stored


@pytest.mark.usefixtures("known")
def test_a_plan_to_come_stays_when_its_day_is_there(database_url: str, run: Run) -> None:
    """A second change finds the first one in force, and does not lose it until its own day."""
    run("billing", "subscribe", "13800138000", "--plan", "later")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE subscribers_subscriber SET next_plan_on = %s", (TODAY,))
    run("billing", "subscribe", "13800138000", "--plan", "own", "--next-month")
    assert contract(database_url) == ("later", "own", NEXT, False)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(("begun", "stored"), [(date(2026, 11, 1), "second"), (date(2026, 11, 2), "first")])
def test_a_months_rental_is_by_the_plan_of_its_first_day(
    database_url: str, connected: Callable[[Connected], Any], begun: date, stored: str
) -> None:
    """Who gets a plan within a month has the plan he had on the first beside it, however often he changes."""
    day = date(2026, 11, 24)

    async def change(connection: Connection) -> None:
        for name, today in (("first", date(2026, 10, 1)), ("second", begun), ("third", day)):
            await subscribe(connection, ["8613800138000"], name, today, today)

    connected(change)
    assert contract(database_url) == (stored, "third", day, False)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["13800138000"], "nothing is to change; name a --plan"),
        (["13800138000", "--plan", "none"], "there is no plan 'none'"),
        (["13800138000", "--plan", "over"], "plan 'over' is over, and nothing follows it"),
        (["13900139000", "--prepaid"], "is not known; register with: louhua subscribers add"),
        (["nobody", "--prepaid"], "is not a telephone number"),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, arguments: list[str], said: str) -> None:
    done = run("billing", "subscribe", *arguments)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())
