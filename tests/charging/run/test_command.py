"""``louhua billing run`` as a person runs it, and as it is killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.charging.books import ELSEWHERE, Books
from typer.testing import CliRunner, Result

from louhua.charging.run import command
from louhua.charging.run.runner import Tally
from louhua.cli import app
from louhua.config import Config
from louhua.creditors import Charging
from louhua.db import locks
from louhua.db.locks import Lock


def _long_month() -> str:
    """The latest month that is over and has 31 days."""
    last = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
    while last.day < 31:
        last = last.replace(day=1) - timedelta(days=1)
    return f"{last:%Y-%m}"


MONTH = _long_month()
MANY = 20_000
_FILL = """
INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on, power_on_hours, quiet_hours,
    digest, sender, notice_due, plan, prepaid, activated_at, served_since, created_at, updated_at)
SELECT '86138' || lpad(n::text, 8, '0'), 'registered', false, '', 'everybody', '', '', false, '', false,
       CASE n % 5 WHEN 0 THEN 'gold' ELSE '' END, n % 3 = 0, at, at, at, at
  FROM (SELECT n, CASE n % 4 WHEN 0 THEN timestamptz '{month}-16 04:00Z' ELSE timestamptz '2023-05-05 04:00Z' END
               AS at FROM generate_series(1, {many}) AS n) AS given
"""
_MONEY = """
INSERT INTO charging_charge (event, kind, payer, month, at, item, recipient, party, plan, version, quantity, price,
    amount, why, used, item_sum, day_sum, month_sum, seq, prepaid, reason, author)
SELECT 'top_up:' || number, 'top_up', number, '2024-03-01', now(), '', '', '', '', 0, 1, -amount, -amount,
       '', 0, 0, 0, 0, 0, true, 'test', 'test'
  FROM (SELECT number, right(number, 4)::int % 6000 AS amount FROM subscribers_subscriber WHERE prepaid) AS given
"""
_BALANCES = """
INSERT INTO charging_balance (payer, balance, reserved, updated_at)
SELECT payer, -amount, 0, now() FROM charging_charge
"""


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    books = Books(database_url)
    books.plan(rental="3.000", first_month="pro-rata")
    books.plan("gold", rental="10.000")
    yield books
    books.connection.close()


@pytest.fixture
def run(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("LOUHUA_DATABASE__URL", books.url)
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path))
    monkeypatch.setenv("LOUHUA_CHARGING__PLAN", "basic")

    def invoke(*arguments: str) -> Result:
        runner = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"})
        return runner.invoke(app, ["billing", "run", *arguments])

    return invoke


def fill(books: Books, many: int) -> None:
    for statement in (_FILL.format(many=many, month=MONTH), _MONEY, _BALANCES, "ANALYZE"):
        books.connection.execute(statement.encode())


def test_the_command_says_what_it_did(run: Callable[..., Result], books: Books) -> None:
    books.subscriber("8613800138000", activated="2023-05-05")
    books.subscriber("8613800138001", activated="2023-05-05", prepaid=True)
    books.top_up(1000, "8613800138001")
    done = run("--month", MONTH)
    assert (done.exit_code, done.stdout) == (
        0,
        (
            f"{MONTH}\n"
            "registered                      2\n"
            "rentals collected               2\n"
            "free                            0\n"
            "owing                           1\n"
            "suspended                       0\n"
            "served again                    0\n"
            "collected                   4.000 yuan\n"
        ),
    )
    done = run("--month", MONTH)
    words = " ".join(done.stdout.split())
    assert "registered 2 rentals collected 0 free 0 owing 1 suspended 0" in words
    books.reckon()


def test_the_report_has_room_for_millions(capsys: pytest.CaptureFixture[str]) -> None:
    many = Tally(*[20_000_000] * len(Tally.__struct_fields__))
    many.amount = 10**14
    elsewhere = Config(charging=Charging.model_validate({"keeper": "diameter", "diameter": ELSEWHERE}))
    command._report(elsewhere, date(2026, 11, 1), many)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert {len(line) for line in lines[1:7]} == {33}
    assert lines[7] == "collected         100000000000.000 yuan"


def test_the_command_says_that_another_is_at_work(run: Callable[..., Result], books: Books) -> None:
    books.connection.execute(locks.TAKE, {"key": Lock.RENTALS})
    done = run("--month", MONTH)
    assert done.exit_code == 1
    assert "another run is at work on this database" in " ".join(done.output.split())


def test_a_month_whose_rentals_are_forgotten_is_refused(run: Callable[..., Result], books: Books) -> None:
    """Housekeeping removes paid rentals: whoever ran their month again would charge everybody twice."""
    books.subscriber("8613800138000", activated="2023-05-05")
    done = run("--month", "2024-03")
    assert done.exit_code == 1
    assert "is not kept any more (retention.charges), and would pay twice" in " ".join(done.output.split())
    assert books.rows("SELECT * FROM charging_charge") == []


def test_money_elsewhere_is_left_to_the_alert_role(
    run: Callable[..., Result], books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOUHUA_CHARGING__KEEPER", "diameter")
    monkeypatch.setenv("LOUHUA_CHARGING__DIAMETER", json.dumps(ELSEWHERE))
    books.subscriber("8613800138001", activated="2023-05-05", prepaid=True)
    done = run("--month", MONTH)
    assert "owing 1" in " ".join(done.stdout.split())
    assert "the alert role asks for it once a day" in done.stdout
    assert books.rows("SELECT * FROM charging_charge") == []


def test_a_run_that_is_killed_again_and_again_charges_everybody_once(
    run: Callable[..., Result], books: Books
) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    fill(books, MANY)
    kills = 0
    for _ in range(60):
        process = subprocess.Popen(
            [sys.executable, "-m", "louhua.cli", "billing", "run", "--month", MONTH],
            env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await_progress(books, process)
        # At any moment of a chunk or two: what is random here is when it dies, not whether the test waits enough.
        time.sleep(chance.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
        await_unlocked(books)
        # Meanwhile some pay what they owe.
        debtors = "SELECT payer FROM charging_rental WHERE collected < due ORDER BY payer LIMIT 3 OFFSET %s"
        for (payer,) in books.rows(debtors, chance.randrange(50)):
            books.top_up(chance.randrange(1, 9000), payer)
        books.reckon()
        if books.one("SELECT count(*) FROM charging_rental") == MANY:
            break
    assert kills >= 2, f"seed {seed}: killed {kills} times"
    assert run("--month", MONTH).exit_code == 0
    books.reckon()
    assert books.rows(
        "SELECT number FROM subscribers_subscriber AS s WHERE (SELECT count(*) FROM charging_rental AS r"
        " WHERE r.payer = s.number) <> 1"
    ) == [], f"seed {seed}"  # fmt: skip
    assert books.one("SELECT count(*) FROM charging_rental") == MANY
    assert books.one("SELECT sum(amount) FROM charging_charge WHERE kind = 'rental'") == books.one(
        "SELECT sum(collected) FROM charging_rental"
    )
    # By hand: a fifth pays 10 yuan; of the others a quarter came on the 16th, and pays 16 days of 31.
    gold, basic = MANY // 5, MANY - MANY // 5
    late = sum(1 for n in range(1, MANY + 1) if n % 4 == 0 and n % 5)
    assert books.one("SELECT sum(due) FROM charging_rental") == gold * 10_000 + (basic - late) * 3000 + late * 1548
    short = "SELECT count(*) FROM charging_rental AS r JOIN charging_balance AS b USING (payer)"
    assert books.rows(f"{short} WHERE collected < due AND balance > 0") == [(0,)]
    assert books.rows("SELECT * FROM charging_rental WHERE collected < due AND payer NOT IN (SELECT payer"
                      " FROM charging_balance)") == []  # fmt: skip


def await_progress(books: Books, process: subprocess.Popen[bytes]) -> None:
    """Until it has stored a chunk, or has ended."""
    before = books.one("SELECT count(*) FROM charging_rental")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if books.one("SELECT count(*) FROM charging_rental") > before:
            return
        time.sleep(0.01)
    assert process.poll() is not None, "it stored nothing"


def await_unlocked(books: Books) -> None:
    """Until the server has noticed that the run is gone."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (
            books.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", Lock.RENTALS)
            == 0
        ):
            return
        time.sleep(0.01)
    raise AssertionError("the lock of a dead run stays")
