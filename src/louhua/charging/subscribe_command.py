"""``louhua billing subscribe``: which plan is somebody's, from when on, and how he pays."""

from datetime import date
from typing import Annotated

import typer

from louhua.charging.catalogue import Catalogue
from louhua.charging.months import next_month, today_in
from louhua.charging.plans import Plan, valid_or_first
from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.numbers import masked
from louhua.subscribers.store import contracts, hold, pay
from louhua.subscribers.store import subscribe as give
from louhua.terminal import ConfigOption, fail, load_config, number_of, out, record

_DEFAULT = "default"


def subscribe(
    number: Annotated[str, typer.Argument(help="The subscriber, however dialled.", metavar="NUMBER")],
    plan: Annotated[
        str | None, typer.Option(help="The plan; default is the service's own.", metavar="PLAN")
    ] = None,
    now: Annotated[
        bool | None,
        typer.Option("--now/--next-month", help="From when on; without it, as the plan itself says."),
    ] = None,
    prepaid: Annotated[
        bool | None, typer.Option("--prepaid/--postpaid", help="Pays from a balance, or by the bill.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Give somebody a plan, or another way to pay. The rental of a month that is charged stays as it was."""
    settings = load_config(config)
    payer = number_of(number, settings)
    if plan is None and prepaid is None:
        fail("nothing is to change; name a --plan, or --prepaid or --postpaid")
    record(settings, "billing subscribe", number=masked(payer))
    today = today_in(settings.service.zone)

    async def change(connection: Connection) -> str:
        async with connection.transaction():
            await hold(connection, [payer])
            if payer not in await contracts(connection, [payer]):
                return ""
            said = []
            if plan is not None:
                said.append(await _give(connection, payer, plan, settings, now, today))
            if prepaid is not None:
                await pay(connection, [payer], prepaid=prepaid)
                said.append("is prepaid" if prepaid else "is postpaid")
            return " and ".join(said)

    done = with_database(settings, change)
    if not done:
        fail(f"{number} is not known; register with: louhua subscribers add {number}")
    out.print(f"{number} {done}", highlight=False)


async def _give(
    connection: Connection, payer: str, name: str, settings: Config, now: bool | None, today: date
) -> str:
    catalogue = Catalogue()
    await catalogue.refresh(connection)
    plan = "" if name == _DEFAULT else name
    wanted = _valid(catalogue, plan or settings.charging.plan, today)
    at_once = now if now is not None else wanted is None or wanted.effect == "now"
    since = today if at_once else next_month(today)
    await give(connection, [payer], plan, today, since)
    shown = plan or f"({settings.charging.plan or 'none'})"
    return f"has plan {shown}" + ("" if at_once else f" from {since} on")


def _valid(catalogue: Catalogue, name: str, today: date) -> Plan | None:
    """The plan as it is now, or will begin; ends the program when there is none."""
    if not name:
        return None
    versions = catalogue.plans.get(name, [])
    if not versions:
        fail(f"there is no plan {name!r}; louhua plans list has those there are")
    version = valid_or_first(versions, today)
    if version is None:
        fail(f"plan {name!r} is over, and nothing follows it; name another, or add its next version")
    return version.plan
