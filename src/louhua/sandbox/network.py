"""The sandbox's network as a daemon: an SMSC with handsets, phones that call, and a door for commands.

The door is a Unix socket in the data directory that only its owner may use. A request is a line of JSON, the
answer is lines of JSON, the last of them with ``done``.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from louhua.bus.events import Reason
from louhua.config import Config, split_address
from louhua.numbers import canonical
from louhua.processes import StartError
from louhua.sandbox.listening import Library
from louhua.sandbox.phone import After, CallReport, HangUp, Phone, PhoneError, Press, Speak, Step, Wait
from louhua.sandbox.smsc import HandsetOff, SandboxSmsc

STATES: Final = {"on": None, "off": Reason.UNREACHABLE, "busy": Reason.BUSY, "no-answer": Reason.NO_ANSWER}
"""What a handset can be, and why calls to it are forwarded."""

_LINE_LIMIT: Final = 16 * 1024 * 1024


def door(config: Config) -> Path:
    """Where the network of this configuration takes commands."""
    return config.node.data.resolve() / "sandbox.sock"


class Network:
    """The running sandbox."""

    def __init__(self, config: Config) -> None:
        if not config.smsc:
            raise StartError("the configuration has no [[smsc]] for the sandbox to be; add one")
        self._config = config
        self._smsc = SandboxSmsc({smsc.system_id: smsc.password for smsc in config.smsc})
        self._library = Library.load()
        self._reasons: dict[str, Reason | None] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; raises ``StartError`` when something else does."""
        place = self._config.smsc[0]
        path = door(self._config)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            await self._smsc.start(place.host, place.port)
        except OSError as error:
            raise StartError(
                f"{place.host}:{place.port}: {error.strerror}; is another sandbox running?"
            ) from error
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path, limit=_LINE_LIMIT)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            door(self._config).unlink(missing_ok=True)
        await self._smsc.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            async for answer in self._carry_out(request):
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _carry_out(self, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        number = canonical(str(request.get("number", "")), self._config.service.country)
        match request.get("do"):
            case "set":
                self._set(number, str(request["state"]))
                yield {"done": True}
            case "inbox":
                async for text in self._inbox(number, follow=bool(request.get("follow"))):
                    yield text
                yield {"done": True}
            case "send":
                try:
                    self._smsc.send(number, str(request["to"]), str(request["body"]))
                    yield {"done": True}
                except HandsetOff as error:
                    yield {"done": True, "error": str(error)}
            case "call":
                async for news in self._call(number, request):
                    yield news
            case other:
                yield {"done": True, "error": f"the sandbox does not know how to {other}"}

    def _set(self, number: str, state: str) -> None:
        self._reasons[number] = STATES[state]
        if state == "off":
            self._smsc.phone_off(number)
        else:
            self._smsc.phone_on(number)

    async def _inbox(self, number: str, *, follow: bool) -> AsyncIterator[dict[str, Any]]:
        shown = 0
        while True:
            for text in self._smsc.inbox(number)[shown:]:
                shown += 1
                yield {"sender": text.sender, "body": text.body, "at": text.at.isoformat()}
            if not follow:
                return
            await self._smsc.change()

    async def _call(self, number: str, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        callee = canonical(str(request["callee"]), self._config.service.country)
        reason = self._reasons.get(callee)
        if reason is None:
            reason = Reason.UNREACHABLE if not self._smsc.is_on(callee) else Reason.NO_ANSWER
        news: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        phone = Phone(number, split_address(self._config.sip.listen), self._library)
        calling = asyncio.create_task(
            phone.call(
                callee,
                script_of(request),
                reason=reason,
                watcher=lambda what, detail: news.put_nowait({"what": what, "detail": detail}),
            )
        )
        calling.add_done_callback(lambda _task: news.put_nowait(None))
        yield {"what": "forwarded", "detail": reason}
        while (item := await news.get()) is not None:
            yield item
        try:
            yield {"done": True, **_summary(await calling, keep_audio=bool(request.get("keep")))}
        except PhoneError as error:
            yield {"done": True, "error": str(error)}


def script_of(request: dict[str, Any]) -> list[Step]:
    """The steps a command line asks for: what is pressed waits for the menu's end, the number for its prompt."""
    steps: list[Step] = []
    for keys in request.get("press", []):
        first, _, rest = str(keys).partition(" ")
        steps += [After(str(request.get("after", "menu-power-on")), limit_s=25), Press(first)]
        if rest:
            steps += [After("number-enter"), Press(rest)]
    if request.get("speak"):
        steps += [After("beep", limit_s=40), Wait(0.3), Speak(float(request["speak"])), Press("#")]
    if request.get("hang_up_after") is not None:
        steps += [Wait(float(request["hang_up_after"])), HangUp()]
    return steps


def _summary(report: CallReport, *, keep_audio: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        "status": report.status,
        "ended_by": report.ended_by,
        "seconds": round(report.seconds, 1),
        "pressed": report.pressed,
    }
    if keep_audio:
        values["audio"] = report.audio.hex()
    return values
