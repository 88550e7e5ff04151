"""One subscriber at a time, from the command line."""

from pathlib import Path

import msgspec
import psycopg
import pytest
from tests.subscribers.conftest import Rows, Run
from typer.testing import CliRunner, Result

from louhua.cli import app
from louhua.db.embedded import EmbeddedPostgres

NUMBER = "13800138000"
DUE = "SELECT number, status, notice_due FROM subscribers_subscriber"


def owe(url: str, *, asking: bool = False) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO charging_rental (payer, month, plan, version, price, due, why, days, since, collected,"
            " parts, refusals, asking) VALUES ('8613800138000', '2026-11-01', 'basic', 1, 3000, 3000, '', 30,"
            " '2026-11-01', 500, 1, 0, %s)",
            [asking],
        )


def invoke(arguments: list[str]) -> Result:
    """``louhua …``"""
    return CliRunner().invoke(app, arguments)


def shown(run: Run, number: str = NUMBER) -> dict[str, str]:
    done = run("show", number)
    assert done.exit_code == 0, done.output
    lines = [line for line in done.output.splitlines() if not line.startswith(" ")]
    return {line[:15].strip(): line[16:] for line in lines}


def test_somebody_is_added_and_shown(run: Run) -> None:
    done = run("add", NUMBER, "--voicemail", "--language", "en")
    assert (done.exit_code, done.output) == (0, "13800138000 is registered; the notice follows\n")
    assert shown(run, "+86 138 0013 8000") == {
        "number": NUMBER, "status": "registered", "voicemail": "yes", "language": "en", "power_on": "everybody",
        "power_on_hours": "(always)", "quiet_hours": "(off)", "digest": "no", "sender": "(service)",
        "daily_limit": "(20)", "block list": "empty", "allow list": "empty",
    }  # fmt: skip


def test_who_is_not_known_has_the_default_profile(run: Run) -> None:
    said = shown(run)
    assert said["number"] == "13800138000, who is not known by name"
    assert said["status"] == "unregistered"


def test_the_notice_is_due_once_and_only_where_it_is_wanted(run: Run, rows: Rows) -> None:
    run("add", NUMBER, "--no-notice")
    assert rows(DUE) == [("8613800138000", "registered", False)]
    assert run("add", NUMBER).output == "13800138000 is registered already\n"
    assert rows(DUE) == [("8613800138000", "registered", False)]
    run("set", NUMBER, "--status=unregistered")
    run("add", NUMBER)
    run("set", NUMBER, "--digest")
    assert rows(DUE) == [("8613800138000", "registered", True)]
    run("set", NUMBER, "--status=suspended")
    assert rows(DUE) == [("8613800138000", "suspended", False)]


def test_everything_can_be_set_and_set_back(run: Run) -> None:
    run("add", NUMBER)
    done = run(
        "set", NUMBER, "--status=suspended", "--voicemail", "--language=EN", "--power-on=list",
        "--power-on-hours=8:00-22:00", "--quiet-hours=22:00-07:00", "--digest", "--sender=caller",
        "--daily-limit=0",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert shown(run) == {
        "number": NUMBER, "status": "suspended", "voicemail": "yes", "language": "en", "power_on": "list",
        "power_on_hours": "08:00-22:00", "quiet_hours": "22:00-07:00", "digest": "yes", "sender": "caller",
        "daily_limit": "0", "block list": "empty", "allow list": "empty",
    }  # fmt: skip
    done = run(
        "set", NUMBER, "--status=registered", "--no-voicemail", "--language=default", "--power-on=everybody",
        "--power-on-hours=default", "--quiet-hours=default", "--no-digest", "--sender=default",
        "--daily-limit=default",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert shown(run)["language"] == "(zh-hans)"
    assert shown(run)["daily_limit"] == "(20)"
    assert shown(run)["quiet_hours"] == "(off)"


def test_what_is_not_named_stays(run: Run) -> None:
    run("add", NUMBER)
    for options in (["--voicemail", "--power-on=nobody"], ["--language", "en"], ["--status=suspended"]):
        assert run("set", NUMBER, *options).exit_code == 0
    said = shown(run)
    assert [said[name] for name in ("status", "voicemail", "power_on", "language")] == [
        "suspended", "yes", "nobody", "en",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["set", NUMBER], "nothing is to change; name an option"),
        (["set", NUMBER, "--digest"], "is not known; register with: louhua subscribers add 13800138000"),
        (["set", NUMBER, "--language=fr"], "language is 'fr'; write zh-hans, en, or default"),
        (["set", NUMBER, "--sender=me"], "sender is 'me'; write service, caller, or default"),
        (["set", NUMBER, "--quiet-hours=late"], "'late' are no hours; write them like 22:00-07:00, or off"),
        (["set", NUMBER, "--daily-limit=many"], "write 0 (no limit) to 1000, or default"),
        (["set", "861088886666", "--status=registered"], "861088886666 cannot get texts"),
        (["add", "861088886666"], "861088886666 cannot get texts: only who is served"),
        (["add", "nobody"], "'nobody' is not a telephone number"),
        (["show", "nobody"], "'nobody' is not a telephone number"),
        (["block", NUMBER, "13900139000"], "is not known; register with: louhua subscribers add 13800138000"),
        (["allow", NUMBER, "nobody"], "'nobody' is not a telephone number"),
    ],
)
def test_what_cannot_be_is_explained(run: Run, rows: Rows, arguments: list[str], complaint: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert complaint in done.output
    assert rows(DUE) == []


def test_only_served_numbers_are_registered(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOUHUA_RANGES", '[{"name": "own", "prefixes": ["86139"]}]')
    done = run("add", NUMBER)
    assert done.exit_code == 1
    assert "8613800138000 is in no range that is served" in done.output
    assert shown(run)["not served"] == "8613800138000 is in no range that is served"
    assert run("add", "13900139000").exit_code == 0


def test_lists(run: Run, rows: Rows) -> None:
    run("add", NUMBER)
    for number in ("13900139000", "01088886666", "10086"):
        assert run("block", NUMBER, number).exit_code == 0
    assert run("allow", NUMBER, "13900139001").output == "13900139001 is on the allow list of 13800138000\n"
    assert run("block", NUMBER, "10086", "--remove").output == "10086 is not on the block list of 13800138000\n"
    assert shown(run)["block list"].split() == ["13900139000", "01088886666"]
    assert shown(run)["allow list"] == "13900139001"
    assert len(rows("SELECT FROM subscribers_listed")) == 3


def test_long_lists_are_shown_in_eighty_columns(run: Run) -> None:
    run("add", NUMBER)
    for number in range(8):
        run("block", NUMBER, f"1390013900{number}")
    lines = run("show", NUMBER).output.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.count("1390013900") for line in lines) == 8


def test_somebody_is_forgotten_with_the_lists(run: Run, rows: Rows) -> None:
    run("add", NUMBER)
    run("block", NUMBER, "13900139000")
    assert run("remove", NUMBER, input="n\n").exit_code == 1
    assert len(rows(DUE)) == 1
    assert "13800138000 is forgotten" in run("remove", NUMBER, input="y\n").output
    assert rows(DUE) == rows("SELECT FROM subscribers_listed") == []
    assert run("remove", NUMBER, "--yes").output == "13800138000 was not known\n"


def test_nobody_is_forgotten_with_money_on_a_balance(run: Run, rows: Rows, database_url: str) -> None:
    run("add", NUMBER)
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO charging_balance VALUES ('8613800138000', 1900, 0, now())")
    refused = run("remove", NUMBER, "--yes", "--forgive")
    assert refused.exit_code == 1
    assert len(rows(DUE)) == 1
    said, _, way_out = refused.stderr.replace("\n", " ").partition("pay it out first: ")
    assert "has 1.900 yuan on the balance" in said
    for step in way_out.replace("…", "goodbye").split(", then "):
        assert invoke(step.split()[1:]).exit_code == 0, step
    assert run("remove", NUMBER, "--yes").output == "13800138000 is forgotten\n"
    assert rows("SELECT balance FROM charging_balance") == [(0,)]


@pytest.mark.parametrize("keeper", ["here", "diameter"])
def test_nobody_is_forgotten_while_an_answer_about_his_money_is_awaited(
    run: Run, rows: Rows, database_url: str, monkeypatch: pytest.MonkeyPatch, keeper: str
) -> None:
    """He may have paid. Where all money is kept here by now, nobody will answer."""
    run("add", NUMBER)
    owe(database_url, asking=True)
    if keeper == "diameter":
        there = '{"peers": ["127.0.0.1:1"], "origin_host": "a", "origin_realm": "b", "destination_realm": "c"}'
        monkeypatch.setenv("LOUHUA_CHARGING__DIAMETER", there)
        monkeypatch.setenv("LOUHUA_CHARGING__KEEPER", keeper)
    done = run("remove", NUMBER, "--yes", "--forgive")
    assert done.exit_code == int(keeper == "diameter")
    assert ("wait for its answer" in done.stderr) is (keeper == "diameter")
    assert len(rows(DUE)) == done.exit_code


def test_what_is_owed_is_given_up_only_when_that_is_said(run: Run, rows: Rows, database_url: str) -> None:
    """Else whoever has the number next would pay."""
    run("add", NUMBER)
    owe(database_url)
    refused = run("remove", NUMBER, "--yes")
    assert refused.exit_code == 1
    assert "owes 2.500 yuan of rentals; to give them up add --forgive" in refused.stderr
    assert len(rows(DUE)) == 1
    assert run("remove", NUMBER, "--yes", "--forgive").output == "13800138000 is forgotten\n"
    assert rows("SELECT due, collected FROM charging_rental") == [(500, 500)]


@pytest.mark.parametrize("status", ["owing", "sleeping"])
def test_staff_does_not_make_anybody_owe(run: Run, rows: Rows, status: str) -> None:
    run("add", NUMBER)
    assert run("set", NUMBER, "--status", status).exit_code != 0
    assert rows(DUE)[0][1] == "registered"


def test_staffs_doings_are_written_down_masked(run: Run, data: Path) -> None:
    for arguments in (["add"], ["show"], ["set", "--digest"], ["remove", "--yes"]):
        run(arguments[0], NUMBER, *arguments[1:])
    run("block", NUMBER, "13900139000", "--remove")
    lines = [msgspec.json.decode(line) for line in (data / "audit.log").read_text().splitlines()]
    assert [line["did"].removeprefix("subscribers ") for line in lines] == [
        "add", "show", "set", "remove", "block --remove",
    ]  # fmt: skip
    assert {line["number"] for line in lines} == {"*********8000"}
    assert all(line["by"] for line in lines)
    assert "00138000" not in (data / "audit.log").read_text()


def test_what_cannot_be_written_down_is_not_done(run: Run, rows: Rows, data: Path) -> None:
    data.write_text("no directory")
    done = run("add", NUMBER)
    assert done.exit_code == 1
    assert "audit.log" in done.output
    assert rows(DUE) == []


def test_a_database_without_tables_is_explained(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path))
    monkeypatch.setenv("LOUHUA_DATABASE__URL", postgres.url.replace("/louhua?", "/postgres?"))
    done = CliRunner().invoke(app, ["subscribers", "show", NUMBER])
    assert done.exit_code == 1
    assert "run: louhua migrate" in done.output


def test_a_missing_database_is_explained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path))
    done = CliRunner().invoke(app, ["subscribers", "show", NUMBER])
    assert done.exit_code == 1
    assert "is louhua serve running" in done.output


@pytest.mark.parametrize("command", ["show", "add", "set", "remove", "block", "allow", "import"])
def test_help_fits_eighty_columns(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
