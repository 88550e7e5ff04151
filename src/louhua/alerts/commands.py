"""``louhua alerts``: for one number, every call, watch, text and why."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from louhua.alerts.history import History, history_of
from louhua.alerts.states import ON_THEIR_WAY
from louhua.alerts.story import Entry, Teller
from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.numbers import masked, national
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Profile
from louhua.subscribers.store import Profiles, lookup
from louhua.terminal import ConfigOption, load_config, number_of, out, record

app = typer.Typer(help="Which alerts a number has, and why.", no_args_is_help=True)

NumberArgument = Annotated[str, typer.Argument(help="Callee, caller or recipient, however dialled.")]
DaysOption = Annotated[
    int, typer.Option(min=1, max=366, help="How far back to look; what is open is always shown.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]

_COLOURS: Final[Mapping[str, str]] = {"call": "cyan", "text": "green", "probe": "dim", "watch": "yellow"}


@app.command("list")
def list_(
    number: NumberArgument, days: DaysOption = 30, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """List the alerts of a number: those that are open, and those of late."""
    settings = load_config(config)
    history, profiles = _look_up(settings, number, days, "alerts list")
    teller = _teller(settings, history, profiles)
    if as_json:
        _print_json({"number": history.number, "alerts": _with_endings(teller)})
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("alert", "kind", "callee", "caller", "state", "calls", "last call"):
        table.add_column(column, justify="right" if column in ("alert", "calls") else "left", no_wrap=True)
    name = _namer(settings)
    for alert, _ in teller.endings():
        style = "bold" if alert.state in ON_THEIR_WAY else ""
        table.add_row(
            str(alert.id), alert.kind, name(alert.callee), name(alert.caller) or "-", alert.state,
            str(alert.calls), f"{alert.last_at.astimezone(settings.service.zone):%m-%d %H:%M}", style=style,
        )  # fmt: skip
    if table.row_count:
        out.print(table)
    else:
        out.print(f"{name(history.number)} has no alerts of the last {days} days", highlight=False)


@app.command()
def explain(
    number: NumberArgument, days: DaysOption = 30, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Tell the story of a number: its calls, watches, probes and texts, why, and what is awaited next."""
    settings = load_config(config)
    history, profiles = _look_up(settings, number, days, "alerts explain")
    teller = _teller(settings, history, profiles)
    if as_json:
        story = {"profile": profiles[history.number], "story": teller.story(), "alerts": _with_endings(teller)}
        _print_json(msgspec.to_builtins(history) | story)
        return
    _say(f"[bold]{_namer(settings)(history.number)}[/] is {_in_words(profiles[history.number])}")
    day = None
    for entry in teller.story():
        local = entry.at.astimezone(settings.service.zone)
        if local.date() != day:
            day = local.date()
            _say(f"\n[bold]{day}[/]")
        _print_entry(entry, local)
    if not history.calls and not history.alerts and not history.texts:
        _say(f"\nNothing is kept of the last {days} days.")
    if history.alerts:
        _say("\n[bold]Alerts: what became of them, or is awaited[/]")
    for alert, ending in teller.endings():
        out.print(Padding.indent(escape(f"{alert.id} {alert.kind}: {ending}"), 2), highlight=False)


def _print_entry(entry: Entry, local: datetime) -> None:
    colour = _COLOURS.get(entry.what, "magenta")
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, min_width=5)
    grid.add_column(ratio=1)
    grid.add_row(f"{local:%H:%M:%S}", f"[{colour}]{entry.what}[/]", escape(entry.told))
    for line in entry.more:
        grid.add_row("", "", f"[dim]→[/] {escape(line)}")
    out.print(grid, highlight=False)


def _look_up(config: Config, dialled: str, days: int, did: str) -> tuple[History, Profiles]:
    number = number_of(dialled, config)
    record(config, did, number=masked(number))
    since = datetime.now(UTC) - timedelta(days=days)

    async def ask(connection: Connection) -> tuple[History, Profiles]:
        history = await history_of(connection, number, since)
        return history, await lookup(connection, history.people, NumberPlan(config))

    return with_database(config, ask)


def _teller(config: Config, history: History, profiles: Profiles) -> Teller:
    zone = config.service.zone
    return Teller(
        history,
        profiles.__getitem__,
        config.alerts,
        datetime.now(UTC),
        lambda at: f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        _namer(config),
    )


def _namer(config: Config) -> partial[str]:
    return partial(national, country=config.service.country)


def _with_endings(teller: Teller) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(alert) | {"ending": ending} for alert, ending in teller.endings()]


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.encode(value).decode())


def _in_words(profile: Profile) -> str:
    words = [str(profile.status), f"power-on told to {profile.power_on}"]
    words += ["voicemail"] if profile.voicemail else []
    words += ["cannot get texts"] if not profile.textable else []
    words += ["not served"] if not profile.served else []
    words += [f"{len(profile.blocked)} of these blocked"] if profile.blocked else []
    return ", ".join(words)


def _say(line: str) -> None:
    out.print(line, highlight=False)
