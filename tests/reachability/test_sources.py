"""Who is asked about a number, and who next."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from louhua.config import Config
from louhua.db.pool import open_pool
from louhua.reachability import store
from louhua.reachability.asking import adopt_strays
from louhua.reachability.sources import AWAY_FOR, Ask, Sources, Step, after

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NUMBER = "8613800138000"


@pytest.mark.parametrize(
    ("order", "asked", "given_up", "then"),
    [
        (("r", "p"), "r", (), "p"),
        (("r", "p"), "p", (), "r"),
        (("r", "p"), "p", ("p",), "r"),
        (("r", "p"), "r", ("p",), "r"),
        (("r", "p"), "r", ("p", "r"), ""),
        (("r",), "r", (), "r"),
        (("r",), "r", ("r",), ""),
        (("r", "p", "q"), "q", ("r",), "p"),
        (("r", "p", "q"), "r", ("p",), "q"),
        (("r", "p"), "gone", (), "r"),
        (("r", "p"), "gone", ("r",), "p"),
        ((), "gone", (), ""),
    ],
)
def test_the_next_source(order: tuple[str, ...], asked: str, given_up: tuple[str, ...], then: str) -> None:
    assert after(order, asked, given_up) == then


def configured(*order: str, smsc: tuple[str, ...] = (), **reachability: str) -> Sources:
    """One range of those numbers; SMSCs by name with what they can."""
    keys: dict[str, Any] = {"host": "h", "port": 1, "system_id": "x"}
    registrars = [
        {"name": name, "address": "10.0.0.1:5060", "listen": f"10.0.0.2:{port}", "uri": "sip:{number}@ims.example"}
        for port, name in enumerate(("reg", "other"), 6000)
    ]
    return Sources(
        Config.model_validate(
            {
                "smsc": [keys | {"name": name, "reachability": way} for name, way in reachability.items()],
                "registrars": registrars,
                "ranges": [{"name": "r", "prefixes": ["86138"], "reachability": order, "smsc": smsc}],
                "alerts": {"probe_hold_off": "100s"},
            }
        )
    )


@pytest.mark.parametrize(
    ("sources", "order"),
    [
        (configured(a="probe"), ("probe:a",)),
        (configured(a="none", b="set_dpf"), ("probe:b",)),
        (configured(a="none"), ()),
        (configured("reg", "probe", a="probe"), ("reg:reg", "probe:a")),
        (configured("probe", "other", a="probe"), ("probe:a", "reg:other")),
        (configured("reg", "other"), ("reg:reg", "reg:other")),
        (configured("probe", "reg", a="none"), ("reg:reg",)),
        (configured(a="probe", b="probe", smsc=("b", "a")), ("probe:b",)),
        (configured(a="probe", b="none", smsc=("b",)), ()),
    ],
)
def test_the_order_of_a_range(sources: Sources, order: tuple[str, ...]) -> None:
    assert sources.order(NUMBER) == order


def test_other_numbers_are_asked_about_as_the_smsc_says() -> None:
    assert configured("reg", a="probe").order("8613900139000") == ("probe:a",)


def test_a_watch_begins_with_the_first_after_the_hold_off() -> None:
    assert configured("reg", "probe", a="probe").first([NUMBER], NOW) == [
        Ask("reg:reg", NOW + timedelta(seconds=100))
    ]
    assert configured().first([NUMBER], NOW) == [Ask("", None)]


def test_who_is_away_is_asked_again_only_where_there_is_no_other() -> None:
    both = configured("reg", "probe", a="probe")
    assert both.away(NUMBER, "reg:reg", [], NOW) == Step(NUMBER, "reg:reg", Ask("probe:a", NOW))
    later = Ask("reg:reg", NOW + AWAY_FOR)
    assert both.away(NUMBER, "reg:reg", ["probe:a"], NOW) == Step(NUMBER, "reg:reg", later)


def test_who_gives_up_is_not_asked_again() -> None:
    both = configured("reg", "probe", a="probe")
    assert both.gave_up(NUMBER, "reg:reg", [], NOW).then == Ask("probe:a", NOW)
    assert both.gave_up(NUMBER, "probe:a", ["reg:reg"], NOW).then == Ask("", None)


def test_a_watch_remembers_who_has_given_up(database_url: str) -> None:
    both = configured("reg", "probe", a="probe")

    async def story() -> None:
        pool = await open_pool(database_url)
        async with pool.connection() as connection:
            await store.watch(connection, [(NUMBER, NOW, NOW)], timedelta(hours=72), both.first([NUMBER], NOW))
            for source, then, given_up in (
                ("reg:reg", "probe:a", ["reg:reg"]),
                ("reg:reg", "probe:a", ["reg:reg"]),
                ("probe:a", "", ["reg:reg", "probe:a"]),
            ):
                watched = (await store.asked(connection, [NUMBER]))[NUMBER]
                step = both.gave_up(NUMBER, source, watched.given_up, NOW)
                await store.move(connection, [step])
                watched = (await store.asked(connection, [NUMBER]))[NUMBER]
                assert (watched.source, watched.given_up) == (then, given_up)
        await pool.close()

    asyncio.run(story())


def test_watches_of_a_source_that_is_gone_are_taken_over(database_url: str) -> None:
    async def story() -> None:
        pool = await open_pool(database_url)
        async with pool.connection() as connection:
            waits = [(f"86138{n:08}", NOW, NOW) for n in range(3)]
            asks = [Ask("probe:gone", NOW), Ask("reg:reg", NOW), Ask("", NOW)]
            await store.watch(connection, waits, timedelta(hours=72), asks)
            await adopt_strays(connection, configured("reg", "probe", a="probe"), NOW)
            sources = [
                watched.source for watched in (await store.asked(connection, [w[0] for w in waits])).values()
            ]
            assert sources == ["reg:reg"] * 3
            await adopt_strays(connection, configured(), NOW)
            row = await (
                await connection.execute("SELECT DISTINCT source, next_probe_at FROM reachability_watch")
            ).fetchall()
            assert row == [("", None)]
        await pool.close()

    asyncio.run(story())
