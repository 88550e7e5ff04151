"""Money that is kept here: whatever is asked in whatever order, no more is promised than there is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.charging.books import Books

from louhua.charging.balances import Balances, Money, judged
from louhua.charging.credit import Ask, Settled, Settlement, Verdict
from louhua.charging.store import Charge, add_charges, write_ledger
from louhua.db.pool import Pool, open_pool

T = TypeVar("T")

AT = datetime(2026, 11, 23, tzinfo=UTC)
PAYERS = ["1", "2", "3"]
GRANTED, REFUSED = Verdict.GRANTED, Verdict.REFUSED


def ask(session: str, payer: str, amount: int) -> Ask:
    return Ask(session=session, payer=payer, item="detail", amount=amount, at=AT)


def end(session: str, payer: str, used: int) -> Settlement:
    return Settlement(session=session, payer=payer, item="detail", used=used, at=AT)


@pytest.fixture
def books(database_url: str) -> Iterator[Books]:
    books = Books(database_url)
    for payer in PAYERS:
        books.subscriber(payer, prepaid=True)
    yield books
    books.connection.close()


def with_pool(books: Books, work: Callable[[Pool], Awaitable[T]], size: int = 4) -> T:
    async def connected() -> T:
        pool = await open_pool(books.url, size=size)
        try:
            return await work(pool)
        finally:
            await pool.close()

    return asyncio.run(connected())


def reserve(books: Books, *asks: Ask) -> list[Verdict]:
    return with_pool(books, lambda pool: Balances(pool).reserve(asks))


def settle(books: Books, *settlements: Settlement) -> list[Settled]:
    return with_pool(books, lambda pool: Balances(pool).settle(settlements))


def test_asks_of_one_payer_are_judged_one_after_another(books: Books) -> None:
    books.top_up(250, "1")
    asks = [
        ask("a", "1", 100), ask("b", "1", 200), ask("c", "2", 1), ask("d", "1", 100), ask("e", "9", 1),
        ask("f", "1", 100), ask("a", "1", 100), ask("g", "1", 50), ask("h", "1", 1), ask("i", "9", 0),
    ]  # fmt: skip
    assert reserve(books, *asks) == [
        GRANTED, REFUSED, REFUSED, GRANTED, REFUSED, REFUSED, GRANTED, GRANTED, REFUSED, REFUSED,
    ]  # fmt: skip
    assert books.rows("SELECT balance, reserved FROM charging_balance WHERE payer = '1'") == [(250, 250)]
    assert books.rows("SELECT session, amount FROM charging_hold ORDER BY session") == [
        ("a", 100), ("d", 100), ("g", 50),
    ]  # fmt: skip


def test_what_is_held_is_granted_again_and_held_once(books: Books) -> None:
    books.top_up(100, "1")
    for _ in range(3):
        assert reserve(books, ask("a", "1", 100)) == [GRANTED]
    assert reserve(books, ask("b", "1", 1)) == [REFUSED]


def test_settling_takes_what_was_used_and_frees_the_rest_once(books: Books) -> None:
    books.top_up(1000, "1")
    reserve(books, ask("a", "1", 100), ask("b", "1", 300))
    for _ in range(2):
        assert settle(books, end("a", "1", 60), end("b", "1", 0), end("never", "2", 5)) == [Settled.DONE] * 3
        assert books.rows("SELECT balance, reserved FROM charging_balance WHERE payer = '1'") == [(940, 0)]
    assert books.rows("SELECT * FROM charging_hold") == []


def test_nothing_is_asked_of_the_database_for_nothing(books: Books) -> None:
    assert reserve(books) == []
    assert settle(books) == []


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("top_up"), st.sampled_from(PAYERS), st.integers(1, 500)),
        st.tuples(
            st.just("reserve"),
            st.lists(st.tuples(st.integers(0, 12), st.integers(1, 200)), min_size=1, max_size=4),
        ),
        st.tuples(
            st.just("settle"),
            st.lists(st.tuples(st.integers(0, 12), st.integers(0, 100)), min_size=1, max_size=4),
        ),
    ),
    max_size=25,
)


class Story:
    """A sequence of steps, and what must be true after each; a session is always of the same payer.

    What is settled was delivered, and stands in the ledger as its text's charge, once.
    """

    def __init__(self, books: Books, pool: Pool) -> None:
        self.books = books
        self.pool = pool
        self.balances = Balances(pool)
        self.held: dict[str, int] = {}
        self.ended: set[str] = set()
        self.has = dict.fromkeys(PAYERS, 0)

    async def tell(self, steps: list[Any]) -> None:
        for name, *arguments in steps:
            await getattr(self, name)(*arguments)
            self.check()
        await self.settle([(number, 100) for number in range(13)])
        self.check()
        self.books.reckon()
        assert self.books.rows("SELECT * FROM charging_hold") == []

    async def top_up(self, payer: str, amount: int) -> None:
        await asyncio.to_thread(self.books.top_up, amount, payer)
        self.has[payer] += amount

    async def reserve(self, wanted: list[tuple[int, int]]) -> None:
        asks = [
            ask(f"s{number}", payer_of(number), amount)
            for number, amount in wanted
            if f"s{number}" not in self.ended
        ]
        for verdict, asked in zip(await self.balances.reserve(asks), asks, strict=True):
            if asked.session in self.held:
                assert verdict is GRANTED
            else:
                enough = asked.amount <= self.available(asked.payer)
                assert verdict is (GRANTED if enough else REFUSED)
                if enough:
                    self.held[asked.session] = asked.amount

    async def settle(self, used: list[tuple[int, int]]) -> None:
        ends: dict[str, Settlement] = {}
        for number, percent in used:
            session = f"s{number}"
            ends.setdefault(session, end(session, payer_of(number), self.held.get(session, 0) * percent // 100))
        new = [item for item in ends.values() if item.session in self.held]
        async with self.pool.connection() as connection, connection.transaction():
            await write_ledger(connection)
            await add_charges(connection, [delivered(item) for item in new])
        assert set(await self.balances.settle(list(ends.values()))) <= {Settled.DONE}
        for item in new:
            self.has[item.payer] -= item.used
            del self.held[item.session]
            self.ended.add(item.session)

    def available(self, payer: str) -> int:
        return self.has[payer] - sum(
            held for session, held in self.held.items() if payer_of(int(session[1:])) == payer
        )

    def check(self) -> None:
        rows = self.books.rows("SELECT payer, balance, reserved FROM charging_balance")
        stored = {payer: (balance, reserved) for payer, balance, reserved in rows}
        for payer in PAYERS:
            balance, reserved = stored.get(payer, (0, 0))
            assert balance == self.has[payer]
            assert balance - reserved == self.available(payer) >= 0


def payer_of(number: int) -> str:
    return PAYERS[number % len(PAYERS)]


def delivered(item: Settlement) -> Charge:
    return Charge(
        event=f"text:{item.session}", kind="usage", payer=item.payer, month=AT.date().replace(day=1), at=AT,
        price=item.used, amount=item.used, why="price", prepaid=True,
    )  # fmt: skip


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_no_sequence_promises_more_than_there_is_and_in_the_end_the_ledger_agrees(
    books: Books, steps: list[Any]
) -> None:
    books.connection.execute("TRUNCATE charging_balance, charging_hold, charging_charge")
    with_pool(books, lambda pool: Story(books, pool).tell(steps), size=1)


@given(
    wanted=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50))),
    has=st.integers(0, 200),
    held=st.integers(0, 3),
)
def test_what_is_granted_anew_fits_and_what_is_refused_does_not(
    wanted: list[tuple[int, int]], has: int, held: int
) -> None:
    asks = [ask(str(session), "1", amount) for session, amount in wanted]
    verdicts, new = judged(asks, {"1": Money(has)}, {str(session) for session in range(held)})
    assert sum(item.amount for item in new) <= has
    assert len({item.session for item in new}) == len(new)
    left = has - sum(item.amount for item in new)
    assert all(item.amount > left for item, verdict in zip(asks, verdicts, strict=True) if verdict is REFUSED), (
        "what is refused does not fit in the end either"
    )


def test_several_connections_never_reserve_more_than_there_is(books: Books) -> None:
    for payer in PAYERS:
        books.top_up(1000, payer)

    async def crowd(pool: Pool) -> list[tuple[Ask, Verdict]]:
        balances = Balances(pool)

        async def one(name: str) -> list[tuple[Ask, Verdict]]:
            told = []
            for turn in range(10):
                # Payers in every order, each session twice in the same batch.
                batch = [ask(f"{name}-{turn}-{n}", PAYERS[(n + turn) % 3], 10 + n) for n in range(6)]
                batch += batch[::-1]
                told += list(zip(batch, await balances.reserve(batch), strict=True))
                await balances.settle([end(item.session, item.payer, 0) for item in batch[:1]])
            return told

        return [pair for told in await asyncio.gather(*map(one, "abcdef")) for pair in told]

    told = with_pool(books, crowd, size=6)
    kept = {item.session: item for item, verdict in told if verdict is GRANTED and not item.session.endswith("-0")}
    for payer, balance, reserved in books.rows("SELECT payer, balance, reserved FROM charging_balance"):
        held = books.one("SELECT coalesce(sum(amount), 0) FROM charging_hold WHERE payer = %s", payer)
        assert balance == 1000
        assert reserved == held <= 1000
        assert held == sum(item.amount for item in kept.values() if item.payer == payer)
        assert held > 950, "they wanted more than there was"


def test_the_same_session_on_several_connections_is_held_once(books: Books) -> None:
    books.top_up(1000, "1")

    async def crowd(pool: Pool) -> list[list[Verdict]]:
        balances = Balances(pool)
        return await asyncio.gather(*(balances.reserve([ask("a", "1", 100)]) for _ in range(12)))

    assert with_pool(books, crowd, size=6) == [[GRANTED]] * 12
    assert books.rows("SELECT reserved FROM charging_balance") == [(100,)]
