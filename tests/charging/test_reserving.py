"""What is reserved is the most that a text can cost, however many are on their way, and whoever words them."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.charging.books import Books, noon
from tests.charging.conftest import several, waits
from tests.charging.steps import StepwiseCashier

from louhua.charging.balances import Balances
from louhua.charging.till import Till
from louhua.db.pool import Connection, Pool, open_pool
from louhua.texts.outbox import Tag, TextChange, TextKind, TextState

AT: Final = noon("2025-01-15")
ANNA, BEN, LATER = "8613800138000", "8613900139000", "8613700137000"
MONEY: Final = 10_000
ITEMS: Final = {
    "missed": {"price": "0.05", "free": 1}, "detail": {"price": "0.10", "free": 3, "cap": "0.45"},
    "digest": {"price": "0.07"},
}  # fmt: skip
AMOUNTS: Final = "SELECT text_id, amount FROM charging_reservation ORDER BY text_id"


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    books = Books(database_url, refused="free")
    books.plan(items=ITEMS, day_cap="0.90")
    for payer, prepaid in {ANNA: True, BEN: True, LATER: False}.items():
        books.subscriber(payer, activated="2024-01-10", prepaid=prepaid)
    yield books
    books.connection.close()


def tag(item: str, payer: str) -> Tag:
    return Tag(item, payer, "", prepaid=payer != LATER)


def ended(text: int, item: str, payer: str, state: TextState = TextState.DELIVERED) -> TextChange:
    return TextChange(
        text_id=text, kind=TextKind.ALERT, alert_ids=(), recipient=payer, state=state, at=AT, tag=tag(item, payer)
    )


class Node:
    """Words texts and hears what became of them, with a cashier of its own; the texts themselves are nowhere."""

    def __init__(self, books: Books, pool: Pool) -> None:
        self.books = books
        self.pool = pool
        self.till = Till(books.config)
        self.cashier = StepwiseCashier(books.config, pool, Balances(pool), self._heard, self._heard, lambda: None)

    @staticmethod
    async def _heard(*_: Any) -> Any:
        return ()

    async def word_on(self, connection: Connection, texts: Sequence[tuple[int, str, str]]) -> None:
        async with connection.transaction():
            await self.till.open(connection)
            await self.till.reserve(connection, [(text, tag(item, payer)) for text, item, payer in texts], AT)

    async def word(self, texts: Sequence[tuple[int, str, str]]) -> None:
        async with self.pool.connection() as connection:
            await self.word_on(connection, texts)

    async def hear_on(self, connection: Connection, changes: Sequence[TextChange]) -> None:
        async with connection.transaction():
            await self.till.texts_changed(connection, changes, AT)

    async def hear(self, changes: Sequence[TextChange]) -> None:
        async with self.pool.connection() as connection:
            await self.hear_on(connection, changes)

    async def settle(self) -> None:
        while await self.cashier.settle_some():
            pass


def amounts(books: Books) -> list[int]:
    return [amount for _, amount in books.rows(AMOUNTS)]


def charged(books: Books, payer: str) -> int:
    return int(
        books.one(
            "SELECT coalesce(sum(amount), 0) FROM charging_charge WHERE kind = 'usage' AND payer = %s", payer
        )
    )


def with_pool(books: Books, work: Any, size: int = 4) -> None:
    async def connected() -> None:
        pool = await open_pool(books.url, size=size)
        try:
            await work(pool)
        finally:
            await pool.close()

    asyncio.run(connected())


class Story:
    """Anna pays beforehand for what another pays for afterwards: the same texts, delivered and failed together."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.worded = 0
        self.underway: list[tuple[int, str]] = []

    async def tell(self, steps: Sequence[tuple[str, Any]]) -> None:
        for name, argument in steps:
            await getattr(self, name)(argument)
            self.check()
        await self.delivered((len(self.underway), False))
        await self.node.settle()
        self.check()

    def check(self) -> None:
        balance, reserved = self.node.books.rows("SELECT balance, reserved FROM charging_balance")[0]
        assert 0 <= reserved <= balance

    async def word(self, items: Sequence[str]) -> None:
        texts = [(self.worded + n, item) for n, item in enumerate(items, 1)]
        self.worded += len(texts)
        self.underway += texts
        await self.node.word([(text, item, ANNA) for text, item in texts])

    async def asked(self, _: None) -> None:
        await self.node.cashier.reserve_some()

    async def delivered(self, given: tuple[int, bool]) -> None:
        await self._end(*given, TextState.DELIVERED)

    async def failed(self, given: tuple[int, bool]) -> None:
        await self._end(*given, TextState.FAILED)

    async def _end(self, count: int, backwards: bool, state: TextState) -> None:
        await self.asked(None)
        texts = self.underway[:count][:: -1 if backwards else 1]
        del self.underway[:count]
        if texts:
            anna = [ended(text, item, ANNA, state) for text, item in texts]
            await self.node.hear(anna + [ended(1000 + text, item, LATER, state) for text, item in texts])


ENDS: Final = st.tuples(st.integers(1, 6), st.booleans())
STEPS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("word"), st.lists(st.sampled_from(sorted(ITEMS)), min_size=1, max_size=5)),
        st.tuples(st.just("asked"), st.none()),
        st.tuples(st.just("delivered"), ENDS),
        st.tuples(st.just("failed"), ENDS),
    ),
    max_size=16,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, money=st.sampled_from([MONEY, MONEY, 120]))
def test_who_pays_beforehand_pays_what_others_pay_afterwards(
    books: Books, steps: list[tuple[str, Any]], money: int
) -> None:
    """With enough money just as much, with little no more, in whatever batches the texts are worded."""
    books.connection.execute(
        "TRUNCATE charging_balance, charging_hold, charging_charge, charging_usage, charging_reservation"
    )
    books.top_up(money, ANNA)
    with_pool(books, lambda pool: Story(Node(books, pool)).tell(steps), size=1)
    paid = charged(books, ANNA)
    assert paid <= charged(books, LATER)
    assert paid == charged(books, LATER) or money < MONEY
    assert books.rows("SELECT balance, reserved FROM charging_balance") == [(money - paid, 0)]
    assert books.rows("SELECT * FROM charging_reservation") == books.rows("SELECT * FROM charging_hold") == []


@pytest.mark.parametrize("batches", [[5], [1, 1, 1, 1, 1], [2, 3]])
def test_what_is_free_is_free_for_the_first_on_their_way(books: Books, batches: list[int]) -> None:
    async def story(pool: Pool) -> None:
        node, texts = Node(books, pool), iter(range(1, 6))
        for size in batches:
            await node.word([(next(texts), "missed", ANNA) for _ in range(size)])

    with_pool(books, story)
    assert amounts(books) == [0, 50, 50, 50, 50]


def test_nothing_is_set_aside_beyond_a_cap_that_is_reached(books: Books) -> None:
    """Also where the item has no free places."""

    async def work(pool: Pool) -> None:
        node = Node(books, pool)
        for number in range(1, 15):
            await node.word([(number, "digest", ANNA)])
            await node.cashier.reserve_some()
            await node.hear([ended(number, "digest", ANNA)])
            await node.settle()
        await node.word([(15, "digest", ANNA)])
        assert (charged(books, ANNA), amounts(books)) == (900, [0])

    books.top_up(MONEY, ANNA)
    with_pool(books, work)


def test_of_what_arrives_at_once_that_is_free_for_which_nothing_was_set_aside(books: Books) -> None:
    async def work(pool: Pool) -> None:
        node = Node(books, pool)
        await node.word([(2, "missed", ANNA), (1, "missed", ANNA)])
        assert books.rows(AMOUNTS) == [(1, 50), (2, 0)]
        await node.cashier.reserve_some()
        await node.hear([ended(1, "missed", ANNA), ended(2, "missed", ANNA)])
        assert charged(books, ANNA) == 50

    books.top_up(MONEY, ANNA)
    with_pool(books, work)


def test_what_fails_gives_its_place_back(books: Books) -> None:
    async def story(pool: Pool) -> None:
        node = Node(books, pool)
        await node.word([(1, "missed", ANNA), (2, "detail", ANNA), (3, "missed", BEN)])
        await node.cashier.reserve_some()
        await node.hear([ended(1, "missed", ANNA, TextState.FAILED)])
        await node.word([(4, "missed", ANNA), (5, "missed", ANNA), (6, "missed", BEN)])

    with_pool(books, story)
    assert books.rows(AMOUNTS) == [(2, 0), (3, 0), (4, 0), (5, 50), (6, 50)]


def test_what_is_given_away_takes_no_place(books: Books) -> None:
    async def story(pool: Pool) -> None:
        node = Node(books, pool)
        await node.word([(1, "missed", ANNA), (2, "missed", ANNA)])
        await node.cashier.reserve_some()
        await node.hear([ended(1, "missed", ANNA, TextState.FAILED)])
        await node.word([(3, "missed", ANNA)])

    with_pool(books, story)
    assert books.rows("SELECT text_id, state, amount FROM charging_reservation ORDER BY text_id") == [
        (2, "waived", 50), (3, "asked", 0),
    ]  # fmt: skip


def test_two_nodes_word_texts_of_one_payer_one_after_the_other(books: Books) -> None:
    """At the first text of a month, and later."""

    async def story(pool: Pool) -> None:
        here, there = Node(books, pool), Node(books, pool)
        async with several(books.url, 3) as (one, other, looking):
            for first in (1, 3):
                await one.execute("BEGIN")
                await here.word_on(one, [(first, "missed", ANNA)])
                second = asyncio.create_task(there.word_on(other, [(first + 1, "missed", ANNA)]))
                await waits(looking, other, one)
                await one.execute("COMMIT")
                await second

    with_pool(books, story)
    assert amounts(books) == [0, 50, 50, 50]


def test_who_words_a_text_waits_for_what_is_delivered(books: Books) -> None:
    async def story(pool: Pool) -> None:
        node = Node(books, pool)
        await node.word([(1, "missed", ANNA)])
        await node.cashier.reserve_some()
        async with several(books.url, 3) as (one, other, looking):
            await one.execute("BEGIN")
            await node.hear_on(one, [ended(1, "missed", ANNA)])
            second = asyncio.create_task(node.word_on(other, [(2, "missed", ANNA)]))
            await waits(looking, other, one)
            await one.execute("COMMIT")
            await second

    with_pool(books, story)
    assert books.rows(AMOUNTS) == [(2, 50)]


def test_several_nodes_word_and_deliver_side_by_side(books: Books) -> None:
    """Nobody waits for somebody who waits for him, and each payer has what is free once."""
    payers = (ANNA, BEN)
    for payer in payers:
        books.top_up(MONEY, payer)

    async def node(pool: Pool, number: int) -> None:
        node = Node(books, pool)
        for turn in range(12):
            first = 100 * number + 4 * turn
            # Payers in either order, two texts of each in a batch.
            texts = [(first + n, "missed", payers[(n + number + turn) % 2]) for n in range(4)]
            await node.word(texts)
            while books.one("SELECT count(*) FROM charging_reservation WHERE state = 'asked'"):
                await node.cashier.reserve_some()
            await node.hear([ended(*text) for text in texts])
            await node.cashier.settle_some()

    async def all_of_them(pool: Pool) -> None:
        await asyncio.gather(*(node(pool, number) for number in range(4)))
        await Node(books, pool).settle()

    with_pool(books, all_of_them, size=8)
    for payer in payers:
        free = books.one("SELECT count(*) FROM charging_charge WHERE why = 'free quota' AND payer = %s", payer)
        assert free == 1
        assert books.balance(payer) == MONEY - charged(books, payer)
    assert books.rows("SELECT * FROM charging_reservation") == []
