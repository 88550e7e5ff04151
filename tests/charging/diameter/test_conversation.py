"""Real conversations: adapter, freeDiameter, charging system."""

from pathlib import Path

import uvloop
from tests.charging.diameter.conversation import ask, charging, network, until_routed, used

from louhua.charging.credit import Verdict


def test_reserve_settle(tmp_path: Path) -> None:
    async def talk() -> None:
        async with charging(net.config) as adapter:
            await until_routed(adapter)
            asked = [ask("a"), ask("b", payer="8613900139000")]
            assert await adapter.reserve(asked) == [Verdict.GRANTED, Verdict.REFUSED]
            assert await adapter.settle([used("a", 100)]) == [True]

    with network(tmp_path) as net:
        uvloop.run(talk())
