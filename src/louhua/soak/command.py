"""``louhua soak``: progress on standard error, the reckoning on standard output."""

from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from louhua.money import yuan
from louhua.processes import StartError
from louhua.soak.run import Outcome, Terms, run

_MINUTES: Final = 10
_LONGEST_S: Final = 40.0
"""Longer than a lease of the outbox, a response of the SMSC and an acknowledgement to NATS may take."""
_SHOWN: Final = 20
"""Differences on the screen; all of them are in ``reckoning.json`` in the kept directory."""

_out = Console()
_err = Console(stderr=True)


def soak(
    minutes: Annotated[
        float | None, typer.Option(min=0, help="For how long calls are placed; 10 unless said otherwise.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="The same in seconds; both add up.")] = 0,
    seed: Annotated[int, typer.Option(help="The same seed plans the same people and faults.")] = 1,
    per_second: Annotated[
        float, typer.Option("--calls-per-second", min=0.1, max=50, help="Calls placed a second.")
    ] = 3,
    fault_every: Annotated[
        float, typer.Option(min=0.5, help="Seconds between faults, on average.", metavar="SECONDS")
    ] = 6,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Load a platform of its own, kill and freeze its parts, and reckon in the end.

    Ends with status 1 if a call or a text was lost or doubled, or somebody was told what they may not know.
    """
    if minutes is None:
        minutes = 0 if seconds else _MINUTES
    terms = Terms(
        seconds=60 * minutes + seconds,
        seed=seed,
        per_second=per_second,
        every_s=fault_every,
        longest_s=_LONGEST_S,
        settle_limit_s=900.0,
    )
    try:
        outcome = run(terms, lambda line: _err.print(line, highlight=False))
    except StartError as error:
        _err.print(f"[bold red]error[/] {escape(str(error))}", highlight=False)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(msgspec.json.encode(outcome).decode())
    else:
        show(outcome, _out)
    if not outcome.well:
        raise typer.Exit(1)


def show(outcome: Outcome, console: Console) -> None:
    """Print the reckoning, at most 80 columns wide."""
    found, taken = outcome.reckoning, outcome.reckoning.takings
    table = Table(title="louhua soak", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in (
        ("calls made", found.calls),
        ("answered", found.answered),
        ("taken by the platform", found.taken),
        ("recorded", found.recorded),
        ("calls to tell of", found.owed),
        ("calls told of", found.told),
        ("texts on phones", found.texts),
        ("marked as sent again", found.marked),
        ("that came twice, and are marked", found.resent),
        ("sent on late news of a phone", found.late),
        ("texts charged", taken.texts),
        ("sent free for want of money", taken.unpaid),
        ("came, unknown to the platform: free", taken.unsure),
        ("differences", len(found.differences)),
    ):
        table.add_row(name, f"{value:,}")
    table.add_row("charged for texts", f"{yuan(taken.amount)} yuan")
    table.add_row("of it from balances", f"{yuan(taken.prepaid)} yuan")
    table.add_row("rentals collected", f"{yuan(taken.rentals)} yuan")
    table.add_row("settled after", f"{outcome.settled_s:,.0f} s")
    table.add_row("faults", f"{sum(outcome.faults.values()):,}")
    table.add_row("roles that died of something else", f"{outcome.died_alone:,}")
    console.print(table)
    for difference in found.differences[:_SHOWN]:
        console.print(f"[bold red]{difference.what}[/] {escape(difference.detail)}", highlight=False)
    if len(found.differences) > _SHOWN:
        console.print(f"… and {len(found.differences) - _SHOWN} more", highlight=False)
    if outcome.left:
        console.print(f"[bold red]not done:[/] {escape(outcome.left)}", highlight=False)
    if outcome.kept:
        console.print(f"Everything is kept in {outcome.kept}", highlight=False, soft_wrap=True)
