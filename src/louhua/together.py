"""Several loops as one: they end together, and a cancellation that a library swallows is repeated.

``asyncio.TaskGroup`` cancels its tasks once. Before Python 3.12 ``asyncio.wait_for`` may lose a cancellation
that comes in the moment its result does, and a lost one would keep a stopping process alive for ever.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

_AGAIN_S: Final = 0.5


async def run_together(*loops: Coroutine[Any, Any, None]) -> None:
    """Run until one of ``loops`` ends or this is cancelled, then end them all; raises what the first raised."""
    tasks = {asyncio.ensure_future(loop) for loop in loops}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)


async def follow(task: asyncio.Task[None]) -> None:
    """Wait for a task that shall outlive its followers, and raise what it raises."""
    await asyncio.shield(task)


async def end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel tasks until every one of them has ended."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
