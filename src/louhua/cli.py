"""``louhua``: one program for the operator's engineer. Each command imports what it needs when it runs."""

import sys
from typing import Annotated

import typer
from rich.markup import escape

from louhua import __version__
from louhua.alerts.commands import app as alerts
from louhua.bench.commands import app as bench
from louhua.charging.cdr.command import app as cdr
from louhua.charging.commands import app as billing
from louhua.charging.plan_commands import app as plans
from louhua.processes import StartError
from louhua.sandbox.commands import app as sandbox
from louhua.soak.command import soak
from louhua.subscribers.commands import app as subscribers
from louhua.terminal import ConfigOption, ended_by_sigterm, fail, load_config, out
from louhua.web.console.commands import app as staff

app = typer.Typer(
    name="louhua",
    help="Louhua (漏话): a missed-call alert platform for mobile operators.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)

app.add_typer(sandbox, name="sandbox")
app.add_typer(bench, name="bench")
app.add_typer(subscribers, name="subscribers")
app.add_typer(alerts, name="alerts")
app.add_typer(staff, name="staff")
app.add_typer(plans, name="plans")
app.add_typer(billing, name="billing")
app.add_typer(cdr, name="cdr")
app.command()(soak)


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Start this node's roles (and the embedded servers) and leave them running.

    SIGTERM or Ctrl-C lets live calls end within node.drain_limit, then stops everything.
    """
    from louhua.log import setup_logging
    from louhua.node.supervisor import Supervisor

    settings = load_config(config)
    setup_logging("node")
    try:
        Supervisor(settings, config, lambda line: out.print(line, highlight=False)).run()
    except StartError as error:
        fail(str(error))


@app.command()
def check(config: ConfigOption = None) -> None:
    """Check the configuration: every key, every server it names, every port it wants."""
    from louhua.node.check import problems

    settings = load_config(config)
    found = 0
    for check_ in problems(settings):
        mark = "[green]ok   [/]" if check_.ok else "[bold red]error[/]"
        out.print(
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
    from louhua.node.lock import DataInUse, only_one

    settings = load_config(config)
    try:
        if settings.database.url != "embedded":
            bring_up_to_date(settings, verbosity=1)
            return
        with only_one(settings.node.data), EmbeddedPostgres(settings.node.data):
            bring_up_to_date(settings, verbosity=1)
    except DataInUse:
        out.print(f"louhua serve is running in {settings.node.data}: its schema is up to date since it started.")
    except StartError as error:
        fail(str(error))
    except Exception as error:
        fail(f"the database could not be migrated: {error}")


@app.command()
def demo() -> None:
    """Run the main job to its end on a platform of its own, and show what everybody heard and got.

    Ends with status 0 only if every expected text arrived exactly once, and only the query was charged.
    """
    from louhua.demo.run import run

    try:
        with ended_by_sigterm():
            well = run(out)
    except StartError as error:
        fail(str(error))
    if not well:
        fail("not every expected text arrived exactly once, or the wrong ones were charged")
    out.print("[bold green]Every expected text arrived exactly once, and the one that costs was charged.[/]")


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"louhua {__version__}", highlight=False)
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
