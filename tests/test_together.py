"""Loops that end together, even when one of them swallows a cancellation."""

import asyncio
import contextlib

import pytest

from louhua.together import run_together


async def for_ever() -> None:
    await asyncio.Event().wait()


async def deaf(times: int) -> None:
    """Swallow so many cancellations, as some libraries do."""
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def fails() -> None:
    raise ValueError("it failed")


def test_a_cancellation_that_is_swallowed_is_repeated() -> None:
    async def story() -> None:
        running = asyncio.create_task(run_together(for_ever(), deaf(2)))
        await asyncio.sleep(0)
        running.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(story())


def test_when_one_fails_all_end() -> None:
    async def story() -> None:
        with pytest.raises(ValueError, match="it failed"):
            async with asyncio.timeout(5):
                await run_together(for_ever(), fails(), deaf(1))
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(story())
