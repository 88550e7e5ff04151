"""All plans with their versions, as PostgreSQL has them; and which of them is whose."""

import json
from datetime import date
from typing import Final

from louhua.charging.plans import Plan, Version, document, next_version, read_plan, valid
from louhua.creditors import Charging
from louhua.db.pool import Connection
from louhua.subscribers.profiles import Contract

# Primary key, from its end.
NEWEST: Final = "SELECT id FROM charging_planversion ORDER BY id DESC LIMIT 1"

# All of a small table.
ALL_VERSIONS: Final = "SELECT name, number, document FROM charging_planversion ORDER BY name, number"

# One at a time: the number is the next of the plan.
LOCK_VERSIONS: Final = "LOCK TABLE charging_planversion IN SHARE ROW EXCLUSIVE MODE"
ADD_VERSION: Final = """
INSERT INTO charging_planversion (name, number, valid_from, valid_until, document, author, created_at)
VALUES (%(name)s, %(number)s, %(valid_from)s, %(valid_until)s, %(document)s::jsonb, %(author)s, now())
"""


class Catalogue:
    """The plans as they were at the last ``refresh``, which reads them only when there is a new version."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self.plans: dict[str, list[Version]] = {}

    async def refresh(self, connection: Connection) -> None:
        """Know every version that is stored: to be called in each transaction that charges."""
        row = await (await connection.execute(NEWEST)).fetchone()
        newest = row[0] if row else 0
        if newest == self._newest:
            return
        plans: dict[str, list[Version]] = {}
        for name, number, values in await (await connection.execute(ALL_VERSIONS)).fetchall():
            plans.setdefault(name, []).append(Version(number, read_plan(values)))
        self.plans, self._newest = plans, newest

    def version(self, name: str, day: date) -> Version | None:
        """What is valid of a plan on a day."""
        return valid(self.plans.get(name, []), day)

    def version_for(self, contract: Contract, day: date, settings: Charging) -> Version | None:
        """What is valid of somebody's plan on a day of the service's zone; ``None``: he has no plan."""
        plan = (contract.plan_on(day) or settings.plan) if contract.registered else settings.visitor_plan
        return self.version(plan, day)

    def numbered(self, name: str, number: int) -> Plan | None:
        """A version by its number."""
        return next((version.plan for version in self.plans.get(name, []) if version.number == number), None)


async def add_version(connection: Connection, plan: Plan, author: str, today: date) -> Version:
    """Store a new version of a plan, in a transaction; raises ``PlanError`` when it cannot begin any more."""
    await connection.execute(LOCK_VERSIONS)
    catalogue = Catalogue()
    await catalogue.refresh(connection)
    newest = max((version.number for version in catalogue.plans.get(plan.name, [])), default=0)
    version = next_version(plan, newest, today)
    await connection.execute(
        ADD_VERSION,
        {
            "name": plan.name,
            "number": version.number,
            "valid_from": plan.valid_from,
            "valid_until": plan.valid_until,
            "document": json.dumps(document(plan)),
            "author": author,
        },
    )
    return version
