"""What was delivered is charged once, whatever comes again, late, out of order, or to two nodes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.charging.conftest import Connected, add_plans, plan, several, waits

from louhua.charging.deliveries import Charger, Delivery
from louhua.charging.months import local_day
from louhua.charging.plans import Item
from louhua.charging.rating import Usage, Why, rate
from louhua.charging.store import Charge, add_charges
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.subscribers.profiles import Contract, Profile, Status
from louhua.subscribers.store import save, subscribe

AT = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
ANNA, BEN, CARL, DORA = "8613800138000", "8613900139000", "8613600136000", "8613500135000"
STANDARD = plan(
    items={"detail": {"price": "0.10", "free": 1, "cap": "0.55"}, "missed": {"price": "0.07"}},
    day_cap="0.30",
    month_cap="0.80",
)
ROWS = (
    "SELECT event, payer, month::text, item, plan, version, amount, why, used, item_sum, day_sum, month_sum, seq,"
    " prepaid FROM charging_charge ORDER BY payer, month, seq"
)


def delivery(number: int, payer: str = ANNA, item: Item = Item.DETAIL, at: datetime = AT, **more: Any) -> Delivery:
    return Delivery(event=f"text:{number}", payer=payer, item=item, at=at, recipient=payer, party=BEN, **more)


async def charge(connection: Connection, charger: Charger, *deliveries: Delivery) -> None:
    async with connection.transaction():
        await charger.charge(connection, deliveries)


async def rows(connection: Connection) -> list[tuple[Any, ...]]:
    return await (await connection.execute(ROWS)).fetchall()


async def usage(connection: Connection) -> list[tuple[Any, ...]]:
    return await (await connection.execute("SELECT items, days FROM charging_usage")).fetchall()


def test_a_charge_is_written_with_its_explanation(connected: Callable[[Connected], Any]) -> None:
    async def story(connection: Connection) -> None:
        await add_plans(connection, STANDARD)
        charger = Charger(Config())
        await charge(connection, charger, delivery(1))
        await charge(connection, charger, delivery(2), delivery(3))
        assert await rows(connection) == [
            ("text:1", ANNA, "2026-11-01", "detail", "standard", 1, 0, "free quota", 0, 0, 0, 0, 1, False),
            ("text:2", ANNA, "2026-11-01", "detail", "standard", 1, 100, "price", 1, 0, 0, 0, 2, False),
            ("text:3", ANNA, "2026-11-01", "detail", "standard", 1, 100, "price", 2, 100, 100, 100, 3, False),
        ]

    connected(story)


def test_a_batch_is_rated_in_the_order_of_what_happened(connected: Callable[[Connected], Any]) -> None:
    async def story(connection: Connection) -> None:
        await add_plans(connection, STANDARD)
        later = [delivery(n, at=AT + timedelta(seconds=10 - n)) for n in range(3)]
        await charge(connection, Charger(Config()), *later)
        assert [(row[0], row[6]) for row in await rows(connection)] == [
            ("text:2", 0),
            ("text:1", 100),
            ("text:0", 100),
        ]

    connected(story)


def test_an_estimate_takes_of_the_quota_and_of_no_cap(connected: Callable[[Connected], Any]) -> None:
    async def story(connection: Connection) -> None:
        await add_plans(connection, STANDARD)
        charger = Charger(Config())
        await charger.catalogue.refresh(connection)
        both = [delivery(1), delivery(2), delivery(3, BEN), delivery(4, item=Item.TEASER)]
        assert await charger.estimate(connection, both) == [0, 100, 0, 0]
        assert await usage(connection) == [({}, {})] * 2
        assert await rows(connection) == []
        await charge(connection, charger, *both[:2])
        assert await charger.estimate(connection, [delivery(n) for n in range(5, 9)]) == [100, 100, 100, 100]
        await charge(connection, charger, delivery(5), delivery(6))
        assert await charger.estimate(connection, [delivery(7), delivery(8)]) == [0, 0]

    connected(story)


def test_where_nothing_is_free_of_charge_no_month_is_locked(connected: Callable[[Connected], Any]) -> None:
    async def story(connection: Connection) -> None:
        await add_plans(connection, STANDARD)
        charger = Charger(Config())
        await charger.catalogue.refresh(connection)
        assert await charger.estimate(connection, [delivery(1, item=Item.MISSED)] * 2) == [70, 70]
        assert await usage(connection) == []

    connected(story)


def test_of_what_comes_at_once_that_is_free_for_which_nothing_was_reserved(
    connected: Callable[[Connected], Any],
) -> None:
    """Else it took the place of one that was to be free, and that one cost no more than was reserved."""

    async def story(connection: Connection) -> None:
        await add_plans(connection, STANDARD)
        await charge(connection, Charger(Config()), delivery(10, limit=100), delivery(9, limit=0))
        assert [(row[0], row[6], row[7]) for row in await rows(connection)] == [
            ("text:9", 0, "free quota"),
            ("text:10", 100, "price"),
        ]

    connected(story)


def test_what_comes_again_is_not_charged_again(connected: Callable[[Connected], Any]) -> None:
    async def story(connection: Connection) -> None:
        await add_plans(connection, STANDARD)
        await charge(connection, Charger(Config()), delivery(1), delivery(2), delivery(2))
        before = await rows(connection)
        await charge(connection, Charger(Config()), delivery(2), delivery(1), delivery(3))
        assert (await rows(connection))[:2] == before
        assert len(await rows(connection)) == 3

    connected(story)


def test_a_month_ends_at_the_services_midnight(connected: Callable[[Connected], Any]) -> None:
    """15:59 and 16:00 UTC are two months in Shanghai, and the quota begins anew."""

    async def story(connection: Connection) -> None:
        await add_plans(connection, STANDARD)
        midnight = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
        last = [delivery(n, at=midnight - timedelta(seconds=1)) for n in (1, 2)]
        await charge(connection, Charger(Config()), *last, delivery(3, at=midnight))
        assert [(row[0], row[2], row[6], row[7]) for row in await rows(connection)] == [
            ("text:1", "2026-11-01", 0, "free quota"),
            ("text:2", "2026-11-01", 100, "price"),
            ("text:3", "2026-12-01", 0, "free quota"),
        ]

    connected(story)


def test_each_pays_by_the_plan_that_is_his_on_the_day(connected: Callable[[Connected], Any]) -> None:
    """A plan of one's own from the next month on, also while suspended; visitors have theirs; trial days."""

    async def story(connection: Connection) -> None:
        own = plan("own", items={"detail": {"price": "0.03"}})
        trial = plan("trial", items={"detail": {"price": "0.04"}}, trial_days=3)
        visitor = plan("visitor", items={"detail": {"price": "0.20"}}, trial_days=3)
        await add_plans(connection, plan(items={"detail": {"price": "0.10"}}), own, trial, visitor)
        config = Config.model_validate({"charging": {"visitor_plan": "visitor"}})
        await save(connection, [Profile(number=number, status=Status.REGISTERED) for number in (ANNA, BEN, CARL)])
        await save(connection, [Profile(number=CARL, status=Status.UNREGISTERED)])
        await save(connection, [Profile(number=DORA, status=Status.SUSPENDED)])
        today = datetime.now(UTC)
        first = local_day(today, config.service.zone)
        tomorrow = first + timedelta(days=1)
        await subscribe(connection, [ANNA], "own", first, tomorrow)
        await subscribe(connection, [BEN], "trial", first, first)
        charger = Charger(config)
        later = today + timedelta(days=1)
        await charge(
            connection, charger,
            delivery(1, at=today), delivery(2, at=later), delivery(3, BEN, at=today),
            delivery(4, BEN, at=today + timedelta(days=3)), delivery(5, "8613700137000", at=today),
            delivery(6, CARL, at=today), delivery(7, DORA, at=today),
        )  # fmt: skip
        charged = {row[0]: (row[4], row[6], row[7]) for row in await rows(connection)}
        assert charged == {
            "text:1": ("standard", 100, "price"),
            "text:2": ("own", 30, "price"),
            "text:3": ("trial", 0, "trial"),
            "text:4": ("trial", 40, "price"),
            "text:5": ("visitor", 200, "price"),
            "text:6": ("visitor", 200, "price"),
            "text:7": ("standard", 100, "price"),
        }

    connected(story)


@pytest.mark.parametrize(
    ("item", "plans"), [(Item.MISSED, [plan(items={"detail": {"price": "1"}})]), (Item.DETAIL, [])]
)
def test_what_no_plan_names_leaves_no_row(
    connected: Callable[[Connected], Any], item: Item, plans: list[Any]
) -> None:
    async def story(connection: Connection) -> None:
        await add_plans(connection, *plans)
        await charge(connection, Charger(Config()), delivery(1, item=item))
        assert await rows(connection) == await usage(connection) == []

    connected(story)


@pytest.mark.parametrize(
    ("more", "amount", "why"),
    [
        ({"limit": 100}, 70, "price"),
        ({"limit": 50}, 50, "reserved"),
        ({"limit": 0}, 0, "reserved"),
        ({"limit": 100, "given": Why.NO_CREDIT}, 0, "no credit"),
    ],
)
def test_prepaid_pays_no_more_than_was_reserved(
    connected: Callable[[Connected], Any], more: dict[str, Any], amount: int, why: str
) -> None:
    async def story(connection: Connection) -> None:
        await add_plans(connection, STANDARD)
        await charge(connection, Charger(Config()), delivery(1, item=Item.MISSED, **more))
        ((*_, charged, because, _, _, _, _, _, prepaid),) = await rows(connection)
        assert (charged, because, prepaid) == (amount, why, True)
        used = {"missed": [int(why != "no credit"), amount]}
        assert await usage(connection) == [(used, {"23": amount})]

    connected(story)


def test_a_version_that_begins_today_is_known_at_once(connected: Callable[[Connected], Any]) -> None:
    async def story(connection: Connection) -> None:
        await add_plans(connection, plan(items={"detail": {"price": "0.10"}}))
        charger = Charger(Config())
        await charge(connection, charger, delivery(1))
        await add_plans(connection, plan(items={"detail": {"price": "0.20"}}))
        await charge(connection, charger, delivery(2))
        assert [(row[5], row[6]) for row in await rows(connection)] == [(1, 100), (2, 200)]

    connected(story)


def test_two_nodes_charge_side_by_side(database_url: str) -> None:
    """Each gets every event, in its own order and batches: every event is charged once, and no cap is passed."""
    events = [delivery(n, payer=(ANNA, BEN, "8613700137000")[n % 3], item=Item.MISSED) for n in range(60)]

    async def node(deliveries: list[Delivery], size: int) -> None:
        connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
        charger = Charger(Config())
        async with connection:
            for first in range(0, len(deliveries), size):
                batch = deliveries[first : first + size]
                await charge(connection, charger, *batch)

    async def both() -> None:
        connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
        async with connection:
            await add_plans(connection, STANDARD)
            await asyncio.gather(node(events, 7), node(events[::-1], 5), node(events, 60))
            written = await rows(connection)
        assert sorted(row[0] for row in written) == sorted(event.event for event in events)
        for payer in {event.payer for event in events}:
            mine = [row for row in written if row[1] == payer]
            assert [row[12] for row in mine] == list(range(1, 21))
            assert sum(row[6] for row in mine) == 300

    asyncio.run(both())


def test_who_is_first_in_a_month_and_who_is_second_do_not_wait_for_each_other(database_url: str) -> None:
    """One has made Anna's month, and finds Ben's, which a third has made meanwhile; another wants both."""

    async def story() -> None:
        async with several(database_url, 5) as (one, other, third, ledger, looking):
            await add_plans(looking, STANDARD)
            await third.execute("BEGIN")
            await charge(third, Charger(Config()), delivery(1, BEN))
            # Whoever writes this row of the ledger waits until told to go on.
            await ledger.execute("BEGIN")
            await add_charges(ledger, [row(delivery(2, ANNA))])
            first = asyncio.create_task(charge(one, Charger(Config()), delivery(2, ANNA), delivery(3, BEN)))
            await waits(looking, one)
            await third.execute("COMMIT")
            await waits(looking, one, ledger)
            second = asyncio.create_task(charge(other, Charger(Config()), delivery(4, ANNA), delivery(5, BEN)))
            await waits(looking, other)
            await ledger.execute("ROLLBACK")
            await asyncio.gather(first, second)
            written = [(payer, event) for event, payer, *_ in await rows(looking)]
        assert written == [
            (ANNA, "text:2"), (ANNA, "text:4"), (BEN, "text:1"), (BEN, "text:3"), (BEN, "text:5"),
        ]  # fmt: skip

    asyncio.run(story())


def row(delivered: Delivery) -> Charge:
    return Charge(
        event=delivered.event, kind="usage", payer=delivered.payer, month=AT.date().replace(day=1), at=AT,
        price=0, amount=0, why="price", prepaid=False,
    )  # fmt: skip


histories = st.lists(
    st.tuples(
        st.integers(1, 12),  # the text
        st.integers(0, 60),  # hours after AT: two days, and into the next month
    ),
    max_size=25,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories, st.lists(st.integers(1, 6), min_size=1))
def test_whatever_comes_in_whatever_order(
    database_url: str, history: list[tuple[int, int]], sizes: list[int]
) -> None:
    """Every text once; the sums are those of the rows; rated again from nothing in their order, they are equal."""
    start = datetime(2026, 11, 29, 4, 0, tzinfo=UTC)
    items = (Item.DETAIL, Item.MISSED, Item.TEASER)
    deliveries = [delivery(n, item=items[n % 3], at=start + timedelta(hours=hours)) for n, hours in history]

    async def tell() -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
        connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
        async with connection:
            await connection.execute("TRUNCATE charging_charge, charging_usage, charging_planversion")
            await add_plans(connection, STANDARD)
            charger, left = Charger(Config()), list(deliveries)
            for size in [*sizes, len(deliveries)]:
                await charge(connection, charger, *left[:size])
                left = left[size:]
            cursor = await connection.execute("SELECT month::text, charges, items, days FROM charging_usage")
            usage = {row[0]: row[1:] for row in await cursor.fetchall()}
            written = await (
                await connection.execute("SELECT month::text, item, at, amount, seq, event FROM charging_charge"
                                         " ORDER BY month, seq")
            ).fetchall()  # fmt: skip
            return written, usage

    written, usage = asyncio.run(tell())
    named = {each.event for each in deliveries if each.item in STANDARD.items}
    assert sorted(row[5] for row in written) == sorted(named)
    zone = Config().service.zone
    months = sorted({row[0] for row in written})
    for month in months:
        again = Usage()
        mine = [row for row in written if row[0] == month]
        assert [row[4] for row in mine] == list(range(1, len(mine) + 1))
        for _, item, at, amount, _, _ in mine:
            day = local_day(at, zone)
            rated = rate(STANDARD, again, Item(item), day)
            assert rated is not None
            assert rated.amount == amount
            again.add(Item(item), day, rated)
        charges, counted, days = usage[month]
        assert charges == len(mine)
        assert {item: tuple(pair) for item, pair in counted.items()} == again.items
        assert days == again.days
        assert sum(row[3] for row in mine) <= (STANDARD.month_cap or 0)


def test_contracts_say_which_plan_is_whose() -> None:
    day = local_day(AT, Config().service.zone)
    contract = Contract(registered=True, plan="a", next_plan="b", next_plan_on=day)
    assert contract.plan_on(day - timedelta(days=1)) == "a"
    assert contract.plan_on(day) == "b"
    assert Contract(plan="a").plan_on(day) == "a"
