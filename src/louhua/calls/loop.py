"""The SIP thread's loop: sockets, timers and calls from other threads, with sippy's timers among them.

It stands in for sippy's own ``ED2.loop()``, which wakes a hundred times a second, receives in three threads
and crosses from each by a signal: one ``epoll`` instead costs a fifth less CPU a call and has no idle tick.
sippy's timers are those of its dispatcher and are fired from here; whatever else uses sippy in this process
has to cross threads with ``Loop.call_soon``, not with ``ED2.callFromThread``.
"""

import heapq
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import structlog
from sippy.Core.EventDispatcher import ED2
from sippy.Time.MonoTime import MonoTime

log = structlog.get_logger()

Callback = Callable[..., object]

_LONGEST_WAIT_S: Final = 1.0
_REBUILD_FROM: Final = 1000


class Timer:
    """A call that is due at a time; ``cancel`` forgets it."""

    __slots__ = ("_args", "_callback", "_loop", "when")

    def __init__(self, loop: "Loop", when: float, callback: Callback, args: tuple[object, ...]) -> None:
        self._loop = loop
        self.when = when
        self._callback: Callback | None = callback
        self._args = args

    def __lt__(self, other: "Timer") -> bool:
        return self.when < other.when

    @property
    def live(self) -> bool:
        """Whether it is still to fire."""
        return self._callback is not None

    def cancel(self) -> None:
        """Forget the call; harmless when it was made already."""
        if self._callback is not None:
            self._callback, self._args = None, ()
            self._loop.note_cancelled()

    def fire(self) -> None:
        """Make the call, once."""
        callback, args = self._callback, self._args
        self._callback, self._args = None, ()
        if callback is not None:
            callback(*args)


class Loop:
    """Runs in the thread that first imported sippy; only ``call_soon`` and ``stop`` may come from others."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._readers: dict[int, Callback] = {}
        self._timers: list[Timer] = []
        self._cancelled = 0
        self._soon: deque[tuple[Callback, tuple[object, ...]]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._running = False
        self._poll.register(self._wake, select.EPOLLIN)

    def call_later(self, delay_s: float, callback: Callback, *args: object) -> Timer:
        """Call after ``delay_s`` seconds."""
        timer = Timer(self, time.monotonic() + delay_s, callback, args)
        heapq.heappush(self._timers, timer)
        return timer

    def call_soon(self, callback: Callback, *args: object) -> None:
        """Call in the loop's thread, in the order of these calls; from any thread."""
        self._soon.append((callback, args))
        os.eventfd_write(self._wake, 1)

    def add_reader(self, descriptor: int, callback: Callback) -> None:
        """Call whenever the descriptor can be read."""
        self._readers[descriptor] = callback
        self._poll.register(descriptor, select.EPOLLIN)

    def remove_reader(self, descriptor: int) -> None:
        """Forget the descriptor; before it is closed."""
        if self._readers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def stop(self) -> None:
        """Let ``run`` return; from any thread or a signal handler."""
        self._running = False
        os.eventfd_write(self._wake, 1)

    def run(self) -> None:
        """Serve until ``stop``. What a callback raises is logged and harms no other."""
        if ED2.my_ident != threading.get_ident():
            raise RuntimeError("the loop has to run in the thread that imported sippy")
        self._running = True
        while self._running:
            self._run_timers()
            for descriptor, _ in self._poll.poll(self._wait_s()):
                if descriptor == self._wake:
                    os.eventfd_read(self._wake)
                else:
                    self._guarded(self._readers.get(descriptor, _nothing))
            self._run_soon()

    def close(self) -> None:
        """Free the descriptors; after ``run`` has returned."""
        self._poll.close()
        os.close(self._wake)

    def note_cancelled(self) -> None:
        """A timer was cancelled: when most are, the heap is rebuilt without them."""
        self._cancelled += 1
        if self._cancelled > _REBUILD_FROM and self._cancelled * 2 > len(self._timers):
            self._timers = [timer for timer in self._timers if timer.live]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _run_soon(self) -> None:
        for _ in range(len(self._soon)):
            callback, args = self._soon.popleft()
            self._guarded(callback, *args)

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].when <= now:
            timer = heapq.heappop(self._timers)
            if timer.live:
                self._guarded(timer.fire)
            else:
                self._cancelled -= 1
        if ED2.tlisteners and ED2.tlisteners[0].etime.monot <= _boot_time():
            ED2.last_ts = MonoTime()
            ED2.dispatchTimers()
        if ED2.twasted * 2 > len(ED2.tlisteners):
            ED2.tlisteners = [each for each in ED2.tlisteners if each.cb_func is not None]
            heapq.heapify(ED2.tlisteners)
            ED2.twasted = 0

    def _wait_s(self) -> float:
        """How long nothing is due."""
        if self._soon:
            return 0.0
        wait = _LONGEST_WAIT_S
        now = time.monotonic()
        if self._timers:
            wait = min(wait, self._timers[0].when - now)
        if ED2.tlisteners:
            wait = min(wait, ED2.tlisteners[0].etime.monot - _boot_time())
        return max(0.0, wait)

    @staticmethod
    def _guarded(callback: Callback, *args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            log.exception("loop.callback_failed", callback=getattr(callback, "__qualname__", repr(callback)))


def _boot_time() -> float:
    """The clock of sippy's timers: it reads clock 4, which is CLOCK_MONOTONIC_RAW on Linux."""
    return time.clock_gettime(time.CLOCK_MONOTONIC_RAW)


def _nothing() -> None:
    """A descriptor that was removed while its event was waiting."""
