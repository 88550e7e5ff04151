"""The loop that has every source ask about the watches that are its own."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from louhua.db.pool import Connection, Pool
from louhua.reachability import counts, store
from louhua.reachability.sources import Ask, Source, Sources, Step

log = structlog.get_logger()

_EVERY_S: Final = 0.5
_FORGET_EVERY: Final = timedelta(hours=1)


async def keep_asking(pool: Pool, plan: Sources, sources: Sequence[Source], wake: Callable[[], None]) -> None:
    """Ask, until cancelled; ``wake`` is called when something was asked, which may be a text to send."""
    adopted = False
    forgot_at = datetime.min.replace(tzinfo=UTC)
    while True:
        now = datetime.now(UTC)
        try:
            async with pool.connection() as connection:
                if not adopted:
                    await adopt_strays(connection, plan, now)
                    adopted = True
                if any([await source.ask(connection, now) for source in sources]):
                    wake()
                if now - forgot_at > _FORGET_EVERY:
                    while await counts.forget(connection, now):
                        pass
                    forgot_at = now
        except (psycopg.OperationalError, PoolTimeout) as error:
            log.warning("asking.database_away", error=str(error))
        await asyncio.sleep(_EVERY_S)


async def adopt_strays(connection: Connection, plan: Sources, now: datetime) -> None:
    """Watches whose source is not configured any more get the first one of today's order."""
    while found := await store.strays(connection, sorted(plan.known)):
        asks = plan.first([callee for callee, _ in found], now)
        await store.move(
            connection,
            [
                Step(callee, source, Ask(ask.source, now if ask.source else None))
                for (callee, source), ask in zip(found, asks, strict=True)
            ],
        )
