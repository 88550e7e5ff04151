"""The housekeeper in a process of its own, so that a measurement can have it and not have it."""

import asyncio
import contextlib
import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

from louhua.bus.nats import Bus
from louhua.config import load
from louhua.processes import StartError
from louhua.retention.housekeeper import Housekeeper

_BEGIN_LIMIT_S: Final = 60.0


@contextlib.contextmanager
def housekeeper_process(config: Path) -> Iterator[None]:
    """Remove what is too old until the context ends; then the process is killed, wherever it is."""
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    process = context.Process(target=_keep_house, args=(config, begun), daemon=True)
    process.start()
    try:
        if not begun.wait(_BEGIN_LIMIT_S):
            raise StartError("the housekeeper of the measurement did not begin")
        yield
    finally:
        process.kill()
        process.join()


def _keep_house(config: Path, begun: Event) -> None:
    asyncio.run(_clean(config, begun))


async def _clean(path: Path, begun: Event) -> None:
    config = load(path)
    bus = await Bus.connect(config, "bench-housekeeper")

    async def rest(seconds: float) -> None:
        begun.set()
        await asyncio.sleep(seconds)

    try:
        await Housekeeper(config, bus, rest).clean(datetime.now(UTC))
    finally:
        await bus.close()
