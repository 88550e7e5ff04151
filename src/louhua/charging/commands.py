"""``louhua billing``: the balances of subscribers, and what staff moves. Every command writes down who did it."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from louhua import audit
from louhua.charging.balances import NOTHING, Money, balance_of
from louhua.charging.explain_command import explain
from louhua.charging.movements import CannotMove, Moved, Movements
from louhua.charging.run.command import run
from louhua.charging.run.rules import Rental
from louhua.charging.run.store import owed as rentals_owed
from louhua.charging.subscribe_command import subscribe
from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.log import setup_logging
from louhua.money import parse_yuan, yuan
from louhua.numbers import masked
from louhua.subscribers.profiles import Contract
from louhua.subscribers.store import contracts
from louhua.terminal import ConfigOption, fail, load_config, number_of, out, record

app = typer.Typer(help="What subscribers pay, and why: bills, rentals, balances.", no_args_is_help=True)
app.command()(run)
app.command()(explain)
app.command()(subscribe)

NumberArgument = Annotated[
    str, typer.Argument(help="The number, however dialled, e.g. 13800138000.", metavar="NUMBER")
]
ReasonOption = Annotated[str, typer.Option(help="Why: it stands in the ledger.")]
KeyOption = Annotated[str, typer.Option(help="What has the same key is done once.", metavar="KEY")]

# Else -5.00 would be an option.
_NEGATIVE = {"ignore_unknown_options": True}


@app.command()
def top_up(
    number: NumberArgument,
    amount: Annotated[str, typer.Argument(help="As 50.00.", metavar="YUAN")],
    reason: ReasonOption,
    key: KeyOption = "",
    config: ConfigOption = None,
) -> None:
    """Put money on a prepaid subscriber's balance. Rentals that he owes are taken of it at once."""
    settings, payer = _begin(config, "top-up", number)
    thousandths = _yuan(amount)

    def move(movements: Movements, connection: Connection) -> Awaitable[Moved]:
        return movements.top_up(connection, payer, thousandths, audit.author(), reason, _key(key))

    moved = _move(settings, move)
    _say(moved, f"{number} has {yuan(-moved.amount)} yuan more")
    if moved.rentals:
        _print(f"{yuan(moved.rentals)} of it paid rentals that were owed")
    if moved.resumed:
        _print("nothing is owed any more: the service is on again")


@app.command(context_settings=_NEGATIVE)
def adjust(
    number: NumberArgument,
    amount: Annotated[str, typer.Argument(help="5.00 is charged, -5.00 is credited.", metavar="YUAN")],
    reason: ReasonOption,
    key: KeyOption = "",
    config: ConfigOption = None,
) -> None:
    """Charge somebody an amount, or credit it: by his balance, or on his bill if he pays afterwards."""
    settings, payer = _begin(config, "adjust", number)
    thousandths = _yuan(amount)

    def move(movements: Movements, connection: Connection) -> Awaitable[Moved]:
        return movements.adjust(connection, payer, thousandths, audit.author(), reason, _key(key))

    moved = _move(settings, move)
    _say(moved, f"{number} is {'charged' if moved.amount > 0 else 'credited'} {yuan(abs(moved.amount))} yuan")


@app.command()
def refund(
    charge: Annotated[int, typer.Argument(min=1, help="The number of the charge.", metavar="CHARGE_ID")],
    reason: ReasonOption,
    amount: Annotated[
        str, typer.Argument(help="How much of it; without, all that is left.", metavar="[YUAN]")
    ] = "",
    key: KeyOption = "",
    config: ConfigOption = None,
) -> None:
    """Give back what was charged for a text or a rental, or a part of it, never more than once."""
    settings = load_config(config)
    thousandths = _yuan(amount) if amount else None
    record(settings, "billing refund", charge=str(charge))

    def move(movements: Movements, connection: Connection) -> Awaitable[Moved]:
        return movements.refund(connection, charge, thousandths, audit.author(), reason, _key(key))

    moved = _move(settings, move)
    _say(moved, f"{yuan(-moved.amount)} yuan of charge {charge} are given back")


@app.command()
def balance(number: NumberArgument, config: ConfigOption = None) -> None:
    """Show what a prepaid subscriber has, what is reserved of it, and which rentals he owes."""
    settings, payer = _begin(config, "balance", number)

    async def ask(connection: Connection) -> tuple[Contract | None, Money | None, list[Rental]]:
        known = (await contracts(connection, [payer])).get(payer)
        return known, await balance_of(connection, payer), await rentals_owed(connection, [payer], lock=False)

    contract, money, owed = with_database(settings, ask)
    if contract is None and money is None:
        fail(f"{number} is not known; register with: louhua subscribers add {number}")
    if contract is not None and not contract.prepaid:
        _print("pays       afterwards")
    if settings.charging.keeper != "here":
        _print("balance    kept elsewhere (charging.keeper)")
    elif money is not None or (contract is not None and contract.prepaid):
        has = money or NOTHING
        for name, amount in (("balance", has.balance), ("reserved", has.reserved), ("available", has.available)):
            _print(f"{name:<10} {yuan(amount)}")
    for rental in owed:
        _print(f"owed       {yuan(rental.owed)} of the rental of {rental.month:%Y-%m}, since {rental.since}")
    if not owed:
        _print("owed       nothing")


def _begin(config: Path | None, did: str, number: str) -> tuple[Config, str]:
    """The configuration and the canonical number, once it is written down who does what."""
    settings = load_config(config)
    payer = number_of(number, settings)
    record(settings, f"billing {did}", number=masked(payer))
    return settings, payer


def _move(settings: Config, move: Callable[[Movements, Connection], Awaitable[Moved]]) -> Moved:
    setup_logging("billing")
    movements = Movements(settings, datetime.now(UTC))
    try:
        return with_database(settings, lambda connection: move(movements, connection))
    except CannotMove as error:
        fail(str(error))


def _say(moved: Moved, done: str) -> None:
    _print(done if moved.done else f"{done} already: this key has been used for it")


def _print(line: str) -> None:
    out.print(line, highlight=False, soft_wrap=True)


def _yuan(text: str) -> int:
    try:
        return parse_yuan(text)
    except ValueError as error:
        fail(str(error))


def _key(given: str) -> str:
    return given or uuid.uuid4().hex
