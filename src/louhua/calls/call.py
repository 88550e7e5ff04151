"""What a dialogue sees of a call: the ``Call`` protocol and what goes over it.

Dialogues (``louhua.ivr``) are coroutines on a ``Call`` and nothing else: no socket, no clock, no asyncio.
The engine (``louhua.calls.engine``) steps them from the SIP thread as keys and media events arrive, so an
``await`` here is never an asyncio await.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from louhua.bus.events import Choice, Reason, Treatment
from louhua.subscribers.profiles import Profile


class HungUp(Exception):
    """The caller is gone: raised by every method of a ``Call`` that would need them."""


class CallInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls whom, and why the call came here. Numbers are canonical; a withheld caller is empty."""

    id: str
    trunk: str
    sip_call_id: str
    caller: str
    callee: str
    reason: Reason
    started_at: datetime


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A finished recording: ``path`` of an A-law file on this node, its length, and the key that ended it."""

    path: str
    ms: int
    key: str | None


class Result(msgspec.Struct, kw_only=True):
    """What a dialogue found out; the engine puts it in the ``CallEnded`` event."""

    treatment: Treatment = Treatment.MENU
    choice: Choice = Choice.NONE
    other_number: str = ""
    recording: Recording | None = None


class Call(Protocol):
    """A call as a dialogue handles it."""

    @property
    def info(self) -> CallInfo:
        """Who, whom and why."""

    @property
    def result(self) -> Result:
        """What to report when the call is over; the dialogue fills it in as it learns."""

    @property
    def free_answer(self) -> bool:
        """Whether ``answer`` left the caller uncharged (early media, 183)."""

    async def profiles(self) -> tuple[Profile, Profile]:
        """Profiles of (caller, callee); the defaults when the database does not answer in time."""

    async def answer(self) -> None:
        """Open the voice path: 200 OK, or 183 where the trunk answers with early media."""

    async def connect(self) -> None:
        """Answer with 200 OK if that has not been done yet (a recorded message may be charged)."""

    async def release(self, code: int, phrase: str) -> None:
        """End the call with a final response and no media; after ``answer`` it is an ordinary hang-up."""

    async def play(self, clips: Sequence[str], *, barge_in: bool = True) -> str | None:
        """Play clips one after the other.

        A clip is the name of a prompt without its ending (``"zh-hans/menu-intro"``) or ``"silence/2000"``
        (milliseconds). With ``barge_in`` a key pressed now, or not yet read, ends the playing and is
        returned; otherwise ``None`` when everything was played.
        """

    async def key(self, timeout: float) -> str | None:  # noqa: ASYNC109
        """The next key (``0``-``9``, ``*``, ``#``) or ``None`` after ``timeout`` seconds."""

    async def record(self, *, max_ms: int, silence_ms: int, stop_keys: str = "#") -> Recording:
        """Record until a key of ``stop_keys``, ``silence_ms`` of silence, or ``max_ms``.

        A caller who hangs up ends the recording too: it is put in ``result.recording`` by the engine when
        longer than a second, and ``HungUp`` is raised.
        """


Dialogue = Callable[[Call], Awaitable[None]]
"""What the engine runs for each call; returning hangs up."""
