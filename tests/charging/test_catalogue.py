"""Plans as they are stored: every version has a number, and whoever charges knows the newest."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

import psycopg
from tests.charging.conftest import FOREVER, Connected, add_plans, plan

from louhua.charging.catalogue import Catalogue, add_version
from louhua.db.pool import Connection


def test_versions_that_are_added_at_once_get_numbers_of_their_own(database_url: str) -> None:
    async def add(rental: int) -> int:
        connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
        async with connection, connection.transaction():
            return (await add_version(connection, plan(rental=f"{rental}.00"), "test", FOREVER)).number

    async def crowd() -> list[int]:
        return await asyncio.gather(*(add(rental) for rental in range(6)))

    assert sorted(asyncio.run(crowd())) == [1, 2, 3, 4, 5, 6]


def test_a_version_is_found_by_its_number_and_by_its_day(connected: Callable[[Connected], Any]) -> None:
    async def story(connection: Connection) -> None:
        catalogue = Catalogue()
        await catalogue.refresh(connection)
        assert catalogue.plans == {}
        await add_plans(connection, plan(rental="1.00"), plan("other"))
        await add_plans(connection, plan(rental="2.00", valid_from=date(2026, 12, 1)))
        await catalogue.refresh(connection)
        assert sorted(catalogue.plans) == ["other", "standard"]
        found = [catalogue.version("standard", day) for day in (date(2026, 11, 30), date(2026, 12, 1))]
        assert [version and (version.number, version.plan.rental) for version in found] == [(1, 1000), (2, 2000)]
        assert [bool(catalogue.numbered("standard", number)) for number in (0, 1, 2, 3)] == [
            False,
            True,
            True,
            False,
        ]
        assert catalogue.version("nobody's", FOREVER) is None

    connected(story)
