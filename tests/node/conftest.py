"""Stories told in a running world."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.node.world import Clock, Live, World

from louhua.sandbox.platform import Platform, settings
from louhua.sandbox.smsc import SandboxSmsc


@pytest.fixture
def live() -> Live:
    """Run a story in a world; keywords override sections of the configuration."""

    def run(story: Callable[[World], Awaitable[None]], **overrides: Any) -> None:
        async def told() -> None:
            clock = Clock()
            smsc = SandboxSmsc({"louhua": "sandbox"}, clock=clock)
            platform = Platform(settings(await smsc.start("127.0.0.1", 0), overrides))
            try:
                await asyncio.to_thread(platform.start)
                await story(World(platform, smsc, clock))
            finally:
                await asyncio.to_thread(platform.close)
                await smsc.stop()

        asyncio.run(told())

    return run
