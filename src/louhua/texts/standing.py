"""Which routes one SMSC takes now: this process's connections are told to all, and what all know is read.

A row for each SMSC says when any process last had a connection to it. So one process whose line to an SMSC is cut
does not send by the backup what another can send by the right one, and all agree when an SMSC is away.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import psycopg
import structlog

from louhua.config import Smsc
from louhua.db.pool import Connection, Pool
from louhua.texts.routes import Routes
from louhua.texts.smpp.client import SmppClient

log = structlog.get_logger()

# Primary key. A new SMSC counts from now.
TELL: Final = """
INSERT INTO texts_smscstate AS s (name, bound_at) VALUES (%(smsc)s, now())
    ON CONFLICT (name) DO UPDATE SET bound_at = excluded.bound_at WHERE %(bound)s::bool
"""

# A row for each SMSC.
AWAY: Final = "SELECT name, extract(epoch FROM now() - bound_at)::float8 FROM texts_smscstate"

# Index text_queued, one look into it for each route that is queued.
QUEUED: Final = """
WITH RECURSIVE found AS (
    (SELECT smsc FROM texts_text WHERE state = 'queued' ORDER BY smsc LIMIT 1)
    UNION ALL
    SELECT (SELECT t.smsc FROM texts_text AS t WHERE t.state = 'queued' AND t.smsc > found.smsc
             ORDER BY t.smsc LIMIT 1)
      FROM found WHERE found.smsc IS NOT NULL
)
SELECT smsc FROM found WHERE smsc IS NOT NULL
"""

_LONGEST_PAUSE_S: Final = 2.0
_SHORTEST_PAUSE_S: Final = 0.1


class Standing:
    """What one SMSC's sender may claim; ``clock`` is monotonic, in seconds."""

    def __init__(
        self, config: Smsc, routes: Routes, pool: Pool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.taken = tuple(routes.taken_by(config.name, (), {}, 0.0))
        """The routes whose texts this SMSC takes now."""
        self.routes = routes
        self._smsc = config.name
        self._pool = pool
        self._clock = clock
        self._began = clock()
        self._pause = max(_SHORTEST_PAUSE_S, min(_LONGEST_PAUSE_S, routes.backup_after.total_seconds() / 4))

    async def run(self, client: SmppClient) -> None:
        """Keep ``taken`` up to date until cancelled."""
        while True:
            try:
                async with self._pool.connection() as connection:
                    await self.look(connection, bound=client.transmits)
            except psycopg.OperationalError as error:
                log.warning("outbox.standing_unknown", smsc=self._smsc, error=str(error))
            await asyncio.sleep(self._pause)

    async def look(self, connection: Connection, *, bound: bool) -> None:
        """Tell whether this process is ``bound`` for texts to the SMSC, and see how the others are."""
        await connection.execute(TELL, {"smsc": self._smsc, "bound": bound})
        away: dict[str, float] = dict(await (await connection.execute(AWAY)).fetchall())
        queued = [row[0] for row in await (await connection.execute(QUEUED)).fetchall()]
        waited = self._clock() - self._began
        before, self.taken = self.taken, tuple(self.routes.taken_by(self._smsc, queued, away, waited))
        if before != self.taken:
            log.info("outbox.takes", smsc=self._smsc, routes=[route or "any" for route in self.taken])
