"""A caller who follows a script: a ``Call`` for dialogues, without sound, time or network.

Whenever the dialogue says something, waits for a key or records, the caller makes the next move of the script.
Behind its end the caller listens to everything and presses nothing.
"""

from collections.abc import Awaitable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from louhua.bus.events import Reason
from louhua.calls.call import CallInfo, HungUp, Recording, Result
from louhua.ivr.prompts import PROMPTS
from louhua.subscribers.profiles import Profile

CALLER, CALLEE = "8613900139000", "8613800138000"

LISTEN: Final = "listen"
"""Hear the prompt to its end, or press nothing until the time is over. A key is a move of one character."""

HANG_UP: Final = "hang up"


class Say(NamedTuple):
    """Say something for so long, then press ``key``, stay silent (``None``), or hang up."""

    ms: int
    key: str | None = None


Move = str | Say


class Caller:
    """A scripted ``Call``; what the dialogue did is in ``heard`` and ``done``.

    ``uninterrupted``: what of it no key can cut short.
    """

    def __init__(
        self,
        *moves: Move,
        caller: str = CALLER,
        reason: Reason = Reason.UNREACHABLE,
        trunk: str = "msc",
        profiles: tuple[Profile, Profile] | None = None,
        early: bool = False,
    ) -> None:
        self.moves = list(moves)
        self.keys: list[str] = []
        self.heard: list[str] = []
        self.uninterrupted: list[str] = []
        self.done: list[str] = []
        self.waits: list[float] = []
        self.info = CallInfo(
            id="c1", trunk=trunk, sip_call_id="s1", caller=caller, callee=CALLEE, reason=reason,
            started_at=datetime(2026, 11, 23, 1, 5, tzinfo=UTC),
        )  # fmt: skip
        self.result = Result()
        self._profiles = profiles or (Profile(number=caller), Profile(number=CALLEE))
        self._early = early
        self._gone = False

    @property
    def free_answer(self) -> bool:
        return self._early and "connect" not in self.done

    async def profiles(self) -> tuple[Profile, Profile]:
        self._need_caller()
        return self._profiles

    async def answer(self) -> None:
        self._need_caller()
        self.done.append("answer")

    async def connect(self) -> None:
        self._need_caller()
        self.done.append("connect")

    async def release(self, code: int, phrase: str) -> None:
        self._need_caller()
        self.done.append(f"release {code} {phrase}")

    async def play(self, clips: Sequence[str], *, barge_in: bool = True) -> str | None:
        self._need_voice()
        for clip in clips:
            assert clip.startswith("silence/") or (PROMPTS / f"{clip}.al").exists(), clip
        if barge_in and self.keys:
            return self.keys.pop(0)
        self.heard += clips
        self.uninterrupted += () if barge_in else clips
        move = self._move()
        if move == LISTEN:
            return None
        if barge_in:
            return move
        self.keys.append(move)
        return None

    async def key(self, timeout: float) -> str | None:
        self._need_voice()
        self.waits.append(timeout)
        if self.keys:
            return self.keys.pop(0)
        move = self._move()
        return None if move == LISTEN else move

    async def record(self, *, max_ms: int, silence_ms: int, stop_keys: str = "#") -> Recording:
        self._need_voice()
        self.keys.clear()
        self.done.append(f"record {max_ms} {silence_ms} {stop_keys}")
        said = self.moves.pop(0) if self.moves else Say(0)
        if said == HANG_UP:
            raise self._hang_up()
        assert isinstance(said, Say), f"the script has {said!r} where the caller is recorded"
        assert said.key in (None, HANG_UP, *stop_keys)
        recording = Recording(path="m.al", ms=min(said.ms, max_ms), key=said.key)
        if said.key == HANG_UP:
            self.result.recording = recording if said.ms > 1000 else None
            raise self._hang_up()
        return recording

    def _move(self) -> str:
        move = self.moves.pop(0) if self.moves else LISTEN
        assert isinstance(move, str), f"the script has {move!r} where nothing is recorded"
        if move == HANG_UP:
            raise self._hang_up()
        return move

    def _hang_up(self) -> HungUp:
        self._gone = True
        return HungUp()

    def _need_caller(self) -> None:
        if self._gone:
            raise HungUp

    def _need_voice(self) -> None:
        self._need_caller()
        assert {"answer", "connect"} & set(self.done), "nothing can be heard before the answer"


def follow(dialogue: Awaitable[None]) -> None:
    """Run a dialogue on a ``Caller`` to its end, or until the caller hangs up."""
    try:
        dialogue.__await__().send(None)
    except (StopIteration, HungUp):
        return
    raise AssertionError("the dialogue waits for something that is not its call")


def said(caller: Caller) -> list[str]:
    """What was heard, without the languages and the silences."""
    return [clip.rpartition("/")[2] for clip in caller.heard if not clip.startswith("silence/")]


def ends_after(moves: Iterable[Move]) -> Iterable[tuple[Move, ...]]:
    """The script, ended by hanging up at each of its moments."""
    moves = tuple(moves)
    return [(*moves[:moment], HANG_UP) for moment in range(len(moves) + 1)]
