"""Steps one dialogue: a coroutine that waits for what happens to its call, without asyncio.

An ``await`` inside the dialogue ends in ``Driver.wait``, which gives control back to whoever stepped it; the
event that it waits for, or its deadline, steps it on.
"""

from collections.abc import Awaitable, Callable, Generator
from enum import Enum, auto
from typing import Any, Final

from louhua.calls.loop import Loop, Timer


class Awaited(Enum):
    """What a dialogue waits for."""

    PROFILES = auto()
    OPENED = auto()
    ANSWER = auto()
    ACKNOWLEDGED = auto()
    PLAYED = auto()
    KEY = auto()
    RECORDED = auto()


class _Suspend:
    def __await__(self) -> Generator["_Suspend", Any, Any]:
        return (yield self)


_SUSPEND: Final = _Suspend()


class Driver:
    """``done`` is called once, with what the dialogue raised; ``paused`` whenever it waits."""

    def __init__(
        self, loop: Loop, *, done: Callable[[Exception | None], None], paused: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._done = done
        self._paused = paused
        self._dialogue: Generator[Any, Any, Any] | None = None
        self._deadline: Timer | None = None
        self.awaited: Awaited | None = None

    def start(self, dialogue: Awaitable[None]) -> None:
        """Run the dialogue until it waits for the first time."""
        self._dialogue = dialogue.__await__()
        self._step(self._dialogue.send, None)

    async def wait(self, awaited: Awaited, limit_s: float | None = None) -> Any:
        """Inside the dialogue: wait to be resumed; the result is ``None`` after ``limit_s`` seconds."""
        self.awaited = awaited
        if limit_s is not None:
            self._deadline = self._loop.call_later(limit_s, self.resume, None)
        return await _SUSPEND

    def resume(self, value: object) -> None:
        """The awaited has come."""
        if self._dialogue is not None:
            self._wake()
            self._step(self._dialogue.send, value)

    def throw(self, error: Exception) -> None:
        """The awaited will not come."""
        if self._dialogue is not None:
            self._wake()
            self._step(self._dialogue.throw, error)

    def throw_after(self, limit_s: float, error: Exception) -> None:
        """Wait no longer than ``limit_s`` from now."""
        self._wake(self.awaited)
        self._deadline = self._loop.call_later(limit_s, self.throw, error)

    def _wake(self, awaited: Awaited | None = None) -> None:
        self.awaited = awaited
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _step(self, step: Callable[[Any], Any], argument: object) -> None:
        error: Exception | None = None
        try:
            if step(argument) is _SUSPEND:
                self._paused()
                return
            error = RuntimeError("a dialogue may only await its call")
        except StopIteration:
            pass
        except Exception as raised:
            error = raised
        self._dialogue = None
        self._wake()
        self._done(error)
