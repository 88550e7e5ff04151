"""``louhua bench``: figures of this machine, as a table or as one JSON object."""

from collections.abc import Callable
from typing import Annotated

import typer

from louhua.bench.results import Result, show
from louhua.processes import StartError
from louhua.terminal import ended_by_sigterm, err, fail, out

app = typer.Typer(help="Measure this machine; each bench starts a platform of its own.", no_args_is_help=True)

RulesOption = Annotated[
    bool, typer.Option("--rules", help="With every rule on, and a profile with lists for every number.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def _report(measure: Callable[[Callable[[str], None]], Result], *, as_json: bool) -> None:
    """Run a measurement, its progress on standard error, and print what it found."""
    try:
        with ended_by_sigterm():
            result = measure(lambda line: err.print(line, highlight=False))
    except StartError as error:
        fail(str(error))
    if as_json:
        typer.echo(result.to_json())
    else:
        show(result, out)
    if result.failures:
        raise typer.Exit(1)


@app.command()
def calls(
    rate: Annotated[float, typer.Option(min=0.1, help="Calls a second.")] = 20,
    seconds: Annotated[float, typer.Option(min=1, help="For how long calls are placed.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Forwarded calls with menu, key 2 and goodbye; SIPp is the generator (as root: it needs raw sockets)."""
    from louhua.bench.calls import run

    _report(lambda say: run(rate, seconds, say), as_json=as_json)


@app.command()
def alerts(
    events: Annotated[int, typer.Option(min=1, help="Call events to publish.")] = 30_000,
    callees: Annotated[int, typer.Option(min=1, help="Phones they were for.")] = 10_000,
    open_alerts: Annotated[
        int, typer.Option("--open", min=0, help="Measure again with so many open alerts; 0: do not.")
    ] = 1_000_000,
    watches: Annotated[int, typer.Option(min=1, help="Phones that the open alerts wait for.")] = 200_000,
    purge: Annotated[
        int, typer.Option(min=0, help="Measure again while so many old calls, alerts and texts go; 0: do not.")
    ] = 0,
    rules: RulesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Call events from NATS through merging to rows."""
    from louhua.bench.alerts import Filling, run

    filling = Filling(open_alerts=open_alerts, watches=watches, old_records=purge)
    _report(lambda say: run(events, callees, filling, say, rules=rules), as_json=as_json)


@app.command()
def reachable(
    phones_per_second: Annotated[float, typer.Option(min=1, help="Phones that come back a second.")] = 500,
    seconds: Annotated[float, typer.Option(min=1, help="For how long.")] = 20,
    open_alerts: Annotated[
        int, typer.Option("--open", min=0, help="Open alerts in all; two a phone at least.")
    ] = 0,
    watches: Annotated[int, typer.Option(min=0, help="Phones that are off in all.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Phones come back: from the event to the first text's submit at the SMSC."""
    from louhua.bench.reachable import run

    _report(lambda say: run(phones_per_second, seconds, open_alerts, watches, say), as_json=as_json)


@app.command()
def texts(
    count: Annotated[int, typer.Option(min=1, help="Texts to send.")] = 20_000,
    rules: RulesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Texts from the outbox over SMPP to their final state."""
    from louhua.bench.texts import run

    _report(lambda say: run(count, say, rules=rules), as_json=as_json)


@app.command()
def charging(
    events: Annotated[int, typer.Option(min=1, help="Texts that are delivered.")] = 50_000,
    payers: Annotated[int, typer.Option(min=1, help="Subscribers who pay for them.")] = 20_000,
    as_json: JsonOption = False,
) -> None:
    """Receipts from NATS to rated rows of the ledger."""
    from louhua.bench.charging import run

    _report(lambda say: run(events, payers, say), as_json=as_json)


@app.command("import")
def import_(
    rows: Annotated[int, typer.Option(min=1, max=200_000_000, help="Subscribers in the file.")] = 2_000_000,
    as_json: JsonOption = False,
) -> None:
    """Subscribers from a CSV file into PostgreSQL, and the same file again."""
    from louhua.bench.imports import run

    _report(lambda say: run(rows, say), as_json=as_json)


@app.command()
def billing(
    subscribers: Annotated[
        int, typer.Option(min=1, max=99_999_999, help="Registered subscribers, a tenth of them prepaid.")
    ] = 1_000_000,
    as_json: JsonOption = False,
) -> None:
    """The rentals of a month for many subscribers, and the same run again."""
    from louhua.bench.billing import run

    _report(lambda say: run(subscribers, say), as_json=as_json)
