"""``louhua subscribers``: show, register, change, forget one person; import a file of them.

Every command writes down who did it (``audit.log``), with the number masked.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.hours import Hours, parse_hours
from louhua.money import yuan
from louhua.numbers import masked, national
from louhua.subscribers.import_command import import_
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import BY_STAFF, Contract, Language, Listing, Privacy, Profile, Sender, Status
from louhua.subscribers.rows import MOST_TEXTS
from louhua.subscribers.store import (
    Accounts,
    Entry,
    accounts,
    change_lists,
    contracts,
    forget,
    forgive,
    hold,
    listed,
    lookup,
    save,
)
from louhua.terminal import ConfigOption, fail, load_config, number_of, out, record

app = typer.Typer(help="Who is registered, and how.", no_args_is_help=True)
app.command("import")(import_)

NumberArgument = Annotated[
    str, typer.Argument(help="The number, however dialled, e.g. 13800138000.", metavar="NUMBER")
]
ListedArgument = Annotated[
    str, typer.Argument(help="The number to put on the list, or to take off it.", metavar="LISTED")
]
RemoveOption = Annotated[bool, typer.Option("--remove", help="Take it off the list.")]
VoicemailOption = Annotated[
    bool | None, typer.Option("--voicemail/--no-voicemail", help="Callers may leave a message.")
]
LanguageOption = Annotated[str | None, typer.Option(help="zh-hans, en, or default.", metavar="LANGUAGE")]
PowerOnOption = Annotated[
    Privacy | None,
    typer.Option(help="Who may learn that the phone is on: everybody, list (the allowed), nobody.", metavar="WHO"),
]
PowerOnHoursOption = Annotated[
    str | None, typer.Option(help="When they may: 08:00-22:00, off (never), or default (always).", metavar="HOURS")
]
QuietHoursOption = Annotated[
    str | None, typer.Option(help="When no text comes: 22:00-07:00, off, or default.", metavar="HOURS")
]
DigestOption = Annotated[bool | None, typer.Option("--digest/--no-digest", help="One text for all callers.")]
SenderOption = Annotated[str | None, typer.Option(help="service, caller, or default.", metavar="SENDER")]
LimitOption = Annotated[str | None, typer.Option(help="Texts a day, 0 for no limit, or default.", metavar="TEXTS")]

_DEFAULT: Final = "default"
_WIDTH: Final = 63
"""Of what stands beside a name, in a terminal of eighty columns."""


@app.command()
def show(number: NumberArgument, config: ConfigOption = None) -> None:
    """Show everything that is known of somebody, with the lists; who is not known has the default profile."""
    settings, wanted = _begin(config, "show", number)

    async def ask(connection: Connection) -> tuple[Profile, bool, list[Entry]]:
        profiles = await lookup(connection, [wanted], NumberPlan(settings))
        return profiles[wanted], wanted in profiles.known, await listed(connection, [wanted])

    profile, known, entries = with_database(settings, ask)
    country = settings.service.country
    _line("number", national(wanted, country) + ("" if known else ", who is not known by name"))
    _line("status", profile.status)
    if why_not := NumberPlan(settings).why_not_registered(wanted):
        _line("not served", why_not)
    for name, value in _settings_of(profile, settings).items():
        _line(name, value)
    for listing in Listing:
        numbers = [national(entry, country) for _, name, entry in entries if name is listing]
        first, *more = textwrap.wrap(" ".join(numbers), _WIDTH) or ["empty"]
        _line(f"{listing} list", first)
        for line in more:
            _line("", line)


def _settings_of(profile: Profile, settings: Config) -> dict[str, str]:
    """What somebody chose, or in brackets the service's own setting."""
    alerts = settings.alerts
    return {
        "voicemail": _yes(profile.voicemail),
        "language": profile.language or f"({settings.service.language})",
        "power_on": profile.power_on,
        "power_on_hours": str(profile.power_on_hours or "(always)"),
        "quiet_hours": str(profile.quiet_hours or f"({alerts.quiet_hours})"),
        "digest": _yes(profile.digest),
        "sender": profile.sender or f"({alerts.sender})",
        "daily_limit": f"({alerts.daily_limit})" if profile.daily_limit is None else str(profile.daily_limit),
    }


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _line(name: str, value: str) -> None:
    out.print(f"{name:<15} {value}", highlight=False, soft_wrap=True)


@app.command()
def add(
    number: NumberArgument,
    voicemail: VoicemailOption = None,
    language: LanguageOption = None,
    notice: Annotated[
        bool, typer.Option("--notice/--no-notice", help="Tell him by text what he has now, and how to end it.")
    ] = True,
    config: ConfigOption = None,
) -> None:
    """Register somebody. Who has been registered before has what he had set then."""
    settings, wanted = _begin(config, "add", number)
    _check_may_register(wanted, NumberPlan(settings))
    changes = _changes(voicemail=voicemail, language=language) | {"status": Status.REGISTERED}

    async def register(connection: Connection) -> bool:
        async with connection.transaction():
            await hold(connection, [wanted])
            before = (await lookup(connection, [wanted], NumberPlan(settings)))[wanted]
            told = () if notice else (wanted,)
            await save(connection, [msgspec.structs.replace(before, **changes)], told)
            return before.registered

    already = with_database(settings, register)
    notified = "; the notice follows" if notice and not already else ""
    out.print(f"{number} is registered{' already' if already else notified}", highlight=False)


@app.command("set")
def set_(
    number: NumberArgument,
    status: Annotated[
        str | None,
        typer.Option(help="registered, unregistered, or suspended: neither served nor told.", metavar="STATUS"),
    ] = None,
    voicemail: VoicemailOption = None,
    language: LanguageOption = None,
    power_on: PowerOnOption = None,
    power_on_hours: PowerOnHoursOption = None,
    quiet_hours: QuietHoursOption = None,
    digest: DigestOption = None,
    sender: SenderOption = None,
    daily_limit: LimitOption = None,
    config: ConfigOption = None,
) -> None:
    """Change what is named of somebody's profile; the rest stays. The word default is the service's setting."""
    settings, wanted = _begin(config, "set", number)
    changes = _changes(
        status=status, voicemail=voicemail, language=language, power_on=power_on, power_on_hours=power_on_hours,
        quiet_hours=quiet_hours, digest=digest, sender=sender, daily_limit=daily_limit,
    )  # fmt: skip
    if not changes:
        fail("nothing is to change; name an option, as --voicemail (louhua subscribers set --help has all)")
    plan = NumberPlan(settings)
    if changes.get("status") is Status.REGISTERED:
        _check_may_register(wanted, plan)

    async def change(connection: Connection) -> bool:
        async with connection.transaction():
            await hold(connection, [wanted])
            profiles = await lookup(connection, [wanted], plan)
            if wanted not in profiles.known and status is None:
                return False
            await save(connection, [msgspec.structs.replace(profiles[wanted], **changes)])
            return True

    if not with_database(settings, change):
        fail(f"{number} is not known; register with: louhua subscribers add {number}")
    out.print(f"{number} is set", highlight=False)


def _check_may_register(number: str, plan: NumberPlan) -> None:
    if why_not := plan.why_not_registered(number):
        fail(f"{why_not}: only who is served, and can get texts, may register; see [[ranges]] and texts_abroad")


def _changes(**given: Any) -> dict[str, Any]:
    """The profile's fields to change; ends the program when a value cannot be used."""
    read = {
        "status": _status,
        "language": lambda text: _choice(text, "language", Language),
        "sender": lambda text: _choice(text, "sender", Sender),
        "power_on_hours": _hours,
        "quiet_hours": _hours,
        "daily_limit": _limit,
    }
    return {
        name: read[name](value) if name in read else value for name, value in given.items() if value is not None
    }


def _choice(text: str, name: str, choices: type[Language] | type[Sender]) -> Language | Sender | None:
    plain = text.strip().lower()
    if plain == _DEFAULT:
        return None
    if plain not in list(choices):
        fail(f"{name} is {text!r}; write {', '.join(choices)}, or {_DEFAULT}")
    return choices(plain)


def _status(text: str) -> Status:
    plain = text.strip().lower()
    if plain not in BY_STAFF:
        fail(f"the status is {text!r}; write {', '.join(BY_STAFF)}")
    return Status(plain)


def _hours(text: str) -> Hours | None:
    if text.strip().lower() == _DEFAULT:
        return None
    try:
        return parse_hours(text)
    except ValueError as error:
        fail(f"{error}, or {_DEFAULT}")


def _limit(text: str) -> int | None:
    if text.strip().lower() == _DEFAULT:
        return None
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_TEXTS):
        fail(f"the daily limit is {text!r}; write 0 (no limit) to {MOST_TEXTS}, or {_DEFAULT}")
    return int(text)


@app.command()
def remove(
    number: NumberArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    forgiven: Annotated[bool, typer.Option("--forgive", help="Give up the rentals that he owes.")] = False,
    config: ConfigOption = None,
) -> None:
    """Forget somebody's profile and lists. Calls to him are served as those to anybody in the ranges."""
    settings, wanted = _begin(config, "remove --forgive" if forgiven else "remove", number)
    if not yes:
        typer.confirm(f"Forget the profile and the lists of {number}?", abort=True)

    async def drop(connection: Connection) -> bool:
        async with connection.transaction():
            known = (await contracts(connection, [wanted])).get(wanted)
            if known is None:
                return False
            money = await accounts(connection, wanted)
            if why_not := _why_not_removed(number, known, money, settings, forgiven=forgiven):
                fail(why_not)
            await forgive(connection, wanted)
            return await forget(connection, wanted)

    known = with_database(settings, drop)
    out.print(f"{number} is forgotten" if known else f"{number} was not known", highlight=False)


def _why_not_removed(number: str, contract: Contract, money: Accounts, settings: Config, *, forgiven: bool) -> str:
    """Why somebody cannot be forgotten, with the way out; empty when he can."""
    elsewhere = settings.charging.keeper != "here"
    if money.has:
        first = "" if contract.prepaid else f"louhua billing subscribe {number} --prepaid, then "
        keeper = "LOUHUA_CHARGING__KEEPER=here " if elsewhere else ""
        settle = f"{first}{keeper}louhua billing adjust {number} {yuan(money.has)} --reason …"
        return f"{number} has {yuan(money.has)} yuan on the balance; pay it out first: {settle}"
    if money.asking and elsewhere:
        return f"{number} owes a rental that the charging system was asked for; wait for its answer"
    if money.owes and not forgiven:
        return f"{number} owes {yuan(money.owes)} yuan of rentals; to give them up add --forgive"
    return ""


@app.command()
def block(
    number: NumberArgument,
    entry: ListedArgument,
    remove: RemoveOption = False,
    config: ConfigOption = None,
) -> None:
    """Put a number on somebody's block list: its calls hear busy and are not told of."""
    _list(config, Listing.BLOCK, number, entry, remove=remove)


@app.command()
def allow(
    number: NumberArgument,
    entry: ListedArgument,
    remove: RemoveOption = False,
    config: ConfigOption = None,
) -> None:
    """Put a number on somebody's allow list: it may learn that the phone is on, where only a list may."""
    _list(config, Listing.ALLOW, number, entry, remove=remove)


def _list(path: Path | None, listing: Listing, number: str, entry: str, *, remove: bool) -> None:
    settings, wanted = _begin(path, f"{listing} --remove" if remove else listing, number)
    entries: Sequence[Entry] = [(wanted, listing, number_of(entry, settings))]

    async def change(connection: Connection) -> bool:
        async with connection.transaction():
            await hold(connection, [wanted])
            known = wanted in (await lookup(connection, [wanted], NumberPlan(settings))).known
            if known:
                await change_lists(connection, [] if remove else entries, entries if remove else [])
            return known

    if not with_database(settings, change):
        fail(f"{number} is not known; register with: louhua subscribers add {number}")
    where = "is not on" if remove else "is on"
    out.print(f"{entry} {where} the {listing} list of {number}", highlight=False)


def _begin(path: Path | None, did: str, number: str) -> tuple[Config, str]:
    """The configuration and the canonical number, once it is written down who does what."""
    settings = load_config(path)
    wanted = number_of(number, settings)
    record(settings, f"subscribers {did}", number=masked(wanted))
    return settings, wanted
