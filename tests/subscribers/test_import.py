"""``louhua subscribers import`` against the real PostgreSQL: again, stopped, beside others, with what is wrong."""

import csv
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.subscribers.conftest import Rows, Run

from louhua.config import Config
from louhua.subscribers import importing

COUNT = "SELECT count(*) FROM subscribers_subscriber"
ALL = (
    "SELECT number, status, voicemail, language, power_on, power_on_hours, quiet_hours, digest, sender,"
    " daily_limit, notice_due FROM subscribers_subscriber ORDER BY number"
)


def write(directory: Path, text: str, name: str = "people.csv") -> str:
    path = directory / name
    path.write_text(text, "utf-8")
    return str(path)


def many(directory: Path, count: int, *extra: str) -> str:
    lines = "".join(f"138{number:08},no\n" for number in range(count))
    return write(directory, "number,voicemail\n" + lines + "".join(f"{line}\n" for line in extra))


CONTRACT = "SELECT plan, next_plan, next_plan_on, prepaid FROM subscribers_subscriber"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "CHUNK", 1000)


def test_a_file_is_imported_and_imported_again(run: Run, rows: Rows, tmp_path: Path) -> None:
    path = many(tmp_path, 2500)
    done = run("import", path)
    assert (done.exit_code, done.stdout) == (
        0, "2,500 rows: 2,500 new, 0 changed, 0 as they were, 0 rejected\n"
    )  # fmt: skip
    before = rows("SELECT xmin, * FROM subscribers_subscriber ORDER BY number")
    done = run("import", path)
    assert done.stdout == "2,500 rows: 0 new, 0 changed, 2,500 as they were, 0 rejected\n"
    assert rows("SELECT xmin, * FROM subscribers_subscriber ORDER BY number") == before, "no row was touched"
    assert list(tmp_path.glob("*.rejected.csv")) == []


def test_another_plan_begins_today_and_what_was_the_months_first_stays(
    run: Run, rows: Rows, tmp_path: Path
) -> None:
    """A month's rental is by the plan of its first day: nobody pays a whole month for what he got today."""

    def imported(plan: str, prepaid: str = "") -> str:
        path = write(tmp_path, f"number,plan,prepaid\n13800138000,{plan},{prepaid}\n")
        return run("import", path).stdout.split(" rows: ")[1]

    rows(
        "INSERT INTO charging_planversion (name, number, valid_from, document, author, created_at)"
        " SELECT name, 1, '2020-01-01', '{}', '', now() FROM unnest(ARRAY['gold', 'iron']) AS name RETURNING 1"
    )
    today = datetime.now(Config().service.zone).date()
    assert imported("gold", "yes").startswith("1 new")
    assert rows(CONTRACT) == [("gold", "", None, True)]
    assert imported("gold").startswith("0 new, 0 changed, 1 as they were")
    assert imported("iron").startswith("0 new, 1 changed")
    assert rows(CONTRACT) == [("gold", "iron", today, True)]
    assert imported("iron", "yes").startswith("0 new, 0 changed, 1 as they were")
    assert imported("", "no").startswith("0 new, 1 changed")
    assert rows(CONTRACT) == [("gold", "iron", today, False)]
    assert imported("default").startswith("0 new, 1 changed")
    earlier = "gold" if today.day > 1 else "iron"
    assert rows(CONTRACT) == [(earlier, "", today, False)]
    tomorrow = today + timedelta(days=1)
    to_come = f"plan = 'gold', next_plan = 'iron', next_plan_on = '{tomorrow}'"
    rows(f"UPDATE subscribers_subscriber SET {to_come} RETURNING 1")
    assert imported("gold").startswith("0 new, 1 changed"), "it names the plan of today, and of tomorrow"
    assert rows(CONTRACT) == [("gold", "gold", today, False)]


def test_every_column_is_stored_and_what_is_not_named_stays(run: Run, rows: Rows, tmp_path: Path) -> None:
    header = "number,status,voicemail,language,power_on,power_on_hours,quiet_hours,digest,sender,daily_limit\n"
    full = "13800138000,suspended,yes,en,list,08:00-22:00,22:00-07:00,yes,caller,5\n"
    stored: tuple[Any, ...] = (
        "8613800138000", "suspended", True, "en", "list", "08:00-22:00", "22:00-07:00", True, "caller", 5, False,
    )  # fmt: skip
    assert run("import", write(tmp_path, header + full)).exit_code == 0
    assert rows(ALL) == [stored]
    done = run("import", write(tmp_path, header + "13800138000,,,,,,,,,\n"))
    assert "1 as they were" in done.output
    assert "1 as they were" in run("import", write(tmp_path, "number\n13800138000\n")).output
    assert rows(ALL) == [stored]
    done = run("import", write(tmp_path, header + "13800138000,,no,default,,default,default,,default,default\n"))
    assert "1 changed" in done.output
    assert rows(ALL) == [
        ("8613800138000", "suspended", False, "", "list", "", "", True, "", None, False)
    ]  # fmt: skip


def test_who_becomes_registered_is_to_be_told_once(run: Run, rows: Rows, tmp_path: Path) -> None:
    due = "SELECT notice_due FROM subscribers_subscriber ORDER BY number"
    path = write(tmp_path, "number,status\n13800138000,registered\n13800138001,registered\n")
    run("add", "13800138000", "--no-notice")
    run("import", path)
    assert rows(due) == [(False,), (True,)]
    run("import", write(tmp_path, "number,status\n13800138000,unregistered\n13800138001,suspended\n", "other.csv"))
    assert rows(due) == [(False,), (False,)]
    run("import", path)
    assert rows(due) == [(True,), (False,)], "who was suspended has been told before"
    run("import", path, "--no-notice")
    assert rows(due) == [(False,), (False,)], "nobody of the file, not even who was still to be told"


def test_bad_rows_go_to_a_file_that_can_be_corrected(run: Run, rows: Rows, tmp_path: Path) -> None:
    path = write(
        tmp_path, 'number,language\n13800138000,en\nnobody,en\n13800138001,"fr, en"\n01088886666,\n13800138002,\n'
    )
    done = run("import", path)
    assert done.exit_code == 2
    assert "5 rows: 2 new, 0 changed, 0 as they were, 3 rejected" in done.output
    rejected = tmp_path / "people.rejected.csv"
    with rejected.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "reason", "number", "language"],
            ["3", "'nobody' is not a telephone number", "nobody", "en"],
            ["4", "language is 'fr, en'; write zh-hans, en, default", "13800138001", "fr, en"],
            ["5", "861088886666 cannot get texts", "01088886666", ""],
        ]
    corrected = rejected.read_text("utf-8-sig").replace("nobody", "13800138009").replace("fr, en", "en")
    rejected.write_text(corrected, "utf-8")
    assert run("import", str(rejected)).exit_code == 2
    assert rows(COUNT) == [(4,)]
    assert "861088886666 cannot get texts" in (tmp_path / "people.rejected.rejected.csv").read_text()


def test_rows_that_repeat_a_number_are_told_of(run: Run, rows: Rows, tmp_path: Path) -> None:
    path = write(tmp_path, "number,voicemail,digest\n13800138000,no,yes\n+8613800138000,yes,\n")
    done = run("import", path)
    assert "numbers that are repeated: 1 (as in line 3 that of line 2)" in " ".join(done.output.split())
    assert rows("SELECT voicemail, digest FROM subscribers_subscriber") == [(True, True)]
    done = run("import", many(tmp_path, 2100, "13800000007,yes", "13800000007,no", "13800000001,yes"))
    assert "numbers that are repeated: 3 (as in line 2,103 that of line 2,102)" in " ".join(done.output.split())
    assert rows(
        "SELECT voicemail FROM subscribers_subscriber WHERE number LIKE '861380000000_' ORDER BY number"
    ) == [(number == 1,) for number in range(10)]


def test_a_file_in_another_encoding(run: Run, rows: Rows, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes("number,voicemail\n13800138000,是\n".encode("gbk"))
    done = run("import", str(path))
    assert done.exit_code == 1
    assert "if Excel wrote it, name the encoding with --encoding gbk" in done.output
    assert "nothing is imported" in done.output
    assert run("import", str(path), "--encoding", "gbk").exit_code == 0
    assert rows("SELECT voicemail FROM subscribers_subscriber") == [(True,)]
    path.write_text("number,voicemail\n13900139000,是\n", "utf-16")
    assert run("import", str(path), "--encoding", "utf-16").exit_code == 0
    done = run("import", str(path), "--encoding", "klingon")
    assert done.exit_code == 1
    assert "'klingon' is no encoding" in done.output


def test_a_file_that_breaks_off_in_the_middle_says_how_far_it_was_read(
    run: Run, rows: Rows, tmp_path: Path
) -> None:
    path = Path(many(tmp_path, 2500))
    path.write_bytes(path.read_bytes() + b"\xff\xfe\n")
    done = run("import", str(path))
    assert done.exit_code == 1
    assert "the first 2,001 lines are imported; run it again" in " ".join(done.output.split())
    assert rows(COUNT) == [(2000,)]


def test_what_cannot_be_read_or_written_is_explained(run: Run, tmp_path: Path) -> None:
    done = run("import", str(tmp_path / "nobody.csv"))
    assert done.exit_code == 1
    assert "nobody.csv: No such file or directory" in done.output
    (tmp_path / "people.rejected.csv").mkdir()
    done = run("import", write(tmp_path, "number\nnobody\n"))
    assert done.exit_code == 1
    assert "people.rejected.csv: Is a directory" in " ".join(done.output.split())


def test_an_import_is_written_down(run: Run, tmp_path: Path, data: Path) -> None:
    run("import", many(tmp_path, 3))
    assert '"did":"subscribers import"' in (data / "audit.log").read_text()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_stopped_can_be_run_again(
    database_url: str, run: Run, rows: Rows, tmp_path: Path, stop: signal.Signals
) -> None:
    path = many(tmp_path, 200_000)
    # Who starts the tests in the background has them ignore SIGINT, and their children with them.
    process = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "louhua.cli", "subscribers", "import", path],
        env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    with psycopg.connect(database_url, autocommit=True) as connection:
        while time.monotonic() < deadline and process.poll() is None:
            (count,) = connection.execute(COUNT).fetchone() or (0,)
            if count:
                break
    process.send_signal(stop)
    _, said = process.communicate(timeout=60)
    ((stored,),) = rows(COUNT)
    assert process.returncode != 0
    assert 0 < stored < 200_000
    assert stored % 50_000 == 0, "chunks are whole"
    if stop is not signal.SIGKILL:
        # The signal may come when a chunk is stored and not counted yet.
        told = [f"at least: the first {done + 1:,} lines are imported" for done in (stored, stored - 50_000)]
        told += ["at least: nothing is imported"] if stored == 50_000 else []
        assert any(words in " ".join(said.split()) for words in told), said
    done = run("import", path)
    assert f"200,000 rows: {200_000 - stored:,} new, 0 changed, {stored:,} as they were" in done.output
    assert rows(COUNT) == [(200_000,)]


def test_who_registers_meanwhile_is_not_lost(database_url: str, run: Run, rows: Rows, tmp_path: Path) -> None:
    """Somebody inserts one of the numbers, and commits while the import waits for it."""
    path = write(tmp_path, "number,digest\n13800138000,yes\n13800138001,yes\n")
    with psycopg.connect(database_url) as other:
        other.execute(
            "INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on, power_on_hours,"
            " quiet_hours, digest, sender, notice_due, created_at, updated_at)"
            " VALUES ('8613800138001', 'registered', true, 'en', 'list', '', '', false, '', false, now(), now())"
        )
        environment = os.environ | {"COLUMNS": "200"}
        process = subprocess.Popen(
            [sys.executable, "-m", "louhua.cli", "subscribers", "import", path],
            env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        _await_waiting(database_url)
        other.commit()
    said, _ = process.communicate(timeout=60)
    assert said == "2 rows: 1 new, 1 changed, 0 as they were, 0 rejected\n"
    assert rows("SELECT voicemail, power_on, digest FROM subscribers_subscriber ORDER BY number") == [
        (False, "everybody", True), (True, "list", True),
    ]  # fmt: skip


def _await_waiting(database_url: str) -> None:
    deadline = time.monotonic() + 60
    with psycopg.connect(database_url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            if (connection.execute(waiting).fetchone() or (0,))[0]:
                return
            time.sleep(0.02)
    raise AssertionError("the import did not wait")
