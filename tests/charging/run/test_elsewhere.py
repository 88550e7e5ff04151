"""Rentals of who pays beforehand to another system: debited once, all or nothing."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

import pytest
from tests.charging.books import Books, noon

from louhua.charging.credit import Ask, Settled, Settlement, Verdict
from louhua.charging.run.runner import Ending, RentalRun
from louhua.subscribers.profiles import Status


class At:
    """A clock that stands."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment
        self.combine = datetime.combine

    def now(self, _zone: tzinfo) -> datetime:
        return self._moment


class Elsewhere:
    """Money that is kept by another system, which remembers what it has answered."""

    def __init__(self, **money: int) -> None:
        self.money = {name.removeprefix("n"): amount for name, amount in money.items()}
        self.said: dict[str, Verdict] = {}
        self.asked: list[Ask] = []
        self.away = self.deaf = self.deadly = False

    async def debit(self, asks: Sequence[Ask]) -> list[Verdict]:
        self.asked += asks
        verdicts = [self._answer(ask) for ask in asks]
        if self.deadly:
            raise KeyboardInterrupt
        return verdicts

    def _answer(self, ask: Ask) -> Verdict:
        if self.away:
            return Verdict.AWAY
        if ask.session not in self.said:
            enough = self.money.get(ask.payer, 0) >= ask.amount
            self.money[ask.payer] = self.money.get(ask.payer, 0) - ask.amount * enough
            self.said[ask.session] = Verdict.GRANTED if enough else Verdict.REFUSED
        return Verdict.AWAY if self.deaf else self.said[ask.session]

    async def reserve(self, asks: Sequence[Ask]) -> list[Verdict]:
        raise NotImplementedError

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        raise NotImplementedError


@pytest.fixture
def distant(database_url: str) -> Iterator[Books]:
    books = Books(database_url, keeper="diameter")
    books.plan(rental="3.000")
    yield books
    books.reckon()
    books.connection.close()


def test_money_that_is_kept_elsewhere_is_debited_all_or_nothing(distant: Books) -> None:
    for number in ("1", "2", "3"):
        distant.subscriber(number, prepaid=number != "3")
    there = Elsewhere(n1=5000, n2=2999)
    tally = distant.run("2026-11", "2026-11-01", there)
    assert (tally.collected, tally.owing, tally.amount) == (2, 1, 6000)
    assert there.money == {"1": 2000, "2": 2999}
    assert [(ask.session, ask.amount, ask.item, ask.again) for ask in there.asked] == [
        ("rental-1-2026-11", 3000, "rental", False), ("rental-2-2026-11", 3000, "rental", False),
    ]  # fmt: skip
    there.money["2"] = 3000
    tally = distant.run("2026-11", "2026-11-02", there)
    assert (tally.collected, tally.owing, there.money["2"]) == (1, 0, 0)
    assert there.asked[-1].session == "rental-2-2026-11-1", "else the server would refuse again"
    assert distant.rows("SELECT payer, prepaid, amount FROM charging_charge ORDER BY payer") == [
        ("1", True, 3000), ("2", True, 3000), ("3", False, 3000),
    ]  # fmt: skip
    before = distant.everything()
    distant.run("2026-11", "2026-11-03", there)
    assert distant.everything() == before


def test_what_was_debited_and_not_heard_is_not_debited_again(distant: Books) -> None:
    distant.subscriber("1", prepaid=True)
    there = Elsewhere(n1=9000)
    there.deaf = True
    assert distant.run("2026-11", "2026-11-01", there).owing == 1
    assert there.money == {"1": 6000}
    there.deaf = False
    assert distant.run("2026-11", "2026-11-02", there).amount == 3000
    assert there.money == {"1": 6000}
    assert [(ask.session, ask.again) for ask in there.asked] == [
        ("rental-1-2026-11", False), ("rental-1-2026-11", True),
    ]  # fmt: skip


def test_who_dies_after_a_debit_writes_it_when_he_comes_again(distant: Books) -> None:
    distant.subscriber("1", prepaid=True)
    distant.subscriber("2")
    there = Elsewhere(n1=9000)
    there.deadly = True
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            distant.run("2026-11", "2026-11-01", there)
    assert distant.rows("SELECT payer FROM charging_charge") == [("2",)]
    there.deadly = False
    assert distant.run("2026-11", "2026-11-02", there).amount == 3000
    assert there.money == {"1": 6000}


def test_nobody_is_suspended_because_the_keeper_of_his_money_is_away(distant: Books) -> None:
    distant.subscriber("1", prepaid=True)
    there = Elsewhere()
    there.away = True
    distant.run("2026-11", "2026-11-01", there)
    assert distant.run("2026-11", "2026-11-20", there).suspended == 0
    assert distant.run("2026-11", "2026-11-20").suspended == 0, "nobody asks there"
    there.away = False
    assert distant.run("2026-11", "2026-11-21", there).suspended == 1
    there.money["1"] = 3000
    tally = distant.run("2026-11", "2026-11-22", there)
    assert (tally.collected, tally.resumed, distant.status("1")) == (1, 1, "registered")


def asked_on(there: Elsewhere, books: Books, day: str) -> list[tuple[str, bool]]:
    there.asked.clear()
    books.run(day[:7], day, there)
    return [(ask.session, ask.again) for ask in there.asked]


def test_the_oldest_debt_is_paid_first(distant: Books) -> None:
    distant.plan(rental="1.000", valid_from="2026-11-01")
    distant.subscriber("1", prepaid=True)
    there = Elsewhere(n1=1000)
    assert asked_on(there, distant, "2026-10-30") == [("rental-1-2026-10", False)]
    assert asked_on(there, distant, "2026-11-01") == [("rental-1-2026-10-1", False)], "November waits for October"
    there.money["1"] = 3500
    assert asked_on(there, distant, "2026-11-02") == [("rental-1-2026-10-2", False), ("rental-1-2026-11", False)]
    assert (there.money["1"], distant.rental("2026-10", "1"), distant.rental("2026-11", "1")) == (
        500, (3000, 3000, 1, "full month", 31), (1000, 0, 0, "full month", 30),
    )  # fmt: skip
    there.money["1"] = 1000
    assert asked_on(there, distant, "2026-11-03") == [("rental-1-2026-11-1", False)]
    assert asked_on(there, distant, "2026-11-04") == []


def test_while_nobody_answers_each_debt_is_asked_for_once_a_run(distant: Books) -> None:
    distant.subscriber("1", prepaid=True)
    distant.subscriber("2", activated="2026-11-01", prepaid=True)
    there = Elsewhere()
    there.away = True
    assert asked_on(there, distant, "2026-10-01") == [("rental-1-2026-10", False)]
    for day in ("2026-11-01", "2026-11-02"):
        new = [("rental-2-2026-11", day != "2026-11-01")]
        assert sorted(asked_on(there, distant, day)) == [("rental-1-2026-10", True), *new]


def test_a_month_that_is_run_late_is_asked_for_before_later_ones(distant: Books) -> None:
    distant.subscriber("1", prepaid=True)
    there = Elsewhere()
    assert asked_on(there, distant, "2026-11-01") == [("rental-1-2026-11", False)]
    there.asked.clear()
    distant.run("2026-10", "2026-11-02", there)
    assert [(ask.session, ask.again) for ask in there.asked] == [
        ("rental-1-2026-11-1", False), ("rental-1-2026-10", False),
    ]  # fmt: skip
    assert asked_on(there, distant, "2026-11-03") == [("rental-1-2026-10-1", False)]


def test_what_is_left_of_a_part_is_debited(database_url: str) -> None:
    here = Books(database_url, partial_rental=True)
    here.plan(rental="3.000")
    here.subscriber("1", prepaid=True)
    here.top_up(1000, "1")
    here.run("2026-11", "2026-11-01")
    here.connection.close()
    distant = Books(database_url, keeper="diameter")
    there = Elsewhere(n1=2500)
    assert distant.run("2026-11", "2026-11-02", there).amount == 2000
    assert (there.money["1"], distant.rental("2026-11", "1")) == (500, (3000, 3000, 2, "full month", 30))
    distant.connection.close()


def test_what_was_refused_is_not_asked_for_again_before_tomorrow(distant: Books) -> None:
    """Not by the second month that the first day runs, nor by another node, nor after a restart."""
    distant.subscriber("1", prepaid=True)
    there = Elsewhere()
    assert distant.daily(noon("2026-10-31"), there) is Ending.DONE
    there.asked.clear()
    for _ in range(3):
        assert distant.daily(noon("2026-11-01"), there) is Ending.DONE
    assert [ask.session for ask in there.asked] == ["rental-1-2026-10-1"]
    assert distant.run("2026-11", "2026-11-08", there).suspended == 1, "he is not asked for November before"
    assert distant.run("2026-11", "2026-11-08", there).owing == 1


def test_who_was_refused_earlier_on_the_day_is_suspended_all_the_same(distant: Books) -> None:
    distant.subscriber("1", prepaid=True)
    there = Elsewhere()
    distant.run("2026-11", "2026-11-01", there)
    distant.run("2026-11", "2026-11-09", there)
    distant.staff(Status.REGISTERED, "1")
    there.asked.clear()
    assert (distant.run("2026-11", "2026-11-09", there).suspended, there.asked) == (1, [])


def test_what_nobody_answered_is_asked_for_again_on_the_same_day(
    distant: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    distant.subscriber("1", prepaid=True)
    there = Elsewhere(n1=9000)
    there.away = True
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        there.away = False
        if len(waits) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr("louhua.charging.run.runner.asyncio.sleep", sleep)
    monkeypatch.setattr("louhua.charging.run.runner.datetime", At(noon("2026-11-27")))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(RentalRun(distant.config, there).run())
    assert waits[0] == 600
    assert waits[1] == 12 * 3600 + 5, "until midnight"
    assert there.money == {"1": 6000}
    assert [ask.again for ask in there.asked] == [False, True]


def test_who_pays_afterwards_by_now_is_not_billed_for_what_may_have_been_taken(distant: Books) -> None:
    distant.subscriber("1", prepaid=True)
    distant.subscriber("2", prepaid=True)
    there = Elsewhere(n1=9000)
    there.deaf = True
    distant.run("2026-11", "2026-11-01", there)
    distant.connection.execute("UPDATE subscribers_subscriber SET prepaid = false")
    for day, credit in (("02", None), ("20", there), ("21", None)):
        tally = distant.run("2026-11", f"2026-11-{day}", credit)
        assert (tally.owing, tally.suspended) == (2, 0), "it is not they who keep it waiting"
    assert distant.rows("SELECT event FROM charging_charge") == []
    there.deaf = False
    tally = distant.run("2026-11", "2026-11-22", there)
    assert (tally.collected, tally.owing) == (2, 0)
    assert there.money == {"1": 6000, "2": 0}
    assert distant.rows("SELECT payer, prepaid, amount FROM charging_charge ORDER BY payer") == [
        ("1", True, 3000), ("2", False, 3000),
    ]  # fmt: skip


def test_what_was_asked_for_elsewhere_is_billed_when_all_money_is_kept_here(distant: Books) -> None:
    distant.subscriber("1", prepaid=True)
    there = Elsewhere()
    there.away = True
    distant.run("2026-11", "2026-11-01", there)
    distant.connection.execute("UPDATE subscribers_subscriber SET prepaid = false")
    here = Books(distant.url)
    assert here.run("2026-11", "2026-11-02").collected == 1
    assert here.rows("SELECT prepaid, amount FROM charging_charge") == [(False, 3000)]
    here.connection.close()
