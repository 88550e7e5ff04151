"""The door of a running sandbox: what its commands ask and what they are told.

The door is a Unix socket in the node's data directory. A visitor sends one request, a line of JSON, and is told
news, a line each, the last of them ``Done``, ``CallOver`` or ``Problem``. Who leaves before that hangs up.
"""

import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from louhua.config import Config

LINE_LIMIT: Final = 16 * 1024 * 1024
"""Octets of a line: half an hour of audio."""

State = Literal["on", "off", "busy", "no-answer"]
"""What a phone can be: off cannot be reached; busy and no-answer are on and forward their calls."""


class _Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="do", tag=str.lower):
    number: str
    """Whose phone, as dialled."""


class Switch(_Request, frozen=True, kw_only=True):
    """Make the phone be something else."""

    state: State


class Read(_Request, frozen=True, kw_only=True):
    """Show the texts it got; with ``follow`` also those that come."""

    follow: bool = False


class Send(_Request, frozen=True, kw_only=True):
    """Send a text from it."""

    to: str
    body: str


class Call(_Request, frozen=True, kw_only=True):
    """Call somebody from it.

    ``press``: groups of keys, each pressed when something was said and then nothing more, the first one after
    the prompt ``after`` if that is named. ``say``: A-law audio, said after the beep and ended by #. ``keep``: what
    was heard is wanted as audio too.
    """

    callee: str
    press: tuple[str, ...] = ()
    after: str = ""
    say: bytes = b""
    hang_up_after_s: float | None = None
    keep: bool = False


Request = Switch | Read | Send | Call


class _Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="is", tag=str.lower):
    pass


class News(_Answer, frozen=True, kw_only=True):
    """Something happens in a call: see ``louhua.sandbox.phone.Watcher``; "forwarded" says for what reason."""

    what: str
    detail: str


class Text(_Answer, frozen=True, kw_only=True):
    """A text that the phone got."""

    sender: str
    body: str
    at: datetime


class CallOver(_Answer, frozen=True, kw_only=True):
    """The call is over; ``audio`` is what was heard, A-law, if that was asked for."""

    status: int
    ended_by: str
    seconds: float
    pressed: str
    audio: bytes = b""


class Done(_Answer, frozen=True, kw_only=True):
    """That was all."""


class Problem(_Answer, frozen=True, kw_only=True):
    """It could not be done, and why."""

    why: str


Answer = News | Text | CallOver | Done | Problem

encode: Final = msgspec.json.Encoder().encode
decode_request: Final = msgspec.json.Decoder(Request).decode
_decode_answer: Final = msgspec.json.Decoder(Answer).decode


class SandboxAway(Exception):
    """No sandbox is running, or it went away."""


def door(config: Config) -> Path:
    """Where the sandbox of this configuration takes requests."""
    return config.node.data.resolve() / "sandbox.sock"


def ask(config: Config, request: Request) -> Iterator[Answer]:
    """What the sandbox answers, as it comes, up to the last one. Raises ``SandboxAway``."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(door(config)))
            line.sendall(encode(request) + b"\n")
            with line.makefile("rb") as answers:
                for raw in answers:
                    answer = _decode_answer(raw)
                    yield answer
                    if isinstance(answer, Done | CallOver | Problem):
                        return
        except OSError as error:
            raise SandboxAway(
                f"no sandbox is running with the data in {config.node.data}; start it in another terminal:"
                " louhua sandbox run"
            ) from error
    raise SandboxAway("the sandbox stopped")
