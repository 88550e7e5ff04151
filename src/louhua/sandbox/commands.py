"""``louhua sandbox``: a small mobile network in one terminal, its phones in another."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from louhua.config import Config, ConfigError, load
from louhua.durations import parse_duration
from louhua.processes import StartError

app = typer.Typer(help="A small mobile network to try Louhua on.", no_args_is_help=True)
phone = typer.Typer(help="One phone of the running sandbox: switch it, call, read, text.", no_args_is_help=True)
app.add_typer(phone, name="phone")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="The platform's TOML file.", metavar="FILE", envvar="LOUHUA_CONFIG"),
]
_EXAMPLE: Final = Path("louhua.example.toml")

_out = Console()
_err = Console(stderr=True)


def _fail(problem: str) -> NoReturn:
    _err.print(f"[bold red]error[/] {escape(problem)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _load(path: Path | None) -> Config:
    """The named configuration; without one the example beside us, so that the first steps need no option."""
    try:
        return load(path or (_EXAMPLE if _EXAMPLE.exists() else None))
    except ConfigError as error:
        _fail(str(error))


@app.command()
def run(config: ConfigOption = None) -> None:
    """Start the network: the SMSC of the first [[smsc]], with phones that are on until switched off."""
    from louhua.sandbox.network import Network

    settings = _load(config)
    try:
        asyncio.run(_run(Network(settings), settings))
    except StartError as error:
        _fail(str(error))


async def _run(network: Any, settings: Config) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await network.start()
    smsc = settings.smsc[0]
    _out.print(f"The SMSC listens on {smsc.host}:{smsc.port}. In another terminal, try:", highlight=False)
    _out.print("  louhua sandbox phone 13800138000 off", highlight=False)
    _out.print("  louhua sandbox phone 13900139000 call 13800138000 --press 2", highlight=False)
    _out.print("  louhua sandbox phone 13800138000 on", highlight=False)
    _out.print("  louhua sandbox phone 13800138000 inbox --follow", highlight=False)
    _out.print("Stop with Ctrl-C.")
    try:
        await stop.wait()
    finally:
        await network.stop()


class _Session:
    """What the commands of one phone share."""

    def __init__(self, number: str, settings: Config) -> None:
        self.number = number
        self.settings = settings

    def ask(self, do: str, **more: Any) -> Iterator[dict[str, Any]]:
        """Have the sandbox do something; its answers as they come. Ends the program on an error."""
        from louhua.sandbox.network import door

        with socket.socket(socket.AF_UNIX) as line:
            try:
                line.connect(str(door(self.settings)))
            except OSError:
                _fail("the sandbox is not running here; start it in another terminal: louhua sandbox run")
            line.sendall(json.dumps({"do": do, "number": self.number, **more}).encode() + b"\n")
            with line.makefile("rb") as answers:
                for raw in answers:
                    answer = json.loads(raw)
                    if "error" in answer:
                        _fail(answer["error"])
                    yield answer

    def order(self, do: str, **more: Any) -> None:
        """Have the sandbox do something that has no answer."""
        for _ in self.ask(do, **more):
            pass


@phone.callback()
def _phone(
    context: typer.Context,
    number: Annotated[str, typer.Argument(help="The phone's number, e.g. 13800138000.")],
    config: ConfigOption = None,
) -> None:
    """Remember whose phone it is."""
    context.obj = _Session(number, _load(config))


def _switch(context: typer.Context, state: str) -> None:
    context.obj.order("set", state=state)
    _out.print(f"{context.obj.number} is {state}", highlight=False)


@phone.command()
def on(context: typer.Context) -> None:
    """Switch the phone on; what waited for it arrives."""
    _switch(context, "on")


@phone.command()
def off(context: typer.Context) -> None:
    """Switch the phone off; calls to it are forwarded as unreachable."""
    _switch(context, "off")


@phone.command()
def busy(context: typer.Context) -> None:
    """Calls to it are forwarded as busy."""
    _switch(context, "busy")


@phone.command("no-answer")
def no_answer(context: typer.Context) -> None:
    """Calls to it ring and are forwarded as not answered."""
    _switch(context, "no-answer")


@phone.command()
def call(
    context: typer.Context,
    callee: Annotated[str, typer.Argument(help="Whom to call.")],
    press: Annotated[
        list[str] | None,
        typer.Option(help="Keys to press after the menu, e.g. 2 or '3 01088886666#'; again for the next menu."),
    ] = None,
    after: Annotated[str, typer.Option(help="The prompt to wait for before pressing.")] = "menu-power-on",
    speak: Annotated[float | None, typer.Option(help="After the beep of key 1: seconds of sound, then #.")] = None,
    hang_up_after: Annotated[str | None, typer.Option(help="Hang up after so long, e.g. 3s.")] = None,
    save: Annotated[Path | None, typer.Option(help="Save what was heard as a WAV file.", metavar="FILE")] = None,
) -> None:
    """Call somebody, listen, press keys; shows what is heard as it is said."""
    from louhua.sandbox.listening import words

    script = words()
    try:
        hang_up_s = None if hang_up_after is None else parse_duration(hang_up_after).total_seconds()
    except ValueError as error:
        _fail(str(error))
    request = {
        "callee": callee, "press": press or [], "after": after, "speak": speak, "hang_up_after": hang_up_s,
        "keep": save is not None,
    }  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt):
        for news in context.obj.ask("call", **request):
            if "done" in news:
                by = news["ended_by"] or "network"
                _out.print(f"status {news['status']}, ended by the {by} after {news['seconds']} s")
                if save is not None:
                    _save(news["audio"], save)
            else:
                _out.print(describe(news["what"], news["detail"], script), highlight=False)


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


def _save(audio: str, path: Path) -> None:
    from louhua.sandbox.audio import save_wave

    try:
        save_wave(bytes.fromhex(audio), path)
    except OSError as error:
        _fail(f"{path}: {error.strerror}")
    _out.print(f"saved {path}", highlight=False)


@phone.command()
def inbox(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
) -> None:
    """Show the texts the phone got."""
    shown = 0
    with contextlib.suppress(KeyboardInterrupt):
        for text in context.obj.ask("inbox", follow=follow):
            if "body" in text:
                shown += 1
                _out.print(
                    f"[dim]{text['at'][11:19]} from {text['sender']}[/] {escape(text['body'])}", highlight=False
                )
    if not shown and not follow:
        _out.print("no texts")


@phone.command()
def send(
    context: typer.Context,
    body: Annotated[str, typer.Argument(help="What to say, e.g. D.")],
    to: Annotated[str | None, typer.Option(help="To whom; by default the service's access number.")] = None,
) -> None:
    """Send a text from this phone."""
    recipient = to or context.obj.settings.service.access_number
    context.obj.order("send", to=recipient, body=body)
    _out.print(f"sent to {recipient}", highlight=False)
