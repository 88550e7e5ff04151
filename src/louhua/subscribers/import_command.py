"""``louhua subscribers import``: what is seen of an import, and how it ends."""

import codecs
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import ProgressColumn, Task
from rich.text import Text

from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.subscribers.importing import Rejects, Tally, load, opened, rejects_of
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.rows import CELLS, BadFile, Table
from louhua.subscribers.store import plan_names
from louhua.terminal import ConfigOption, ended_by_sigterm, err, fail, load_config, out, progress_bar, record

SOME_REJECTED: Final = 2
"""Exit status when all but some rows are imported."""


class _Rows(ProgressColumn):
    """Rows so far, and how many a second."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def render(self, task: Task) -> Text:
        """``1,250,000 rows, 41,000 rows/s``."""
        rate = self._tally.rows / task.elapsed if task.elapsed else 0
        return Text(f"{self._tally.rows:,} rows, {rate:,.0f} rows/s")


def import_(
    file: Annotated[
        Path, typer.Argument(help=f"CSV with a header: number, and out of {', '.join(CELLS)}.", metavar="FILE.csv")
    ],
    notice: Annotated[
        bool, typer.Option("--notice/--no-notice", help="Tell those who become registered, by a free text.")
    ] = True,
    encoding: Annotated[str, typer.Option(help="Of the file, as gbk.", metavar="ENCODING")] = "utf-8",
    config: ConfigOption = None,
) -> None:
    """Register everybody in a CSV file of any length. It may be run again, also after it was stopped.

    What a row does not name stays as it is. Rows that cannot be used go to
    FILE.rejected.csv with the reason; then the exit status is 2.
    """
    settings = load_config(config)
    record(settings, "subscribers import", file=str(file))
    try:
        codecs.lookup(encoding)
    except LookupError:
        fail(f"{encoding!r} is no encoding; write utf-8, gbk or utf-16")
    tally = Tally()
    rejects_path = rejects_of(file)
    try:
        with ended_by_sigterm():
            _import(settings, file, _with_mark(encoding), tally, notice=notice)
    except BadFile as error:
        fail(f"{file}: {error}", _how_far(tally))
    except OSError as error:
        fail(f"{error.filename or rejects_path}: {error.strerror}", _how_far(tally))
    except BaseException:
        # The chunk that was being stored may be there, too.
        err.print(f"at least: {_how_far(tally)}", highlight=False, soft_wrap=True)
        raise
    _report(tally, rejects_path)


def _with_mark(encoding: str) -> str:
    """UTF-8 with or without the mark that Excel puts at its beginning."""
    return "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding


def _import(settings: Config, file: Path, encoding: str, tally: Tally, *, notice: bool) -> None:
    with opened(file, encoding) as (text, octets), progress_bar(_Rows(tally)) as bar:
        table = Table(text, octets, NumberPlan(settings), with_database(settings, plan_names))
        task = bar.add_task("", total=file.stat().st_size)
        rejects = Rejects(rejects_of(file), table.header)

        async def work(connection: Connection) -> None:
            await load(
                connection,
                table,
                rejects,
                tally,
                datetime.now(settings.service.zone).date(),
                notice=notice,
                progress=lambda: bar.update(task, completed=tally.position),
            )

        try:
            with_database(settings, work)
        finally:
            rejects.close()


def _how_far(tally: Tally) -> str:
    if not tally.line:
        return "nothing is imported"
    return f"the first {tally.line:,} lines are imported; run it again: what is imported is not done twice"


def _report(tally: Tally, rejects_path: Path) -> None:
    out.print(
        f"{tally.rows:,} rows: {tally.new:,} new, {tally.changed:,} changed, {tally.unchanged:,} as they were, "
        f"{tally.rejected:,} rejected",
        highlight=False,
        soft_wrap=True,
    )
    if tally.repeated:
        first, again = tally.repeated_lines
        out.print(
            f"numbers that are repeated: {tally.repeated:,} (as in line {again:,} that of line {first:,}); "
            "what the later row names counts",
            highlight=False,
            soft_wrap=True,
        )
    if tally.rejected:
        err.print(f"rejected rows, with the reasons: {rejects_path}", highlight=False, soft_wrap=True)
        raise typer.Exit(SOME_REJECTED)
