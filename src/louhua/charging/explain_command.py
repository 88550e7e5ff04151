"""``louhua billing explain``: what somebody was charged in a month, row by row, and why."""

from datetime import date
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.padding import Padding

from louhua.charging.catalogue import Catalogue
from louhua.charging.explain import charged, explanation, is_complete, rows_of, totals
from louhua.charging.months import month_of, read_month, today_in
from louhua.charging.store import AMOUNTS, Row
from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.money import yuan
from louhua.numbers import masked, national
from louhua.terminal import ConfigOption, fail, load_config, number_of, out, record

NumberArgument = Annotated[str, typer.Argument(help="The payer, however dialled.", metavar="NUMBER")]
MonthOption = Annotated[
    str | None, typer.Option("--month", help="Which month, as 2026-11; without it, this one.", metavar="MONTH")
]


def explain(
    number: NumberArgument,
    month: MonthOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    config: ConfigOption = None,
) -> None:
    """Print every charge of a month with its price, quota and caps at that moment, and the sum."""
    settings = load_config(config)
    payer = number_of(number, settings)
    today = today_in(settings.service.zone)
    try:
        wanted = read_month(month, today) if month else month_of(today)
    except ValueError as error:
        fail(str(error))
    record(settings, "billing explain", number=masked(payer), month=f"{wanted:%Y-%m}")
    catalogue = Catalogue()

    async def ask(connection: Connection) -> list[Row]:
        await catalogue.refresh(connection)
        return await rows_of(connection, payer, wanted)

    rows = with_database(settings, ask)
    complete = is_complete(wanted, today, settings.retention.charges)
    if as_json:
        _print_json(payer, wanted, rows, catalogue, complete=complete)
        return
    title = f"{national(payer, settings.service.country)} in {wanted:%Y-%m}"
    if rows:
        _print_bill(title, rows, catalogue, settings)
    else:
        out.print(f"{title}: {'nothing was charged' if complete else 'nothing is in the ledger'}", highlight=False)
    if not complete:
        out.print("Charges of this month may have been removed already (retention.charges).", highlight=False)


def _print_bill(title: str, rows: list[Row], catalogue: Catalogue, settings: Config) -> None:
    out.print(f"[bold]{title}[/]", highlight=False)
    for row in rows:
        at = row.at.astimezone(settings.service.zone)
        party = national(row.party, settings.service.country) if row.party else ""
        what = f"{at:%m-%d %H:%M} {row.item or row.kind:<15} {party:<16} {yuan(row.amount):>14}"
        out.print(f"{what} prepaid" if row.prepaid else what, highlight=False, soft_wrap=True)
        words = f"charge {row.id}: {explanation(row, catalogue.numbered(row.plan, row.version))}"
        out.print(Padding.indent(f"[dim]{escape(words)}[/]", 2), highlight=False)
    out.print()
    for name, (count, amount) in totals(rows).items():
        out.print(f"{name:<16} {count:>6} {yuan(amount):>14}", highlight=False)
    out.print(f"[bold]{'charged':<16} {'':>6} {yuan(charged(rows)):>14} yuan[/]", highlight=False)


def _print_json(payer: str, month: date, rows: list[Row], catalogue: Catalogue, *, complete: bool) -> None:
    bill = {
        "number": payer,
        "month": f"{month:%Y-%m}",
        "charges": [_document(row, catalogue) for row in rows],
        "charged": yuan(charged(rows)),
        "complete": complete,
    }
    typer.echo(msgspec.json.encode(bill).decode())


def _document(row: Row, catalogue: Catalogue) -> dict[str, object]:
    """A charge as other programs read it: every amount in yuan, as in files of charges and plans."""
    amounts = {name: yuan(getattr(row, name)) for name in AMOUNTS}
    return row._asdict() | amounts | {"explanation": explanation(row, catalogue.numbered(row.plan, row.version))}
