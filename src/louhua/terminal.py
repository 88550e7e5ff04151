"""What the commands share: the configuration's option, the audit, and how they say what is wrong."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TimeRemainingColumn

from louhua import audit
from louhua.config import CONFIG_VARIABLE, Config, ConfigError, load
from louhua.numbers import canonical

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="The TOML file; without it, defaults and LOUHUA_… variables.",
        metavar="FILE",
        envvar=CONFIG_VARIABLE,
    ),
]

out = Console()
err = Console(stderr=True)


def fail(*problems: str) -> NoReturn:
    """Say each problem on a line of its own and end with status 1."""
    for problem in problems:
        err.print(f"[bold red]error[/] {escape(problem)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A bar for long work, with these columns behind it, on standard error; nothing where that is no terminal."""
    return Progress(
        BarColumn(20),
        TaskProgressColumn(),
        *columns,
        TimeRemainingColumn(compact=True),
        console=err,
        transient=True,
        redirect_stdout=out.is_terminal,
        disable=not err.is_terminal,
    )


def load_config(path: Path | None) -> Config:
    """The configuration, or the end of the program with every mistake in it."""
    try:
        return load(path)
    except ConfigError as error:
        fail(*error.problems)


def number_of(dialled: str, config: Config) -> str:
    """A number in canonical form, however dialled; ends the program when it is none."""
    number = canonical(dialled, config.service.country)
    if not number:
        fail(f"{dialled!r} is not a telephone number")
    return number


def record(config: Config, did: str, **about: str) -> None:
    """Write down what the person at this terminal does now, or end the program: nothing is done unseen."""
    try:
        audit.record(config, did, **about)
    except audit.CannotAudit as error:
        fail(str(error))


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Within, SIGTERM ends the program the way Ctrl-C does: what was started is stopped and removed."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)
