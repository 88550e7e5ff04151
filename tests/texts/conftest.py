"""An outbox in the real PostgreSQL with a sender on it, and an SMSC that does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import psycopg
import pytest

from louhua.bus.events import Event
from louhua.config import Config, Smsc
from louhua.db.pool import Connection, Pool, open_pool
from louhua.texts import store
from louhua.texts.outbox import TextChange, TextDraft, TextKind
from louhua.texts.routes import Routes
from louhua.texts.sender import Sender
from louhua.texts.smpp.client import SmppClient
from louhua.texts.smpp.messages import Submit, SubmitResult
from louhua.texts.smpp.status import Outcome
from louhua.texts.standing import Standing

PHONE = "8613800138000"


class Fitful:
    """A pool whose database is away when the test says so."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.away = False

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        if self.away:
            raise psycopg.OperationalError("away")
        return self.pool.connection()


class Centre:
    """Stands in for the client: keeps what was submitted; ``room`` is how much it takes at a time."""

    def __init__(self) -> None:
        self.room = 100
        self.submitted: list[Submit] = []

    async def wait_room(self) -> int:
        while self.room <= 0:
            await asyncio.sleep(0.01)
        return self.room

    def submit_many(self, messages: Iterable[Submit]) -> None:
        self.submitted += messages


class Outbox:
    """A sender at work."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.fitful = Fitful(pool)
        self.centre = Centre()
        self.changes: list[TextChange] = []
        self.replenished: list[int] = []
        config = Smsc.model_validate({"name": "s", "host": "h", "port": 1, "system_id": "x"})
        self.routes = Routes(Config(smsc=(config,)))
        fitful = cast(Pool, self.fitful)
        standing = Standing(config, self.routes, fitful)
        self.sender = Sender(config, fitful, self._changed, self._publish, self._replenish, standing)

    async def _changed(self, _connection: Connection, changes: Sequence[TextChange]) -> Sequence[Event]:
        self.changes += changes
        return ()

    async def _publish(self, _events: Sequence[Event]) -> None:
        """Nobody listens here."""

    async def _replenish(self, limit: int) -> None:
        self.replenished.append(limit)

    async def queue(self, *bodies: str, kind: TextKind = TextKind.REPLY, smsc: str = "") -> list[int]:
        drafts = [TextDraft(kind=kind, sender="06001", recipient=PHONE, body=body, smsc=smsc) for body in bodies]
        async with self.pool.connection() as connection:
            return await store.enqueue(connection, drafts, datetime.now(UTC), self.routes)

    def answer(self, outcome: Outcome = Outcome.ACCEPTED, message_id: str = "m") -> None:
        """The SMSC answers everything it has got so far."""
        for message in self.centre.submitted:
            self.sender.results_came(
                [
                    SubmitResult(message.key, part, outcome, f"{message_id}{message.key[0]}.{part}", 0)
                    for part in range(len(message.segments))
                ]
            )

    async def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        async with self.pool.connection() as connection:
            return list(await (await connection.execute(query.encode(), parameters)).fetchall())

    async def states(self) -> list[str]:
        return [row[0] for row in await self.rows("SELECT state FROM texts_text ORDER BY id")]

    async def others_end_the_leases(self) -> None:
        """Another process takes this one for dead."""
        async with self.pool.connection() as connection:
            await connection.execute("UPDATE texts_text SET lease_until = '2000-01-01' WHERE state = 'sending'")
            await store.end_leases(connection, datetime.now(UTC))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sender.run(cast(SmppClient, self.centre)))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await condition():
                await asyncio.sleep(0.01)

    async def until_states(self, *wanted: str) -> None:
        async def reached() -> bool:
            return await self.states() == list(wanted)

        await self.until(reached)

    async def until_submitted(self, count: int) -> None:
        async def reached() -> bool:
            return len(self.centre.submitted) >= count

        await self.until(reached)


TellOutbox = Callable[[Callable[[Outbox], Awaitable[None]]], None]


@pytest.fixture
def tell_outbox(database_url: str) -> TellOutbox:
    def run(story: Callable[[Outbox], Awaitable[None]]) -> None:
        async def told() -> None:
            pool = await open_pool(database_url)
            try:
                await story(Outbox(pool))
            finally:
                await pool.close()

        asyncio.run(told())

    return run
