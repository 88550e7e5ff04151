"""The web process's way to the bus: connected when first needed, and then for good."""

import asyncio
from collections.abc import Sequence
from typing import Final

from louhua.bus.events import Event
from louhua.bus.nats import Bus, BusAway
from louhua.config import current

_PATIENCE_S: Final = 3.0


class Door:
    """Publishes events; who waits for an answer does not wait long."""

    def __init__(self) -> None:
        self._connecting: asyncio.Task[Bus] | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        """Store events of one type; raises ``BusAway`` when NATS has not confirmed in a few seconds."""
        if self._connecting is None or self._failed(self._connecting):
            config = current()
            self._connecting = asyncio.create_task(Bus.connect(config, f"{config.node.name}-api"))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                bus = await asyncio.shield(self._connecting)
                await bus.publish(events)
        except BusAway:
            raise
        except Exception as error:
            raise BusAway(f"not connected: {error!r}") from error

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connecting, self._connecting = self._connecting, None
        if connecting is None:
            return
        if connecting.done() and not self._failed(connecting):
            await connecting.result().close()
        connecting.cancel()

    @staticmethod
    def _failed(connecting: asyncio.Task[Bus]) -> bool:
        return connecting.done() and (connecting.cancelled() or connecting.exception() is not None)
