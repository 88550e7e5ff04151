"""Subscribers with plans and money in the real PostgreSQL, runs of their rentals, and a reckoning of the books."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

import msgspec
import psycopg

from louhua.charging.credit import Debits
from louhua.charging.movements import Moved, Movements
from louhua.charging.run.runner import Ending, RentalRun, Tally
from louhua.config import Config, Database
from louhua.creditors import Charging
from louhua.db.pool import Connection
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Status
from louhua.subscribers.store import lookup, save

T = TypeVar("T")

NUMBER: Final = "8613800138000"
_SUBSCRIBER: Final = """
INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on, power_on_hours, quiet_hours,
    digest, sender, notice_due, plan, prepaid, activated_at, served_since, created_at, updated_at)
VALUES (%(number)s, %(status)s, false, '', 'everybody', '', '', false, '', false, %(plan)s, %(prepaid)s,
        %(activated)s, %(since)s, %(activated)s, now())
"""
_NEXT_VERSION: Final = """
INSERT INTO charging_planversion (name, number, valid_from, document, author, created_at)
SELECT %(name)s::text, count(*) + 1, %(valid_from)s::date, %(document)s::jsonb, 'test', now()
  FROM charging_planversion
 WHERE name = %(name)s::text
"""


def noon(text: str) -> datetime:
    """Noon in China of a day."""
    return datetime.fromisoformat(f"{text}T12:00+08:00").astimezone(UTC)


ELSEWHERE: Final = {
    "peers": ["127.0.0.1:1"], "origin_host": "louhua.test", "origin_realm": "test",
    "destination_realm": "ocs.test",
}  # fmt: skip
"""A charging system that nobody speaks to."""


class Books:
    """The platform's books."""

    def __init__(self, url: str, **charging: Any) -> None:
        self.url = url
        values = {"plan": "basic", "diameter": ELSEWHERE} | charging
        self.config = Config(database=Database(url=url), charging=Charging.model_validate(values))
        self.connection = psycopg.connect(url, autocommit=True)
        self._keys = 0

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement.encode(), values).fetchall()

    def one(self, statement: str, *values: Any) -> Any:
        return self.rows(statement, *values)[0][0]

    def plan(self, name: str = "basic", valid_from: str = "2000-01-01", **terms: Any) -> None:
        document = json.dumps({"name": name, "valid_from": valid_from} | terms)
        self.connection.execute(
            _NEXT_VERSION, {"name": name, "valid_from": date.fromisoformat(valid_from), "document": document}
        )

    def subscriber(
        self,
        number: str = NUMBER,
        activated: str = "2026-01-10",
        since: str = "",
        *,
        status: str = "registered",
        plan: str = "",
        prepaid: bool = False,
    ) -> None:
        values = {"number": number, "status": status, "plan": plan, "prepaid": prepaid}
        days = {"activated": noon(activated), "since": noon(since or activated)}
        self.connection.execute(_SUBSCRIBER, values | days)

    def top_up(self, amount: int, number: str = NUMBER) -> Moved:
        self._keys += 1
        return self.move(
            lambda movements, connection: movements.top_up(
                connection, number, amount, "anna", "paid at the counter", f"k{self._keys}"
            )
        )

    def adjust(self, amount: int, number: str = NUMBER) -> Moved:
        self._keys += 1
        return self.move(
            lambda movements, connection: movements.adjust(
                connection, number, amount, "anna", "goodwill", f"k{self._keys}"
            )
        )

    def move(self, what: Callable[[Movements, Connection], Awaitable[T]], at: datetime | None = None) -> T:
        async def connected() -> T:
            connection = await psycopg.AsyncConnection.connect(self.url, autocommit=True)
            async with connection:
                return await what(Movements(self.config, at or datetime.now(UTC)), connection)

        return asyncio.run(connected())

    def run(self, month: str, on: str, credit: Debits | None = None, *, everybody: bool = False) -> Tally:
        run = RentalRun(self.config, credit)
        tally = asyncio.run(run.month(date.fromisoformat(f"{month}-01"), noon(on), everybody=everybody))
        assert tally is not None
        return tally

    def daily(self, at: datetime, credit: Debits | None = None) -> Ending:
        return asyncio.run(RentalRun(self.config, credit).daily(at))

    def staff(self, status: Status, number: str = NUMBER) -> None:
        """As ``louhua subscribers set --status``."""

        async def change(_: object, connection: Connection) -> None:
            profiles = await lookup(connection, [number], NumberPlan(self.config))
            await save(connection, [msgspec.structs.replace(profiles[number], status=status)])

        self.move(change)

    def status(self, number: str = NUMBER) -> str:
        return str(self.one("SELECT status FROM subscribers_subscriber WHERE number = %s", number))

    def rental(self, month: str = "2026-11", number: str = NUMBER) -> tuple[Any, ...] | None:
        """(due, collected, parts, why, days) of a month."""
        found = self.rows(
            "SELECT due, collected, parts, why, days FROM charging_rental WHERE payer = %s AND month = %s",
            number, date.fromisoformat(f"{month}-01"),
        )  # fmt: skip
        return found[0] if found else None

    def balance(self, number: str = NUMBER) -> int:
        return int(self.one("SELECT balance FROM charging_balance WHERE payer = %s", number))

    def everything(self) -> list[tuple[Any, ...]]:
        """All that money and service depend on, to be compared."""
        return [
            row
            for table, order in (
                ("charging_charge", "id"), ("charging_rental", "payer, month"), ("charging_balance", "payer"),
                ("subscribers_subscriber", "number"),
            )
            for row in self.rows(f"SELECT * FROM {table} ORDER BY {order}")
        ]  # fmt: skip

    def reckon(self) -> None:
        """The books agree to the thousandth."""
        assert self.rows(
            "SELECT payer, balance FROM charging_balance WHERE balance IS DISTINCT FROM (SELECT coalesce("
            "-sum(amount), 0) FROM charging_charge AS c WHERE c.payer = charging_balance.payer AND prepaid)"
        ) == [], "a balance is what the ledger leaves"  # fmt: skip
        assert self.rows(
            "SELECT r.payer, r.month, r.collected, r.parts, given.* FROM charging_rental AS r, LATERAL (SELECT"
            " coalesce(sum(amount), 0) AS amount, count(*) AS parts FROM charging_charge AS c"
            " WHERE kind = 'rental' AND c.payer = r.payer AND c.month = r.month) AS given"
            " WHERE given.amount <> r.collected OR given.parts <> r.parts"
        ) == [], "what was collected stands in the ledger"  # fmt: skip
        assert self.rows(
            "SELECT event FROM charging_charge AS c WHERE kind = 'rental' AND NOT EXISTS (SELECT 1"
            " FROM charging_rental AS r WHERE r.payer = c.payer AND r.month = c.month)"
        ) == []  # fmt: skip
        assert self.rows("SELECT payer FROM charging_balance WHERE reserved > balance") == []
