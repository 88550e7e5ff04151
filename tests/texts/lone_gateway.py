"""A process with one gateway, to be killed: lone_gateway.py DATA DATABASE_URL PORT WINDOW."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from louhua.bus.events import Event
from louhua.bus.nats import Bus
from louhua.config import Config, Node, Smsc
from louhua.db.pool import Connection, open_pool
from louhua.texts.gateway import Gateway
from louhua.texts.outbox import TextChange
from louhua.texts.routes import Routes


async def changed(_connection: Connection, _changes: Sequence[TextChange]) -> Sequence[Event]:
    return ()


async def replenish(_limit: int) -> None:
    """Nothing has to be worded here."""


async def main(data: str, database_url: str, port: str, window: str) -> None:
    smsc = Smsc(name="s", host="127.0.0.1", port=int(port), system_id="x", window=int(window), rate=0)
    config = Config(node=Node(data=Path(data)), smsc=(smsc,))
    pool, bus = await open_pool(database_url), await Bus.connect(config)
    await Gateway(smsc, pool, bus, changed, replenish, Routes(config)).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
