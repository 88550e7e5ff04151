"""What each role's processes cost: CPU time between two moments, and memory at its peak."""

import threading
from collections.abc import Callable, Mapping
from typing import Final, Self

import psutil

_PERIOD_S: Final = 0.5

Roles = Callable[[], Mapping[str, list[psutil.Process]]]


class Usage:
    """Samples the processes of each role while the measurement runs (a context manager).

    A process that ends in between keeps what was seen last; one that starts counts from its start.
    """

    def __init__(self, roles: Roles) -> None:
        self._roles = roles
        self._first: dict[tuple[str, int], float] = {}
        self._last: dict[tuple[str, int], float] = {}
        self._peak = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_done, daemon=True)

    def __enter__(self) -> Self:
        self._sample()
        self._first = dict(self._last)
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        self._thread.join()
        self._sample()

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time by role so far."""
        spent: dict[str, float] = {}
        for key, last in self._last.items():
            spent[key[0]] = spent.get(key[0], 0.0) + last - self._first.get(key, 0.0)
        return spent

    def cpu_ms_each(self, count: int) -> dict[str, float]:
        """CPU time in milliseconds for each of ``count`` units, by role and in total."""
        spent = {role: 1000 * seconds / max(count, 1) for role, seconds in sorted(self.cpu_seconds().items())}
        return {**spent, "total": sum(spent.values())}

    @property
    def peak_mb(self) -> float:
        """The most memory of their own that all processes had together (resident less shared), in MB."""
        return self._peak

    def _sample_until_done(self) -> None:
        while not self._done.wait(_PERIOD_S):
            self._sample()

    def _sample(self) -> None:
        memory = 0.0
        for role, processes in self._roles().items():
            for process in processes:
                try:
                    times = process.cpu_times()
                    memory += process.memory_info().rss - process.memory_info().shared
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
                key = role, process.pid
                self._last[key] = times.user + times.system
        self._peak = max(self._peak, memory / 1e6)
