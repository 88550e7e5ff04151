"""``louhua alerts``: a story from the real database, in a terminal of eighty columns."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.alerts.story import CALLEE, Story, Tell
from typer.testing import CliRunner

from louhua.alerts import history
from louhua.bus.events import Choice, Reason, ReceiptState
from louhua.cli import app

FILLED = "alerts_call_before|alerts_alert|texts_text|texts_part|reachability_watch"
CALLER = "8613900139000"
runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})


@pytest.fixture
def node(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LOUHUA_DATABASE__URL", database_url)
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path))
    return tmp_path


def ask(*arguments: str) -> str:
    done = runner.invoke(app, ["alerts", *arguments])
    assert done.exit_code == 0, done.output
    assert max((len(line) for line in done.stdout.splitlines()), default=0) <= 80 or "--json" in arguments
    return done.stdout


def joined(output: str) -> str:
    """Without the breaks that the width makes."""
    return " ".join(output.split())


async def off_and_probed(s: Story) -> None:
    """Two calls with key 2 and one with key 4 to a phone that is off, one probe that could not be delivered."""
    await s.register()
    await s.calls(s.call(), s.call(choice=Choice.POWER_ON, caller="8613700137000"))
    await s.calls(s.call())
    await s.probe()
    (probe,) = await s.claim()
    (message,) = await s.accepted(probe)
    await s.receipt(message, ReceiptState.UNDELIVERABLE)


@pytest.mark.usefixtures("node")
def test_a_phone_that_is_off_is_explained(tell: Tell) -> None:
    tell(off_and_probed)
    told = joined(ask("explain", "138 0013 8000"))
    for words in (
        "13800138000 is registered",
        "13900139000 called 13800138000: unreachable, menu, chose call_back, completed",
        "call_back, made: key 2", "call_back, merged, 2 calls", "power_on, made: key 4",
        "waits for the phone: watched since", "1 probe so far, next probe", "given up",
        "probe 1 to 13800138000: failed", "part 1, m1 at s: undeliverable",
    ):  # fmt: skip
        assert words in told, told


@pytest.mark.usefixtures("node")
@pytest.mark.parametrize(
    ("number", "kinds"),
    [("+8613800138000", {"call_back", "power_on"}), ("13900139000", {"call_back"}), ("13700137000", {"power_on"})],
)
def test_callee_caller_and_recipient_are_found(tell: Tell, number: str, kinds: set[str]) -> None:
    tell(off_and_probed)
    found = json.loads(ask("list", number, "--json"))["alerts"]
    assert {alert["kind"] for alert in found} == kinds
    assert all("waits for the phone" in alert["ending"] for alert in found)
    listed = ask("list", number)
    assert all(kind in listed for kind in kinds)
    assert "held" in listed


@pytest.mark.usefixtures("node")
def test_a_delivered_text_is_explained_without_what_it_said(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register()
        await s.calls(s.call(reason=Reason.BUSY, choice=Choice.CALL_OTHER, other_number="861088886666"))
        await s.phone_on()
        assert len(await s.deliver_all()) == 1
        await s.texted("D and a secret")

    tell(story)
    told = joined(ask("explain", "13800138000"))
    assert "chose call_other (01088886666)" in told
    assert "part 1, m1 at s: delivered" in told
    assert "1 call_other: delivered at" in told
    everything = ask("explain", "13800138000", "--json")
    read = json.loads(everything)
    assert {"number", "profile", "calls", "alerts", "watches", "texts", "story"} <= set(read)
    (alert_text,) = [text for text in read["texts"] if text["kind"] == "alert"]
    assert alert_text["parts"][0]["state"] == "delivered"
    assert "期待" not in everything
    assert '"body"' not in everything
    assert "secret" not in everything


@pytest.mark.usefixtures("node")
def test_nothing_known_is_said() -> None:
    assert "has no alerts of the last 30 days" in joined(ask("list", "13800138000"))
    assert "Nothing is kept of the last 7 days" in ask("explain", "13800138000", "--days", "7")


@pytest.mark.usefixtures("node")
def test_what_is_no_number_is_refused() -> None:
    done = runner.invoke(app, ["alerts", "explain", "nobody"])
    assert done.exit_code == 1
    assert "not a telephone number" in done.output


def test_who_looked_up_whom_is_written_down(node: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    ask("list", "13800138000")
    ask("explain", "13800138000")
    lines = [json.loads(line) for line in (node / "audit.log").read_text().splitlines()]
    assert [line["did"] for line in lines] == ["alerts list", "alerts explain"]
    for line in lines:
        assert line["number"] == "*********8000"
        assert line["by"]
        assert datetime.fromisoformat(line["at"]) > before


def test_what_cannot_be_written_down_is_not_shown(node: Path) -> None:
    (node / "audit.log").mkdir()
    done = runner.invoke(app, ["alerts", "explain", "13800138000"])
    assert done.exit_code == 1
    assert "audit.log" in done.output
    assert "registered" not in done.output


def fill(connection: psycopg.Connection) -> None:
    """A hundred thousand people: calls, alerts, texts with parts, and watches."""
    people = (
        "SELECT n, '86138' || lpad(n::text, 8, '0') AS callee, '86139' || lpad((n * 7 % 100000)::text, 8, '0') AS"
    )
    source = f"{people} caller, now() - n * interval '3 seconds' AS at FROM generate_series(1, 100000) AS n"
    connection.execute(
        f"""
        INSERT INTO alerts_call (id, node, trunk, sip_call_id, callee, caller, reason, treatment, choice, outcome,
                                 other_number, started_at, ended_at)
        SELECT n::text, 'n', 't', 's', callee, caller, 'busy', 'menu', 'none', 'completed', '', at, at
          FROM ({source}) AS given;
        INSERT INTO alerts_alert (callee, caller, kind, recipient, state, calls, first_at, last_at, other_number,
                                  watched, attempts, text_id, error, updated_at)
        SELECT callee, caller, CASE WHEN n % 9 = 0 THEN 'power_on' ELSE 'missed' END, callee, 'delivered', 1, at,
               at,
               '', false, 1, n, '', at FROM ({source}) AS given;
        INSERT INTO texts_text (kind, alert_ids, sender, recipient, body, parts, reference, priority, protocol_id,
                                set_dpf, validity_s, smsc, state, due_at, attempts, resent, final_at, error,
                                created_at)
        SELECT 'alert', ARRAY[n], 's', callee, '', 1, 1, 2, 0, false, 1, 's', 'delivered', at, 1, false, at, '', at
          FROM ({source}) AS given;
        INSERT INTO texts_part (text_id, seq, smsc, message_id, smsc_id, recipient, state, error)
        SELECT id, 0, 's', id::text, id::text, recipient, 'delivered', '' FROM texts_text;
        INSERT INTO reachability_watch (callee, since, last_call_at, limit_at, probes)
        SELECT callee, at, at, at, 1 FROM ({source}) AS given;
        """.encode()
    )
    for table in ("alerts_call", "alerts_alert", "texts_text", "texts_part", "reachability_watch"):
        connection.execute(f"ANALYZE {table}".encode())


def test_a_number_is_found_without_reading_the_tables(database_url: str) -> None:
    values: dict[str, Any] = {
        "number": CALLEE, "since": datetime.now(UTC) - timedelta(days=30), "limit": 200, "callees": [CALLER],
        "ids": [1, 2, 3],
    }  # fmt: skip
    with psycopg.connect(database_url, autocommit=True) as connection:
        fill(connection)
        for query in (history.CALLS, history.ALERTS, history.WATCHES, history.TEXTS, history.PARTS):
            rows = connection.execute(b"EXPLAIN " + query.encode(), values).fetchall()
            whole = [row[0] for row in rows if re.search(rf"Seq Scan on ({FILLED})", row[0])]
            assert not whole, rows
