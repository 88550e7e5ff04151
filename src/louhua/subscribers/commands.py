"""``louhua subscribers``: register one person, or a file of them; look somebody up."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.progress import track

from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.numbers import canonical, national
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Language, Privacy, Profile, Status
from louhua.subscribers.store import lookup, save
from louhua.terminal import ConfigOption, err, fail, load_config, out

app = typer.Typer(help="Who is registered, and how.", no_args_is_help=True)

_BATCH: Final = 1000
_TRUE: Final = {"1", "true", "yes", "y", "是"}
_FALSE: Final = {"", "0", "false", "no", "n", "否"}
_COLUMNS: Final = ("number", "status", "voicemail", "language", "power_on")


class BadRow(ValueError):
    """A line of the file cannot be used; the message names it."""


def _number(text: str, config: Config) -> str:
    number = canonical(text, config.service.country)
    if not number:
        fail(f"{text!r} is not a telephone number")
    return number


@app.command("set")
def set_(
    number: Annotated[str, typer.Argument(help="The number, e.g. 13800138000.")],
    status: Annotated[
        Status | None, typer.Option(help="Registered: told of each caller, instead of a teaser.")
    ] = None,
    voicemail: Annotated[
        bool | None, typer.Option("--voicemail/--no-voicemail", help="Callers may leave a message.")
    ] = None,
    language: Annotated[Language | None, typer.Option(help="Of prompts and texts; else the service's.")] = None,
    power_on: Annotated[Privacy | None, typer.Option(help="Who may learn that the phone is on.")] = None,
    config: ConfigOption = None,
) -> None:
    """Change somebody's profile; what is not named stays. Who was not known is registered."""
    settings = load_config(config)
    wanted = _number(number, settings)
    given = {
        "status": status,
        "voicemail": voicemail,
        "language": language,
        "power_on": power_on,
    }
    changes = {name: value for name, value in given.items() if value is not None}

    async def change(connection: Connection) -> None:
        async with connection.transaction():
            known = await lookup(connection, [wanted], NumberPlan(settings))
            newcomer = {} if wanted in known.known else {"status": Status.REGISTERED}
            await save(connection, [msgspec.structs.replace(known[wanted], **(newcomer | changes))])

    with_database(settings, change)
    out.print(f"{number} is set", highlight=False)


@app.command()
def show(
    number: Annotated[str, typer.Argument(help="The number, e.g. 13800138000.")], config: ConfigOption = None
) -> None:
    """Show somebody's profile; who is not known has the default one."""
    settings = load_config(config)
    wanted = _number(number, settings)
    country = settings.service.country
    profile = with_database(settings, lambda connection: lookup(connection, [wanted], NumberPlan(settings)))[
        wanted
    ]
    out.print(f"number          {national(wanted, country)}", highlight=False)
    out.print(f"status          {profile.status}", highlight=False)
    out.print(f"voicemail       {'yes' if profile.voicemail else 'no'}", highlight=False)
    out.print(f"power_on        {profile.power_on}", highlight=False)
    out.print(f"{'language':<15} {profile.language or 'the service’s'}", highlight=False)


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help=f"CSV with a header: {', '.join(_COLUMNS)}; only number is a must.")
    ],
    config: ConfigOption = None,
) -> None:
    """Register everybody in a CSV file. A file with a wrong line changes nothing."""
    settings = load_config(config)
    try:
        profiles = list(read_profiles(file, settings.service.country))
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    except (BadRow, UnicodeDecodeError, csv.Error) as error:
        fail(f"{file}: {error}")

    async def store(connection: Connection) -> None:
        async with connection.transaction():
            for start in track(range(0, len(profiles), _BATCH), "Importing", console=err, transient=True):
                await save(connection, profiles[start : start + _BATCH])

    with_database(settings, store)
    out.print(f"{len(profiles):,} subscribers imported", highlight=False)


def read_profiles(path: Path, country: str) -> Iterator[Profile]:
    """Read a CSV file; raises ``BadRow`` that names the line and what is wrong with it."""
    seen: dict[str, int] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        unknown = set(rows.fieldnames or ()) - set(_COLUMNS)
        if "number" not in (rows.fieldnames or ()) or unknown:
            raise BadRow(f"the first line must name the columns, out of: {', '.join(_COLUMNS)}")
        for row in rows:
            try:
                profile = _profile(row, country)
            except ValueError as error:
                raise BadRow(f"line {rows.line_num}: {error}") from error
            if profile.number in seen:
                raise BadRow(f"line {rows.line_num}: the number stands in line {seen[profile.number]}, too")
            seen[profile.number] = rows.line_num
            yield profile


def _profile(row: dict[str, str | None], country: str) -> Profile:
    number = canonical(row["number"] or "", country)
    if not number:
        raise ValueError(f"{row['number']!r} is not a telephone number")
    language = (row.get("language") or "").strip()
    return Profile(
        number=number,
        status=Status(_choice(row, "status", Status.REGISTERED)),
        voicemail=_flag(row, "voicemail", default=False),
        language=Language(language) if language else None,
        power_on=Privacy(_choice(row, "power_on", Privacy.EVERYBODY)),
    )


def _choice(row: dict[str, str | None], name: str, default: Status | Privacy) -> str:
    value = (row.get(name) or "").strip().lower() or default
    if value not in list(type(default)):
        raise ValueError(f"{name} is {value!r}; write {', '.join(type(default))}")
    return value


def _flag(row: dict[str, str | None], name: str, *, default: bool) -> bool:
    value = row.get(name)
    if value is None or value.strip() == "":
        return default
    if value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise ValueError(f"{name} is {value!r}; write yes or no")
