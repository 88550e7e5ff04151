"""The sandbox's network as a daemon: an SMSC with handsets, phones that call, and a door for commands."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from louhua.bus.events import Reason
from louhua.config import Config, split_address
from louhua.numbers import canonical
from louhua.processes import StartError
from louhua.sandbox import handsets
from louhua.sandbox.door import (
    LINE_LIMIT,
    Answer,
    Call,
    CallOver,
    Done,
    News,
    Problem,
    Read,
    Request,
    Send,
    State,
    Switch,
    Text,
    decode_request,
    door,
    encode,
)
from louhua.sandbox.listening import Library
from louhua.sandbox.phone import After, HangUp, Phone, PhoneError, Press, Quiet, Say, Step, Wait
from louhua.sandbox.smsc import SandboxSmsc

REASONS: Final[dict[State, Reason]] = {
    "on": Reason.NO_ANSWER,
    "off": Reason.UNREACHABLE,
    "busy": Reason.BUSY,
    "no-answer": Reason.NO_ANSWER,
}
"""Why a call to a phone is forwarded; nobody ever answers a phone of the sandbox."""

_ANSWER_LIMIT_S: Final = 5.0
_WAIT_LIMIT_S: Final = 30.0
_BEFORE_SPEAKING_S: Final = 0.3

_Say = Callable[[Answer], None]


class Network:
    """The running sandbox. Raises ``StartError`` when the configuration names no SMSC for it to be."""

    def __init__(self, config: Config) -> None:
        if not config.smsc:
            raise StartError("the configuration has no [[smsc]] for the sandbox to be; add one")
        self._config = config
        self._smsc = SandboxSmsc({smsc.system_id: smsc.password for smsc in config.smsc})
        self._library = Library.load()
        self._states: dict[str, State] = {}
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, as the first SMSC and at the door; raises ``StartError`` when something else does."""
        path = door(self._config)
        await asyncio.to_thread(_prepare, path)
        place = self._config.smsc[0]
        try:
            await self._smsc.start(place.host, place.port)
        except OSError as error:
            why = f"{place.host}:{place.port}: {error.strerror}; is another sandbox running?"
            raise StartError(why) from error
        try:
            await self._open(path)
        except OSError as error:
            await self._smsc.stop()
            raise StartError(f"{path}: {error.strerror or error}; set node.data to a shorter path") from error

    async def _open(self, path: Path) -> None:
        """Open the door, to its owner only."""
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._visit, path, limit=LINE_LIMIT)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Hang up, and stop listening."""
        if self._server is not None:
            self._server.close()
            door(self._config).unlink(missing_ok=True)
        for visit in self._visits:
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        await self._smsc.stop()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one visitor for as long as they stay."""
        visit = asyncio.current_task()
        assert visit is not None
        self._visits.add(visit)
        # Only stop() cancels a visit, and asyncio's streams would report that as an error.
        with contextlib.suppress(asyncio.CancelledError):
            await self._serve(reader, lambda answer: writer.write(encode(answer) + b"\n"))
        self._visits.discard(visit)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, say: _Say) -> None:
        try:
            request = decode_request(await reader.readline())
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            say(Problem(why=f"not a request: {error}"))
            return
        doing = asyncio.create_task(self._do(request, say))
        leaving = asyncio.create_task(reader.read())
        try:
            await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            doing.cancel()
            await asyncio.gather(doing, leaving, return_exceptions=True)
        if not doing.cancelled():
            doing.result()

    async def _do(self, request: Request, say: _Say) -> None:
        try:
            match request:
                case Switch():
                    self._switch(self._number(request.number), request.state)
                case Read():
                    await self._read(self._number(request.number), say, follow=request.follow)
                case Send():
                    self._smsc.send(self._number(request.number), self._number(request.to), request.body)
                case Call():
                    say(await self._call(request, say))
                    return
            say(Done())
        except (ValueError, PhoneError) as error:
            say(Problem(why=str(error)))

    def _number(self, dialled: str) -> str:
        number = canonical(dialled, self._config.service.country)
        if not number:
            raise ValueError(f"{dialled!r} is not a telephone number; write it like 13800138000")
        return number

    def _switch(self, number: str, state: State) -> None:
        self._states[number] = state
        if state == "off":
            self._smsc.phone_off(number)
        else:
            self._smsc.phone_on(number)

    async def _read(self, number: str, say: _Say, *, follow: bool) -> None:
        shown: dict[int, handsets.Text] = {}
        while True:
            for text in self._smsc.inbox(number):
                if id(text) not in shown:
                    shown[id(text)] = text
                    say(Text(sender=text.sender, body=text.body, at=text.at))
            if not follow:
                return
            await self._smsc.change()

    async def _call(self, request: Call, say: _Say) -> CallOver:
        caller, callee = self._number(request.number), self._number(request.callee)
        script = script_of(request)
        reason = REASONS[self._states.get(callee, "on")]
        say(News(what="forwarded", detail=reason))
        phone = Phone(
            caller,
            split_address(self._config.sip.listen),
            self._library,
            country=self._config.service.country,
            service_number=self._config.service.access_number,
        )
        report = await phone.call(
            callee,
            script,
            reason=reason,
            watcher=lambda what, detail: say(News(what=what, detail=detail)),
            answer_limit_s=_ANSWER_LIMIT_S,
        )
        return CallOver(
            status=report.status,
            ended_by=report.ended_by,
            seconds=round(report.seconds, 1),
            pressed=report.pressed,
            audio=report.audio if request.keep else b"",
        )


def script_of(request: Call) -> list[Step]:
    """The steps of a call that was asked for; raises ``ValueError`` for keys that no phone has."""
    steps: list[Step] = []
    for keys in " ".join(request.press).split():
        named = request.after if not steps else ""
        steps += [After(named, _WAIT_LIMIT_S) if named else Quiet(limit_s=_WAIT_LIMIT_S), Press(keys)]
    if request.say:
        steps += [After("beep", _WAIT_LIMIT_S), Wait(_BEFORE_SPEAKING_S), Say(request.say), Press("#")]
    if request.hang_up_after_s is not None:
        steps += [Wait(request.hang_up_after_s), HangUp()]
    return steps


def _prepare(path: Path) -> None:
    """Make the door's directory, and remove the door of a sandbox that is gone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(path))
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StartError(f"{path}: {error.strerror or error}; set node.data to another directory") from error
    else:
        raise StartError(f"{path}: another sandbox is running; stop it, or set node.data to another directory")
