"""``louhua plans``: which tariffs there are, what they say, and new versions of them by file."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from louhua import audit
from louhua.charging.catalogue import Catalogue, add_version
from louhua.charging.months import today_in
from louhua.charging.plans import Plan, PlanError, Version, document, from_toml, to_toml, valid
from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.money import yuan
from louhua.terminal import ConfigOption, fail, load_config, out, record

app = typer.Typer(help="What the service costs: plans, and their versions.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]

_LINE: Final = "{:>9}  {:<10}  {:<10}  {:>14}  {}"


@app.command("list")
def list_(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List all plans with their versions; the one that is valid today is marked."""
    settings = load_config(config)
    plans = _read(settings).plans
    today = today_in(settings.service.zone)
    if as_json:
        _print_json({
            name: [document(version.plan) | {"version": version.number} for version in versions]
            for name, versions in plans.items()
        })  # fmt: skip
        return
    _print_lines(plans, today)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The plan, as louhua plans list names it.", metavar="PLAN")],
    version: Annotated[int | None, typer.Option(help="Which version; without it, the newest.", min=1)] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show a plan, as a file that `plans add` takes: change it, give it a day to come, and add it."""
    versions = _read(load_config(config)).plans.get(name, [])
    chosen = [each for each in versions if version is None or each.number == version]
    if not versions:
        fail(f"there is no plan {name!r}; louhua plans list has those there are")
    if not chosen:
        fail(f"plan {name} has no version {version}; the newest is {versions[-1].number}")
    if as_json:
        _print_json(document(chosen[-1].plan) | {"version": chosen[-1].number})
    else:
        typer.echo(to_toml(chosen[-1].plan), nl=False)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A TOML file, as louhua plans show prints it.", metavar="FILE")],
    check: Annotated[bool, typer.Option("--check", help="Only say whether it could be added.")] = False,
    config: ConfigOption = None,
) -> None:
    """Add a plan, or a new version of one. Versions never change; a mistake is mended by the next one."""
    settings = load_config(config)
    plan = _plan_of(file)
    today = today_in(settings.service.zone)

    async def store(connection: Connection) -> Version:
        async with connection.transaction(force_rollback=check):
            return await add_version(connection, plan, audit.author(), today)

    try:
        if not check:
            record(settings, "plans add", plan=plan.name)
        version = with_database(settings, store)
    except PlanError as error:
        fail(*(f"{file}: {problem}" for problem in error.problems))
    said = "could be added as" if check else "is"
    until = f" until {plan.valid_until}" if plan.valid_until else ""
    out.print(f"{plan.name} {said} version {version.number}, valid from {plan.valid_from}{until}", highlight=False)


def _print_lines(plans: Mapping[str, list[Version]], today: date) -> None:
    """A line a version below its plan's name: beside it, a long one would leave eighty columns no room."""
    _print(_LINE.format("version", "from", "until", "rental", "items"), bold=True)
    for name, versions in plans.items():
        _print(name)
        now = valid(versions, today)
        for version in versions:
            plan = version.plan
            days = (str(plan.valid_from), str(plan.valid_until or "-"))
            items = f"{len(plan.items)} priced" + (", valid today" if version is now else "")
            _print(_LINE.format(version.number, *days, yuan(plan.rental), items), bold=version is now)


def _print(line: str, *, bold: bool = False) -> None:
    out.print(line, style="bold" if bold else "", highlight=False, soft_wrap=True)


def _plan_of(file: Path) -> Plan:
    try:
        return from_toml(file.read_text("utf-8"))
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{file}: not UTF-8")
    except PlanError as error:
        fail(*(f"{file}: {problem}" for problem in error.problems))


def _read(settings: Config) -> Catalogue:
    catalogue = Catalogue()
    with_database(settings, catalogue.refresh)
    return catalogue


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.encode(value).decode())
