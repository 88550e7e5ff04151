"""``louhua cdr export`` is killed again and again, beside others and those who charge; then it is reckoned."""

import asyncio
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest
from tests.charging.cdr.conftest import Books, Run, charge, put

from louhua.db import locks
from louhua.db.locks import Lock

CHARGES = 360_000
KILLS = 14


def until(process: "subprocess.Popen[str]", seen: Callable[[], bool], wait_s: float = 30) -> None:
    """Look as often as can be, until it is seen or the process ends."""
    deadline = time.monotonic() + wait_s
    while process.poll() is None and not seen():
        assert time.monotonic() < deadline, "it was never seen"


def kill(books: Books, chance: random.Random, turn: int) -> None:
    """End an export when a draft appears, when it has its name, when a range is known, or at any other moment."""
    drafts, done = set(books.temporary()), set(books.files())
    ((rows,),) = books.rows("SELECT count(*) FROM charging_cdrfile")
    process = books.start()
    if turn % 4 == 0:
        until(process, lambda: not set(books.temporary()) <= drafts)
    elif turn % 4 == 1:
        until(process, lambda: not set(books.files()) <= done)
    elif turn % 4 == 2:
        until(process, lambda: books.rows("SELECT count(*) FROM charging_cdrfile") != [(rows,)])
    else:
        until(process, lambda: not set(books.temporary()) <= drafts)
        time.sleep(chance.random() * 2)
    process.kill()
    process.communicate(timeout=30)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_at_any_moment(books: Books, run: Run) -> None:
    books.fill(1, 200_000)
    numbers = range(200_001, CHARGES + 1)
    batches = [
        [charge(number) for number in numbers[start : start + 500]] for start in range(0, len(numbers), 500)
    ]
    charging = threading.Thread(target=lambda: asyncio.run(put(books.url, batches)))
    charging.start()
    chance, complete, cut_short = random.Random(4711), dict[str, str](), 0
    for turn in range(KILLS):
        kill(books, chance, turn)
        cut_short += books.rows("SELECT count(*) FROM charging_cdrfile WHERE closed_at IS NULL") == [(1,)]
        now = books.hashes()
        assert complete.items() <= now.items(), "no file was changed"
        complete = now
    charging.join()
    assert cut_short >= KILLS // 2, "the kills came while a file was being written"
    assert run("export").exit_code == 0
    assert complete.items() <= books.hashes().items()
    assert books.temporary() == []
    books.reckon()
    ((ledger,),) = books.rows("SELECT count(*) FROM charging_charge")
    assert ledger == CHARGES
    done = run("verify")
    assert (done.exit_code, done.stdout.split(": ")[1]) == (0, "all as they were written\n")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_who_is_asked_to_stop_tidies_up(books: Books, run: Run, stop: signal.Signals) -> None:
    books.fill(1, 100_000)
    # Who starts the tests in the background has them ignore SIGINT, and their children with them.
    process = books.start(before=["env", "--default-signal=INT"])
    until(process, lambda: any(path.stat().st_size for path in books.temporary()))
    process.send_signal(stop)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert (books.files(), books.temporary()) == ([], [])
    assert run("export").exit_code == 0
    books.reckon()


def test_two_at_once_share_the_work(books: Books) -> None:
    books.fill(1, 250_000)
    both = [books.start(), books.start(), books.start()]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0, 0]
    told = sorted(name for stdout, _ in said for name in re.findall(r"louhua-\d+\.csv", stdout))
    assert told == [path.name for path in books.files()]
    assert len(told) == 3
    assert sum("waiting until it is done" in stderr for _, stderr in said) >= 1
    books.reckon()


def test_who_waits_goes_on_when_the_other_one_dies(books: Books) -> None:
    books.fill(1, 3)
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    books.connection.execute(locks.TAKE, {"key": Lock.FILES})
    process = books.start()
    until(process, lambda: books.rows(waiting) == [(1,)])
    assert books.files() == []
    books.connection.execute("SELECT pg_advisory_unlock_all()")
    stdout, _ = process.communicate(timeout=30)
    assert "3 charges" in stdout
    books.reckon()
