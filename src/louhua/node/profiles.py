"""Profile look-ups of the call role: many calls in one query, and none waits for a database that is away."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from louhua.db.pool import Pool, open_pool
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Profile
from louhua.subscribers.store import lookup

log = structlog.get_logger()

Callback = Callable[[Mapping[str, Profile]], None]

_GATHER_S: Final = 0.02
"""So long look-ups are gathered into one query; nobody hears a fiftieth of a second."""
_LIMIT_S: Final = 1.0
_RETRY_S: Final = 2.0


class ProfileLookup:
    """Made and run in an event loop; called (it is a ``Lookup``) from any thread."""

    def __init__(self, url: str, plan: NumberPlan) -> None:
        self._url = url
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._asked: list[tuple[Sequence[str], Callback]] = []
        self._lock = threading.Lock()
        self._wake = asyncio.Event()
        self._pool: Pool | None = None
        self._failing = False

    @property
    def ready(self) -> bool:
        """Whether the database answered when it was asked last."""
        return self._pool is not None and not self._failing

    def __call__(self, numbers: Sequence[str], callback: Callback) -> None:
        """Look up; while the database is away nobody is known."""
        if self._pool is None:
            callback({})
            return
        with self._lock:
            self._asked.append((numbers, callback))
            first = len(self._asked) == 1
        if first:
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Answer until cancelled."""
        connecting = asyncio.create_task(self._connect())
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await asyncio.sleep(_GATHER_S)
                with self._lock:
                    asked, self._asked = self._asked, []
                await self._answer(asked)
        finally:
            connecting.cancel()
            if self._pool is not None:
                await self._pool.close()

    async def _connect(self) -> None:
        while self._pool is None:
            try:
                self._pool = await open_pool(self._url, size=2)
            except (psycopg.Error, PoolTimeout) as error:
                log.warning("profiles.database_away", error=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _answer(self, asked: Sequence[tuple[Sequence[str], Callback]]) -> None:
        known: Mapping[str, Profile] = {}
        numbers = {number for wanted, _ in asked for number in wanted if number}
        pairs = [pair for wanted, _ in asked for pair in permutations(filter(None, wanted), 2)]
        try:
            async with asyncio.timeout(_LIMIT_S):
                assert self._pool is not None
                async with self._pool.connection() as connection:
                    known = (await lookup(connection, numbers, self._plan, pairs)).known
            self._failing = False
        except (psycopg.Error, PoolTimeout, TimeoutError) as error:
            self._failing = True
            log.warning("profiles.defaults", calls=len(asked), error=repr(error))
        for _, callback in asked:
            callback(known)
