"""Runs of the rentals in the real PostgreSQL: who pays what, once, and what becomes of who does not."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from tests.charging.books import NUMBER, Books, noon

from louhua.charging.balances import Balances
from louhua.charging.credit import Ask, Settlement
from louhua.charging.months import midnight_after
from louhua.charging.movements import CannotMove
from louhua.charging.run import runner, store
from louhua.charging.run.runner import Ending, RentalRun
from louhua.config import Config, Database
from louhua.creditors import Charging
from louhua.db import locks, pool
from louhua.db.locks import Lock
from louhua.db.pool import Connection, open_pool
from louhua.subscribers.profiles import BY_STAFF, Status
from louhua.subscribers.store import subscribe


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    books = Books(database_url)
    books.plan(rental="3.000", first_month="pro-rata")
    yield books
    books.reckon()
    books.connection.close()


LEDGER = (
    "SELECT event, kind, amount, price, quantity, why, prepaid, plan, version, month::text FROM charging_charge"
    " WHERE kind = 'rental' ORDER BY id"
)
AMOUNTS = "SELECT amount FROM charging_charge WHERE kind = 'rental' ORDER BY id"


def test_who_pays_afterwards_is_charged_at_once_and_once(books: Books) -> None:
    books.subscriber()
    tally = books.run("2026-11", "2026-11-01")
    assert (tally.registered, tally.collected, tally.amount, tally.owing) == (1, 1, 3000, 0)
    assert books.rows(LEDGER) == [
        (
            f"rental:{NUMBER}:2026-11:1", "rental", 3000, 3000, 30, "full month", False, "basic", 1, "2026-11-01",
        ),
    ]  # fmt: skip
    before = books.everything()
    again = books.run("2026-11", "2026-11-02")
    assert (again.registered, again.collected, again.amount) == (1, 0, 0)
    assert books.everything() == before


def test_only_who_is_registered_is_charged_and_only_where_a_plan_has_a_rental(books: Books) -> None:
    books.plan("free")
    books.plan("trial", rental="5.000", trial_days=90)
    books.plan("first", rental="5.000", first_month="free")
    books.subscriber("1", status="suspended")
    books.subscriber("2", status="unregistered")
    books.subscriber("3", plan="free")
    books.subscriber("4", plan="unknown")
    books.subscriber("5", plan="trial", activated="2026-11-03")
    books.subscriber("6", plan="first", activated="2026-11-03", prepaid=True)
    books.subscriber("7", activated="2026-11-16")
    books.subscriber("8", activated="2026-12-01")
    tally = books.run("2026-11", "2026-11-20")
    assert (tally.subscribers, tally.registered, tally.collected, tally.free) == (8, 6, 1, 2)
    assert {n: books.rental(number=str(n)) for n in range(1, 9)} == {
        1: None, 2: None, 3: None, 4: None, 5: (0, 0, 1, "trial", 0), 6: (0, 0, 1, "first month free", 0),
        7: (1500, 1500, 1, "pro rata", 15), 8: None,
    }  # fmt: skip
    rows = books.rows("SELECT payer, amount, why, prepaid FROM charging_charge ORDER BY payer")
    assert rows == [
        ("5", 0, "trial", False), ("6", 0, "first month free", True), ("7", 1500, "pro rata", False),
    ]  # fmt: skip
    before = books.everything()
    books.run("2026-11", "2026-11-21")
    assert books.everything() == before


def test_who_comes_within_the_month_is_charged_the_next_day_and_who_leaves_has_paid(books: Books) -> None:
    books.subscriber("1")
    books.run("2026-11", "2026-11-01")
    books.subscriber("2", activated="2026-11-21")
    books.connection.execute("UPDATE subscribers_subscriber SET status = 'unregistered' WHERE number = '1'")
    books.run("2026-11", "2026-11-22")
    assert books.rows(AMOUNTS) == [(3000,), (1000,)]


def test_who_is_suspended_all_month_pays_nothing_for_it(books: Books) -> None:
    books.subscriber("1", since="2026-12-16")
    books.run("2026-11", "2026-12-20")
    assert books.rental(number="1") is None
    books.run("2026-12", "2026-12-20")
    assert books.rental("2026-12", "1") == (1548, 1548, 1, "pro rata", 16)


def test_a_balance_pays_the_whole(books: Books) -> None:
    books.subscriber(prepaid=True)
    books.top_up(5000)
    tally = books.run("2026-11", "2026-11-01")
    assert (tally.collected, tally.owing, tally.amount) == (1, 0, 3000)
    assert books.balance() == 2000
    before = books.everything()
    books.run("2026-11", "2026-11-01")
    assert books.everything() == before


def test_a_balance_pays_a_part_and_the_rest_when_there_is_more(books: Books) -> None:
    books.subscriber(prepaid=True)
    books.top_up(1000)
    tally = books.run("2026-11", "2026-11-01")
    assert (tally.collected, tally.owing, tally.amount) == (1, 1, 1000)
    assert books.rental() == (3000, 1000, 1, "full month", 30)
    before = books.everything()
    books.run("2026-11", "2026-11-01")
    assert books.everything() == before, "the rest is not there"
    moved = books.top_up(500)
    assert (moved.rentals, moved.resumed) == (500, False)
    books.adjust(-2000)
    tally = books.run("2026-11", "2026-11-05")
    assert (tally.collected, tally.owing, tally.amount) == (1, 0, 1500)
    assert books.rental() == (3000, 3000, 3, "full month", 30)
    assert books.balance() == 500
    assert [row[0] for row in books.rows(LEDGER)] == [f"rental:{NUMBER}:2026-11:{part}" for part in (1, 2, 3)]


def test_without_parts_a_balance_pays_all_or_nothing(database_url: str) -> None:
    books = Books(database_url, partial_rental=False)
    books.plan(rental="3.000")
    books.subscriber(prepaid=True)
    books.top_up(2999)
    assert books.run("2026-11", "2026-11-01").owing == 1
    assert (books.balance(), books.rows(AMOUNTS)) == (2999, [])
    assert books.top_up(1).rentals == 3000
    assert books.balance() == 0
    books.reckon()
    books.connection.close()


def test_who_has_no_balance_owes_all(books: Books) -> None:
    books.subscriber(prepaid=True)
    assert books.run("2026-11", "2026-11-01").owing == 1
    assert books.rental() == (3000, 0, 0, "full month", 30)
    assert books.rows(AMOUNTS) == []


def test_what_is_reserved_is_not_taken(books: Books) -> None:
    books.subscriber(prepaid=True)
    books.top_up(3000)
    books.connection.execute("UPDATE charging_balance SET reserved = 100")
    books.run("2026-11", "2026-11-01")
    assert books.rental() == (3000, 2900, 1, "full month", 30)


def test_who_owes_is_suspended_after_the_days_of_grace_and_served_again_when_he_pays(books: Books) -> None:
    books.subscriber(prepaid=True)
    for day in range(1, 9):
        assert books.run("2026-11", f"2026-11-{day:02}").suspended == 0
    assert books.status() == "registered"
    assert books.run("2026-11", "2026-11-09").suspended == 1
    assert books.status() == "owing"
    before = books.everything()
    assert books.run("2026-11", "2026-11-10").suspended == 0
    assert books.run("2026-12", "2026-12-01").registered == 0
    assert books.everything() == before, "who is not served owes no more"
    assert books.top_up(2999).resumed is False
    moved = books.top_up(10)
    assert (moved.rentals, moved.resumed) == (1, True)
    assert books.status() == "registered"
    since, now = books.rows("SELECT served_since, now() FROM subscribers_subscriber")[0]
    assert timedelta(0) < now - since < timedelta(minutes=1)


def test_who_is_suspended_on_the_first_owes_nothing_for_the_month(database_url: str) -> None:
    books = Books(database_url, grace="30d")
    books.plan(rental="3.000")
    books.subscriber(prepaid=True)
    first = datetime(2026, 9, 30, 16, 0, 5, tzinfo=UTC)
    for day in range(31):
        books.daily(first + timedelta(days=day))
    assert books.status() == "registered", "served through the 31st of October"
    books.daily(first + timedelta(days=31))
    assert books.status() == "owing"
    books.daily(first + timedelta(days=32))
    assert books.rows("SELECT month::text FROM charging_rental") == [("2026-10-01",)]
    assert books.top_up(3000).resumed
    books.connection.close()


def test_a_run_finds_what_was_paid_and_asks_for_the_month_at_once(books: Books) -> None:
    books.subscriber(prepaid=True)
    books.run("2026-11", "2026-11-01")
    books.run("2026-11", "2026-11-09")
    books.connection.execute("UPDATE subscribers_subscriber SET prepaid = false")
    tally = books.run("2026-12", "2026-12-16")
    assert (tally.resumed, tally.collected, tally.amount) == (1, 2, 3000 + 1548)
    assert books.rows("SELECT prepaid FROM charging_charge") == [(False,), (False,)], "he pays afterwards now"
    assert books.status() == "registered"
    before = books.everything()
    books.run("2026-12", "2026-12-16")
    assert books.everything() == before


@pytest.mark.parametrize("before", [[], [Status.OWING], [Status.OWING, Status.REGISTERED]])
def test_who_was_suspended_by_staff_stays_so(books: Books, before: list[Status]) -> None:
    books.subscriber(prepaid=True)
    books.run("2026-11", "2026-11-01")
    for status in before:
        if status is Status.OWING:
            assert books.run("2026-11", "2026-11-09").suspended == 1
        else:
            books.staff(status)
    books.staff(Status.SUSPENDED)
    assert books.run("2026-11", "2026-11-20").suspended == 0
    moved = books.top_up(5000)
    assert (moved.rentals, moved.resumed) == (3000, False)
    assert books.run("2026-11", "2026-11-21").resumed == 0
    assert books.status() == "suspended"


def test_who_has_left_meanwhile_is_not_registered_by_paying(books: Books) -> None:
    books.subscriber(prepaid=True)
    books.run("2026-11", "2026-11-01")
    assert books.run("2026-11", "2026-11-09").suspended == 1
    books.staff(Status.UNREGISTERED)
    assert not books.top_up(3000).resumed
    assert books.status() == "unregistered"


def test_what_runs_do_is_counted(books: Books) -> None:
    def counted() -> list[float]:
        names = ("louhua_rental_total", "louhua_rental_suspended_total", "louhua_rental_resumed_total")
        return [REGISTRY.get_sample_value(name) or 0 for name in names]

    books.subscriber("1", prepaid=True)
    books.subscriber("2")
    before = counted()
    for day in ("01", "09"):
        books.run("2026-11", f"2026-11-{day}")
    books.top_up(3000, "1")
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [6000, 1, 1]


def test_who_is_registered_again_without_paying_is_suspended_again(books: Books) -> None:
    books.subscriber(prepaid=True)
    books.run("2026-11", "2026-11-01")
    books.run("2026-11", "2026-11-09")
    books.staff(Status.REGISTERED)
    assert books.run("2026-11", "2026-11-10").suspended == 1
    assert books.top_up(3000).resumed is True


def test_the_older_debt_is_paid_first(books: Books) -> None:
    books.subscriber(prepaid=True)
    books.run("2026-10", "2026-10-30")
    books.run("2026-11", "2026-11-01")
    books.top_up(4000)
    assert [books.rental(month) for month in ("2026-10", "2026-11")] == [
        (3000, 3000, 1, "full month", 31), (3000, 1000, 1, "full month", 30),
    ]  # fmt: skip


def test_a_version_that_begins_within_the_month_charges_who_came_after_it(books: Books) -> None:
    books.plan(valid_from="2026-11-10", rental="6.000")
    books.subscriber("1")
    books.subscriber("2", activated="2026-11-12")
    books.run("2026-11", "2026-11-20")
    assert books.rows("SELECT payer, version, due FROM charging_rental ORDER BY payer") == [
        ("1", 1, 3000), ("2", 2, 6000),
    ]  # fmt: skip


def test_a_plan_that_is_taken_within_the_month_costs_from_the_next_month_on(books: Books) -> None:
    books.plan("free")
    books.subscriber(plan="free")

    async def change(_: object, connection: Connection) -> int:
        day = date(2026, 11, 24)
        return await subscribe(connection, [NUMBER], "", day, day)

    assert books.move(change) == 1
    books.run("2026-11", "2026-11-25")
    assert books.rental("2026-11") is None
    books.run("2026-12", "2026-12-01")
    assert books.rental("2026-12") == (3000, 3000, 1, "full month", 31)


def test_the_services_plan_that_changes_within_the_month_costs_from_the_next_month_on(books: Books) -> None:
    books.plan("nothing")
    books.subscriber("1")
    costly = books.config
    books.config = costly.model_copy(update={"charging": costly.charging.model_copy(update={"plan": "nothing"})})
    books.run("2026-11", "2026-11-01")
    books.config = costly
    books.subscriber("2", activated="2026-11-16")
    books.run("2026-11", "2026-11-20")
    assert books.rows("SELECT payer, amount FROM charging_charge") == [("2", 1500)], "who came since then pays"
    books.run("2026-12", "2026-12-01")
    assert books.rental("2026-12", "1") == (3000, 3000, 1, "full month", 31)
    books.run("2026-11", "2026-12-02", everybody=True)
    assert books.rental("2026-11", "1") == (3000, 3000, 1, "full month", 30)


def test_who_takes_two_plans_within_a_month_owes_none_of_them(books: Books) -> None:
    books.plan("free")
    books.plan("gold", rental="9.000")
    books.subscriber(plan="free")
    books.run("2026-11", "2026-11-01")
    for plan, day, since in (("basic", 10, date(2026, 11, 10)), ("gold", 15, date(2026, 12, 1))):
        books.move(partial(_subscribe, plan, date(2026, 11, day), since))
    books.run("2026-11", "2026-11-16")
    assert books.rental("2026-11") is None
    books.run("2026-12", "2026-12-01")
    assert books.rental("2026-12") == (9000, 9000, 1, "full month", 31)


async def _subscribe(plan: str, today: date, since: date, _: object, connection: Connection) -> int:
    return await subscribe(connection, [NUMBER], plan, today, since)


@pytest.mark.parametrize("status", [Status.UNREGISTERED, Status.SUSPENDED])
def test_who_came_and_went_between_two_runs_has_used_the_month(books: Books, status: Status) -> None:
    today = datetime.now(UTC)
    month = f"{today.astimezone(books.config.service.zone):%Y-%m}"
    books.daily(today)
    for number in ("1", "2"):
        books.staff(Status.REGISTERED, number)
        books.staff(status, number)
    books.connection.execute(
        "UPDATE subscribers_subscriber SET activated_at = '2026-01-01', served_since = '2026-01-01',"
        " served_until = '2026-02-01' WHERE number = '2'"
    )
    books.daily(today)
    assert books.rows("SELECT payer, month::text FROM charging_rental") == [("1", f"{month}-01")]
    assert books.status("1") == status
    before = books.everything()
    books.daily(today)
    assert books.everything() == before


def test_who_left_before_a_late_run_has_used_the_month(books: Books) -> None:
    """The month began while the platform was down."""
    for number, left in (("1", "2026-11-01 02:00Z"), ("2", "2026-10-31 16:00Z"), ("3", "2026-10-31 16:01Z")):
        books.subscriber(number, status="unregistered")
        books.connection.execute(
            "UPDATE subscribers_subscriber SET served_until = %s WHERE number = %s", [left, number]
        )
    books.daily(noon("2026-11-01"))
    assert books.rows("SELECT payer, amount FROM charging_charge ORDER BY payer") == [("1", 3000), ("3", 3000)]


def test_chunks_follow_each_other_through_all_subscribers(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CHUNK", 7)
    for number in range(50):
        books.subscriber(
            f"1{number:03}", prepaid=number % 3 == 0, status="suspended" if number == 9 else "registered"
        )
    seen: list[int] = []
    run = RentalRun(books.config).month(
        date(2026, 11, 1), noon("2026-11-01"), lambda t: seen.append(t.subscribers)
    )
    tally = asyncio.run(run)
    assert tally is not None
    assert seen == [7, 14, 21, 28, 35, 42, 49, 50]
    assert (tally.registered, tally.collected, tally.owing) == (49, 33, 16)
    assert len(books.rows("SELECT DISTINCT payer FROM charging_rental")) == 49


def test_only_one_run_works_on_a_database(books: Books) -> None:
    books.subscriber()
    books.connection.execute(locks.TAKE, {"key": Lock.RENTALS})
    run = RentalRun(books.config)
    assert asyncio.run(run.month(date(2026, 11, 1), noon("2026-11-01"))) is None
    assert asyncio.run(run.daily(noon("2026-11-01"))) is Ending.BUSY
    assert books.rows(AMOUNTS) == []
    books.connection.execute("SELECT pg_advisory_unlock_all()")
    books.run("2026-11", "2026-11-01")
    assert books.rows(AMOUNTS) == [(3000,)]


def test_a_run_whose_connection_breaks_is_run_again(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "CHUNK", 3)
    for number in range(10):
        books.subscriber(f"1{number}", prepaid=number % 2 == 0)

    def broken(_tally: runner.Tally) -> None:
        books.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s",
            [Lock.RENTALS],
        )

    with pytest.raises(psycopg.OperationalError):
        asyncio.run(RentalRun(books.config).month(date(2026, 11, 1), noon("2026-11-01"), broken))
    assert books.one("SELECT count(*) FROM charging_rental") == 3
    ran = "SELECT month::text, ran_on::text FROM charging_rentalrun"
    assert books.rows(ran) == [], "it has not gone through all"
    books.run("2026-11", "2026-11-01")
    assert books.one("SELECT count(*) FROM charging_rental") == 10
    assert books.rows(ran) == [("2026-11-01", "2026-11-01")]


def test_a_day_ends_the_month_before_for_who_came_last(books: Books) -> None:
    """Who came on the last day is charged for it; who has another plan since then, not for a month of it."""
    books.plan("free")
    books.subscriber("1", plan="free")
    books.daily(datetime(2026, 11, 29, 16, 0, 5, tzinfo=UTC))
    books.subscriber("2", activated="2026-11-30")
    books.connection.execute(
        "UPDATE subscribers_subscriber SET served_since = '2026-11-29 16:00Z' WHERE number = '2'"
    )
    books.connection.execute("UPDATE subscribers_subscriber SET plan = '' WHERE number = '1'")
    books.daily(datetime(2026, 11, 30, 16, 0, 5, tzinfo=UTC))
    rentals = "SELECT payer, month::text, due FROM charging_rental ORDER BY payer, month"
    assert books.rows(rentals) == [("1", "2026-12-01", 3000), ("2", "2026-11-01", 100), ("2", "2026-12-01", 3000)]
    before = books.everything()
    books.daily(datetime(2026, 12, 1, 12, 0, tzinfo=UTC))
    assert books.everything() == before


def test_the_first_day_of_all_charges_no_month_before(books: Books) -> None:
    books.subscriber()
    books.daily(datetime(2026, 11, 30, 16, 0, 5, tzinfo=UTC))
    assert books.rows("SELECT month::text FROM charging_rental") == [("2026-12-01",)]


def test_the_scheduler_waits_for_the_database_and_then_for_midnight(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    books.subscriber()
    waits: list[float] = []
    here = {"url": "postgresql://127.0.0.1:1/louhua"}

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        here["url"] = books.url
        if len(waits) == 2:
            books.connection.execute("SELECT pg_advisory_unlock_all()")
        if len(waits) == 3:
            raise asyncio.CancelledError

    books.connection.execute(locks.TAKE, {"key": Lock.RENTALS})
    monkeypatch.setattr("louhua.charging.run.runner.asyncio.sleep", sleep)
    monkeypatch.setattr(pool, "database_url", lambda _config: here["url"])
    began = datetime.now(UTC)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(RentalRun(books.config).run())
    took = datetime.now(UTC) - began
    assert waits[:2] == [60, 60], "first there was no database, then another run"
    left = midnight_after(began, books.config.service.zone) + timedelta(seconds=5) - began
    assert left - took <= timedelta(seconds=waits[-1]) <= left
    assert len(books.rows(AMOUNTS)) == 1


@pytest.mark.parametrize(
    "name", ["UNCHARGED", "OWING", "LOCK_OWED", "CHANGE_RENTALS", "ASKING", "SUSPEND", "RESTING", "RESUME"]
)
def test_statements_read_only_their_chunk(books: Books, name: str) -> None:
    books.connection.execute(
        """
        INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on, power_on_hours,
            quiet_hours, digest, sender, notice_due, prepaid, created_at, updated_at)
        SELECT lpad(n::text, 6, '0'), 'registered', false, '', 'everybody', '', '', false, '', false, true,
               now(), now()
          FROM generate_series(1, 50000) AS n;
        INSERT INTO charging_rental (payer, month, plan, version, price, due, why, days, since, collected, parts,
            refusals, asking)
        SELECT number, month, 'basic', 1, 3, 3, '', 30, '2026-01-01',
               CASE WHEN number < '001000' THEN 0 ELSE 3 END, 1, 0, false
          FROM subscribers_subscriber, unnest(ARRAY['2026-10-01', '2026-11-01']::date[]) AS month;
        ANALYZE subscribers_subscriber, charging_rental
        """
    )
    payers = [f"{number:06}" for number in range(2000)]
    values = {
        "after": "000000", "upto": "002000", "month": date(2026, 11, 1), "since": None, "payers": payers,
        "months": [date(2026, 11, 1)] * 2000, "collected": [1] * 2000, "parts": [1] * 2000, "refusals": [0] * 2000,
        "refused_on": [None] * 2000, "asking": [False] * 2000, "before": date(2026, 11, 1),
        "begins": noon("2026-11-01"), "midnight": noon("2026-11-01"), "now": noon("2026-11-01"),
    }  # fmt: skip
    rows = books.connection.execute(b"EXPLAIN " + getattr(store, name).encode(), values).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in plan, plan
    assert "Index" in plan, plan
    books.connection.execute("TRUNCATE charging_rental")


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(0, 20)),
        st.tuples(st.just("top_up"), st.sampled_from("123"), st.integers(1, 7000)),
        st.tuples(st.just("credit"), st.sampled_from("1234"), st.integers(1, 2000)),
        st.tuples(st.just("staff"), st.sampled_from("1234"), st.sampled_from(BY_STAFF)),
        st.tuples(st.just("pays"), st.sampled_from("12"), st.booleans()),
    ),
    max_size=20,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS, partial=st.booleans())
def test_whatever_happens_in_whatever_order_the_books_agree(books: Books, steps: list[Any], partial: bool) -> None:
    books.connection.execute(
        "TRUNCATE charging_balance, charging_charge, charging_rental, charging_rentalrun, subscribers_subscriber"
    )
    books.config = Config(
        database=Database(url=books.url), charging=Charging(plan="basic", partial_rental=partial)
    )
    for number in "1234":
        books.subscriber(number, prepaid=number != "4")
    today = date(2026, 2, 1)
    for name, *arguments in [*steps, ("run", 1)]:
        match name, *arguments:
            case "run", int(days):
                today += timedelta(days=days)
                books.run(f"{today:%Y-%m}", f"{today}")
                before = books.everything()
                books.run(f"{today:%Y-%m}", f"{today}")
                assert books.everything() == before, "a second run changes nothing"
            case "top_up", str(number), int(amount):
                with contextlib.suppress(CannotMove):
                    books.top_up(amount, number)
            case "credit", str(number), int(amount):
                books.adjust(-amount, number)
            case "staff", str(number), Status() as status:
                books.staff(status, number)
            case "pays", str(number), bool(prepaid):
                books.connection.execute(
                    "UPDATE subscribers_subscriber SET prepaid = %s WHERE number = %s", [prepaid, number]
                )
        books.reckon()
    late = (
        "SELECT number FROM subscribers_subscriber AS s WHERE status = 'registered' AND EXISTS (SELECT 1"
        " FROM charging_rental WHERE payer = number AND collected < due AND since < %s)"
    )
    assert books.rows(late, today - timedelta(days=7)) == []
    even = (
        "SELECT number FROM subscribers_subscriber WHERE status = 'owing' AND number NOT IN (SELECT payer"
        " FROM charging_rental WHERE collected < due)"
    )
    assert books.rows(even) == [], "who paid is not kept suspended"


def test_a_run_beside_reservations_takes_no_more_than_there_is(books: Books) -> None:
    """Texts reserve and settle while the run goes over the same balances, again and again.

    In each month those with high numbers owe already when some with lower ones come.
    """
    for number in range(20):
        books.subscriber(f"1{number:02}", activated=f"2026-{10 - number // 2:02}-01", prepaid=True)
        books.top_up(3500, f"1{number:02}")

    async def both() -> None:
        pool = await open_pool(books.url)
        balances, at = Balances(pool), noon("2026-11-01")

        async def texts(name: str) -> None:
            for turn in range(15):
                sessions = {f"{name}-{turn}-{n}": f"1{n:02}" for n in range(20)}
                await balances.reserve(
                    [
                        Ask(session=session, payer=payer, item="detail", amount=100, at=at)
                        for session, payer in sessions.items()
                    ]
                )
                await balances.settle(
                    [
                        Settlement(session=session, payer=payer, item="detail", used=0, at=at)
                        for session, payer in sessions.items()
                    ]
                )

        async def months() -> None:
            for month in range(1, 12):
                await RentalRun(books.config).month(date(2026, month, 1), noon(f"2026-{month:02}-28"))

        await asyncio.gather(texts("a"), texts("b"), months())
        await pool.close()

    asyncio.run(both())
    books.run("2026-12", "2026-12-01")
    assert books.rows("SELECT DISTINCT reserved FROM charging_balance") == [(0,)]
    assert books.rows("SELECT DISTINCT balance FROM charging_balance") == [(0,)]
