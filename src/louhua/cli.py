"""``louhua``: one program for the operator's engineer. Each command imports what it needs when it runs."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from louhua import __version__
from louhua.bench.commands import app as bench
from louhua.config import CONFIG_VARIABLE, Config, ConfigError, load
from louhua.processes import StartError
from louhua.sandbox.commands import app as sandbox
from louhua.soak.command import soak
from louhua.subscribers.commands import app as subscribers

app = typer.Typer(
    name="louhua",
    help="Louhua (漏话): a missed-call alert platform for mobile operators.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

app.add_typer(sandbox, name="sandbox")
app.add_typer(bench, name="bench")
app.add_typer(subscribers, name="subscribers")
app.command()(soak)

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

_out = Console()
_err = Console(stderr=True)


def _fail(problems: list[str]) -> NoReturn:
    """Say each problem on a line of its own and end with status 1."""
    for problem in problems:
        _err.print(f"[bold red]error[/] {escape(problem)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _load(path: Path | None) -> Config:
    try:
        return load(path)
    except ConfigError as error:
        _fail(error.problems)


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Start this node's roles (and the embedded servers) and leave them running.

    SIGTERM or Ctrl-C lets live calls end within node.drain_limit, then stops everything.
    """
    from louhua.log import setup_logging
    from louhua.node.supervisor import Supervisor

    settings = _load(config)
    setup_logging("node")
    try:
        Supervisor(settings, config, lambda line: _out.print(line, highlight=False)).run()
    except StartError as error:
        _fail([str(error)])


@app.command()
def check(config: ConfigOption = None) -> None:
    """Check the configuration: every key, every server it names, every port it wants."""
    from louhua.node.check import problems

    settings = _load(config)
    found = 0
    for check_ in problems(settings):
        mark = "[green]ok   [/]" if check_.ok else "[bold red]error[/]"
        _out.print(
            f"{mark} {escape(check_.what)}" + ("" if check_.ok else f": {escape(check_.why)}"),
            highlight=False,
            soft_wrap=True,
        )
        found += not check_.ok
    if found:
        raise typer.Exit(1)


@app.command()
def migrate(config: ConfigOption = None) -> None:
    """Bring the schema of the configured database up to date (the embedded one is migrated at start)."""
    from louhua.db.embedded import EmbeddedPostgres
    from louhua.db.migrate import migrate as bring_up_to_date
    from louhua.node.supervisor import DataInUse, only_one

    settings = _load(config)
    try:
        if settings.database.url != "embedded":
            bring_up_to_date(settings, verbosity=1)
            return
        with only_one(settings.node.data), EmbeddedPostgres(settings.node.data):
            bring_up_to_date(settings, verbosity=1)
    except DataInUse:
        _out.print(f"louhua serve is running in {settings.node.data}: its schema is up to date since it started.")
    except StartError as error:
        _fail([str(error)])
    except Exception as error:
        _fail([f"the database could not be migrated: {error}"])


@app.command()
def demo() -> None:
    """Run the main job to its end on a platform of its own, and show what everybody heard and got.

    Ends with status 0 only if every expected text arrived exactly once.
    """
    from louhua.demo.run import run

    try:
        well = run(_out)
    except StartError as error:
        _fail([str(error)])
    if not well:
        _fail(["not every expected text arrived exactly once"])
    _out.print("[bold green]Every expected text arrived exactly once.[/]")


def _print_version(wanted: bool) -> None:
    if wanted:
        _out.print(f"louhua {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that every command has."""


def main() -> None:
    """Run the program."""
    sys.exit(app())


if __name__ == "__main__":
    main()
