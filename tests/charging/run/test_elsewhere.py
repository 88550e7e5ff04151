"""Rentals of who pays beforehand to another system: debited once, all or nothing."""

from collections.abc import Iterator, Sequence

import pytest
from tests.charging.books import Books

from louhua.charging.credit import Ask, Settlement, Verdict


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

    async def settle(self, settlements: Sequence[Settlement]) -> list[bool]:
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
