"""``louhua staff``: who may log in to the console. Passwords are asked for, or read from standard input.

Every command writes down who did it (``audit.log``), before it is done.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from louhua.config import Config
from louhua.terminal import ConfigOption, fail, load_config, out, record
from louhua.web.console.roles import ADMIN, NAMES

app = typer.Typer(help="Who may log in to the console.", no_args_is_help=True)

T = TypeVar("T")

NameArgument = Annotated[str, typer.Argument(help="The name to log in with.", metavar="NAME")]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input: its first line.")
]

_ROLES: Final = f"{', '.join(NAMES)}, or a role made in the console."


@app.command()
def add(
    name: NameArgument,
    role: Annotated[str, typer.Option(help=_ROLES, metavar="ROLE")] = ADMIN,
    password_stdin: StdinOption = False,
    config: ConfigOption = None,
) -> None:
    """Make an account; the password is asked for twice."""
    from louhua.web.console import accounts

    settings = load_config(config)
    password = _password(from_stdin=password_stdin)
    record(settings, "staff add", account=name, role=role)
    _do(settings, lambda: accounts.add(name, password, role))
    out.print(f"{escape(name)} may log in as {escape(role)}", highlight=False)


@app.command("list")
def list_(config: ConfigOption = None) -> None:
    """Show every account, its roles, and when it was last used."""
    from louhua.web.console import accounts

    settings = load_config(config)
    record(settings, "staff list")
    table = Table("name", "roles", "active", "last login", box=None, pad_edge=False, header_style="bold")
    for account in _do(settings, accounts.accounts):
        last = account.last_login
        table.add_row(
            escape(account.name),
            escape(", ".join(account.roles)) or "none",
            "yes" if account.active else "no",
            f"{last.astimezone(settings.service.zone):%Y-%m-%d %H:%M}" if last else "never",
        )
    out.print(table)


@app.command("set")
def set_(
    name: NameArgument,
    role: Annotated[str | None, typer.Option(help=_ROLES, metavar="ROLE")] = None,
    active: Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it can be used.")] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new one.")] = False,
    password_stdin: StdinOption = False,
    config: ConfigOption = None,
) -> None:
    """Change what is named of an account; the rest stays. It then has the named role only."""
    from louhua.web.console import accounts

    settings = load_config(config)
    wants_password = password or password_stdin
    if role is None and active is None and not wants_password:
        fail("nothing is to change; name an option, as --inactive (louhua staff set --help has all)")
    new = _password(from_stdin=password_stdin) if wants_password else None
    did = {"role": role, "active": None if active is None else _yes(active), "password": new and "new"}
    record(settings, "staff set", account=name, **{key: value for key, value in did.items() if value})
    _do(settings, lambda: accounts.change(name, role=role, active=active, password=new))
    out.print(f"{escape(name)} is set", highlight=False)


@app.command()
def unlock(name: NameArgument, config: ConfigOption = None) -> None:
    """Let a name log in again that was locked after failed logins."""
    from louhua.web.console import accounts

    settings = load_config(config)
    record(settings, "staff unlock", account=name)
    count = _do(settings, lambda: accounts.unlock(name))
    out.print(f"{escape(name)} may try again" if count else f"{escape(name)} had no failed login", highlight=False)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            fail("standard input has no password in its first line")
        return password
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt="The same again"))


def _do(settings: Config, work: Callable[[], T]) -> T:
    """Do something with the database by way of Django; ends the program when it cannot be done."""
    from louhua.db.migrate import setup_django

    setup_django(settings)
    from django.db import OperationalError, ProgrammingError, connections

    from louhua.web.console.accounts import AccountError

    try:
        return work()
    except AccountError as error:
        fail(*error.problems)
    except OperationalError as error:
        fail(f"no database: {str(error).strip()}; is louhua serve running with this configuration?")
    except ProgrammingError:
        fail("this database has no tables yet; run: louhua migrate")
    finally:
        connections.close_all()
