"""``louhua sandbox``: a small mobile network in one terminal, its phones in another."""

import asyncio
import contextlib
import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from louhua.config import Config
from louhua.durations import parse_duration
from louhua.processes import StartError
from louhua.sandbox.door import (
    Answer,
    Call,
    CallOver,
    News,
    Problem,
    Read,
    Request,
    SandboxAway,
    Send,
    State,
    Switch,
    Text,
    ask,
)
from louhua.terminal import ConfigOption, ended_by_sigterm, fail, load_config, out

app = typer.Typer(help="A small mobile network to try Louhua on.", no_args_is_help=True)
phone = typer.Typer(help="One phone of the running sandbox: switch it, call, read, text.", no_args_is_help=True)
app.add_typer(phone, name="phone")

LateConfigOption = Annotated[Path | None, typer.Option("--config", "-c", help="The TOML file.", metavar="FILE")]
"""The same as ``ConfigOption`` after the action, where people write it; the variable counts once."""

_EXAMPLE: Final = Path("louhua.example.toml")
_STATES: Final[dict[State, str]] = {
    "on": "is on",
    "off": "is off",
    "busy": "is busy",
    "no-answer": "does not answer",
}
_REFUSED: Final = 300
"""Final responses from here on are refusals (RFC 3261, section 21); the call ends the program with status 1."""
_ANSWERS: Final = {"180": "ringing", "183": "speaking, not yet answered (183)", "200": "answered (200)"}


def _load(path: Path | None) -> Config:
    """The named configuration; without one the example beside us, so that the first steps need no option."""
    return load_config(path or (_EXAMPLE if _EXAMPLE.exists() else None))


@app.command()
def run(config: ConfigOption = None) -> None:
    """Start the network: the first SMSC of the configuration, with phones that are on until switched off."""
    from louhua.sandbox.network import Network

    settings = _load(config)
    try:
        asyncio.run(_run(Network(settings), settings))
    except StartError as error:
        fail(str(error))


async def _run(network: Any, settings: Config) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await network.start()
    smsc = settings.smsc[0]
    out.print(
        f"The SMSC listens on {smsc.host}:{smsc.port}; phones call Louhua at {settings.sip.listen}.\n"
        "With louhua serve running, try in another terminal:\n"
        "  louhua sandbox phone 13800138000 off\n"
        "  louhua sandbox phone 13900139000 call 13800138000 --press 2\n"
        "  louhua sandbox phone 13800138000 on\n"
        "  louhua sandbox phone 13800138000 inbox --follow\n"
        "Stop with Ctrl-C.",
        highlight=False,
    )
    try:
        await stop.wait()
    finally:
        await network.stop()


@app.command()
def ocs(
    config: ConfigOption = None,
    listen: Annotated[
        str, typer.Option(help="Where; by default the first of charging.diameter.peers.", metavar="HOST:PORT")
    ] = "",
    balance: Annotated[float, typer.Option(min=0, max=1e9, help="What everybody has at first, e.g. 1.000.")] = 10,
    client: Annotated[
        list[str] | None, typer.Option(help="Origin-Host of who may connect; by default Louhua's.")
    ] = None,
    empty: Annotated[
        list[str] | None, typer.Option(help="A number that has no money, e.g. 8613800138000.")
    ] = None,
    forget: Annotated[
        str,
        typer.Option(help="After how long a reservation ends that is not settled, e.g. 10m; by default never."),
    ] = "",
) -> None:
    """Start an online charging system, which keeps balances in memory and prints a line for each request."""
    from louhua.sandbox.ocs import Ocs
    from louhua.sandbox.ocs_ledger import Ledger

    diameter = _load(config).charging.diameter
    if diameter is None:
        fail("charging.diameter: must be given; docs/charging-diameter.md shows how to try it")
    forget_s = _seconds(forget)
    ledger = Ledger(round(balance * 1000), math.inf if forget_s is None else forget_s)
    for number in empty or ():
        ledger.put(number, 0)
    address = listen or diameter.peers[0]
    server = Ocs(
        address, diameter.destination_realm, client or [diameter.origin_host], ledger,
        lambda line: out.print(line, highlight=False, soft_wrap=True),
    )  # fmt: skip
    try:
        server.start()
    except OSError as error:
        fail(f"{address}: {error.strerror}; stop what uses it, or choose another with --listen")
    out.print(f"The charging system listens on {address}. Stop with Ctrl-C.", highlight=False)
    try:
        with contextlib.suppress(KeyboardInterrupt), ended_by_sigterm():
            signal.pause()
    finally:
        server.stop()


class _Handset:
    """Whose phone it is, and where its sandbox is."""

    def __init__(self, number: str, config: Path | None) -> None:
        self.number = number
        self._config = config

    def settings(self, config: Path | None) -> Config:
        """The configuration: named after the action, before it, or found."""
        return _load(config or self._config)


@phone.callback()
def _phone(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="The phone's number, e.g. 13800138000.")],
    config: ConfigOption = None,
) -> None:
    """Remember whose phone it is."""
    context.obj = _Handset(number, config)


def _ask(settings: Config, request: Request) -> Iterator[Answer]:
    """What the sandbox answers; ends the program where it cannot do it."""
    try:
        for answer in ask(settings, request):
            if isinstance(answer, Problem):
                fail(answer.why)
            yield answer
    except SandboxAway as error:
        fail(str(error))


def _order(settings: Config, request: Request) -> None:
    """Have the sandbox do something that has no answer."""
    for _ in _ask(settings, request):
        pass


def _switch(context: typer.Context, config: Path | None, state: State) -> None:
    number = context.obj.number
    _order(context.obj.settings(config), Switch(number=number, state=state))
    out.print(f"{number} {_STATES[state]}", highlight=False)


@phone.command()
def on(context: typer.Context, config: LateConfigOption = None) -> None:
    """Switch the phone on; what waited for it arrives."""
    _switch(context, config, "on")


@phone.command()
def off(context: typer.Context, config: LateConfigOption = None) -> None:
    """Switch the phone off; calls to it are forwarded as unreachable."""
    _switch(context, config, "off")


@phone.command()
def busy(context: typer.Context, config: LateConfigOption = None) -> None:
    """Calls to it are forwarded as busy."""
    _switch(context, config, "busy")


@phone.command("no-answer")
def no_answer(context: typer.Context, config: LateConfigOption = None) -> None:
    """Calls to it ring and are forwarded as not answered, as they are to any phone that is on."""
    _switch(context, config, "no-answer")


@phone.command()
def call(
    context: typer.Context,
    callee: Annotated[str, typer.Argument(help="Whom to call.")],
    press: Annotated[
        list[str] | None,
        typer.Option(
            help="Keys, pressed once nothing more is said: 2, or '3 01088886666# 1' one after the other."
        ),
    ] = None,
    after: Annotated[
        str, typer.Option(help="Press the first keys right after this prompt, e.g. menu-intro.", metavar="PROMPT")
    ] = "",
    speak: Annotated[
        str,
        typer.Option(help="What to leave after --press 1: seconds of a tone, or a WAV file.", metavar="S|FILE"),
    ] = "",
    hang_up_after: Annotated[
        str, typer.Option(help="Hang up so long after the rest, e.g. 3s.", metavar="DURATION")
    ] = "",
    save: Annotated[Path | None, typer.Option(help="Save what was heard as a WAV file.", metavar="FILE")] = None,
    config: LateConfigOption = None,
) -> None:
    """Call somebody, listen, press keys; shows what is heard as it is said. Ctrl-C hangs up."""
    from louhua.sandbox.listening import words

    if save is not None and not save.parent.is_dir():
        fail(f"--save: {save.parent} is not a directory")
    script = words()
    request = Call(
        number=context.obj.number,
        callee=callee,
        press=tuple(press or ()),
        after=after,
        say=_speech(speak),
        hang_up_after_s=_seconds(hang_up_after),
        keep=save is not None,
    )
    try:
        for answer in _ask(context.obj.settings(config), request):
            if isinstance(answer, News):
                out.print(describe(answer.what, answer.detail, script), highlight=False)
            elif isinstance(answer, CallOver):
                out.print(outcome(answer), highlight=False)
                if save is not None:
                    _save(answer.audio, save)
                if answer.status >= _REFUSED:
                    raise typer.Exit(1)
    except KeyboardInterrupt:
        out.print("hung up")


def _seconds(duration: str) -> float | None:
    if not duration:
        return None
    try:
        return parse_duration(duration).total_seconds()
    except ValueError as error:
        fail(str(error))


def _speech(speak: str) -> bytes:
    """The audio of ``--speak``."""
    from louhua.sandbox.audio import AudioError, read_audio, tone

    if not speak:
        return b""
    try:
        return tone(float(speak)) if _is_number(speak) else read_audio(Path(speak))
    except (AudioError, ValueError) as error:
        fail(f"--speak: {error}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def outcome(call: CallOver) -> str:
    """How a call ended, in a sentence."""
    by = f"ended by the {call.ended_by} after {call.seconds:g} s"
    if call.status >= _REFUSED:
        return f"not answered ({call.status}), {by}"
    return f"{'answered' if call.status >= 200 else 'heard without an answer'} ({call.status}), {by}"


def describe(what: str, detail: str, script: dict[str, str], who: str = "") -> Table:
    """A line of a call's transcript; ``script`` has the words of each prompt."""
    match what:
        case "hears":
            said = escape(script.get(detail, f"({detail})"))
        case "presses":
            said = f"[bold]{escape(detail)}[/]"
        case "speaks":
            said = f"for {detail} s"
        case "ended":
            said = f"by the {detail}"
        case "answered":
            what, said = "platform", _ANSWERS.get(detail, f"refuses ({detail})")
        case "misses":
            said = f"{escape(detail)}, waited for in vain"
        case _:
            said = escape(detail)
    return columns(who, what, said)


def columns(who: str, what: str, said: str) -> Table:
    """Who does what, and the words, which may need several lines."""
    table = Table.grid(padding=(0, 1))
    table.add_column(min_width=2)
    table.add_column(min_width=9)
    table.add_column(overflow="fold")
    table.add_row(who, what, said)
    return table


def _save(audio: bytes, path: Path) -> None:
    from louhua.sandbox.audio import save_wave

    try:
        save_wave(audio, path)
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    out.print(f"saved {path}", highlight=False, soft_wrap=True)


@phone.command()
def inbox(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    config: LateConfigOption = None,
) -> None:
    """Show the texts the phone got."""
    settings = context.obj.settings(config)
    shown = 0
    with contextlib.suppress(KeyboardInterrupt):
        for text in _ask(settings, Read(number=context.obj.number, follow=follow)):
            if isinstance(text, Text):
                shown += 1
                at = f"{text.at.astimezone(settings.service.zone):%H:%M:%S}"
                out.print(f"[dim]{at} from {escape(text.sender)}[/] {escape(text.body)}", highlight=False)
    if not shown and not follow:
        out.print("no texts")


@phone.command()
def send(
    context: typer.Context,
    body: Annotated[str, typer.Argument(help="What to say, e.g. D.")],
    to: Annotated[str | None, typer.Option(help="To whom; by default the service's access number.")] = None,
    config: LateConfigOption = None,
) -> None:
    """Send a text from this phone."""
    settings = context.obj.settings(config)
    recipient = to or settings.service.access_number
    _order(settings, Send(number=context.obj.number, to=recipient, body=body))
    out.print(f"sent to {recipient}", highlight=False)
