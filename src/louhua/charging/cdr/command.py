"""``louhua cdr``: write the files of charges now, list them, and check that they are as they were written."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer
from rich.table import Table

from louhua.charging.cdr import store
from louhua.charging.cdr.exporter import Exporter, LedgerChanged
from louhua.charging.cdr.files import Differs, directory
from louhua.charging.cdr.store import LedgerBusy
from louhua.charging.cdr.verifying import listed, problems
from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.money import yuan
from louhua.terminal import ConfigOption, ended_by_sigterm, err, fail, load_config, out, progress_bar, record

app = typer.Typer(help="Files of charges, for the operator's mediation.", no_args_is_help=True)

DaysOption = Annotated[int, typer.Option(min=1, max=3660, help="How far back to look.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


@app.command()
def export(config: ConfigOption = None) -> None:
    """Write everything that was charged until now and stands in no file yet. It may be stopped and run again."""
    settings = _begin(config, "cdr export")
    try:
        with ended_by_sigterm(), progress_bar() as bar:
            task = bar.add_task("", total=None)

            async def work(connection: Connection) -> int:
                return await _export(
                    settings,
                    connection,
                    lambda done, last: bar.update(task, completed=done, total=last),
                )

            written = with_database(settings, work)
    except (Differs, LedgerBusy, LedgerChanged) as error:
        fail(str(error))
    except OSError as error:
        _not_written(settings, error)
    if not written:
        out.print("nothing was charged that stands in no file yet", highlight=False)


async def _export(settings: Config, connection: Connection, progress: Callable[[int, int], None]) -> int:
    if not await store.take_lock(connection):
        err.print("another process writes files of charges: waiting until it is done", highlight=False)
        await store.wait_for_lock(connection)
    written = 0
    async for file in Exporter(settings, connection, progress).export():
        out.print(f"{file.name}  {_sum(file.charges, file.amount)}", highlight=False, soft_wrap=True)
        written += 1
    return written


@app.command("list")
def list_(days: DaysOption = 30, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the files of the last days: their charges, and their sums in yuan."""
    settings = _begin(config, "cdr list")
    since = datetime.now(UTC) - timedelta(days=days)
    files = with_database(settings, lambda connection: store.files(connection, since))
    if as_json:
        told = [msgspec.structs.asdict(file) | {"amount": yuan(file.amount)} for file in files]
        typer.echo(msgspec.json.encode({"directory": str(directory(settings)), "files": told}).decode())
        return
    if not files:
        out.print(f"no file of charges was written in the last {days} days", highlight=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("file", "charges", "yuan", "closed"):
        table.add_column(column, justify="right" if column in ("charges", "yuan") else "left", no_wrap=True)
    for file in files:
        closed = file.closed_at and f"{file.closed_at.astimezone(settings.service.zone):%m-%d %H:%M:%S}"
        table.add_row(file.name, f"{file.charges:,}", yuan(file.amount), closed or "not yet")
    out.print(table)


@app.command()
def verify(
    files: Annotated[
        Path | None,
        typer.Argument(help="Where they are, if not in charging.cdr_directory: an archive.", metavar="DIRECTORY"),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="How far back to look; without it, at all files.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Check every closed file: that it is there, whole, and has the charges and the sum that were written."""
    settings = _begin(config, "cdr verify")
    where = files or directory(settings)
    since = datetime.now(settings.service.zone) - timedelta(days=days) if days else None
    there = listed(where)
    known = with_database(settings, store.files)
    found, well = [], []
    for file, problem in problems(known, there, where, since):
        if problem:
            found.append(problem)
        elif file is not None:
            well.append(file)
    if found:
        fail(*found)
    total = _sum(sum(file.charges for file in well), sum(file.amount for file in well))
    out.print(f"{len(well):,} files, {total}: all as they were written", highlight=False, soft_wrap=True)


def _begin(config: Path | None, did: str) -> Config:
    settings = load_config(config)
    record(settings, did)
    return settings


def _not_written(settings: Config, error: OSError) -> NoReturn:
    fail(
        f"{error.filename or directory(settings)}: {error.strerror}; nothing is lost: make room, or let this user "
        "write there (charging.cdr_directory), and run louhua cdr export again"
    )


def _sum(charges: int, amount: int) -> str:
    return f"{charges:,} charges, {yuan(amount)} yuan"
