"""Who says that a phone is back, on a whole platform: its REST API, and a registrar that is not ours."""

import asyncio
import json
import urllib.request
from pathlib import Path

from tests.node.world import Live, World
from tests.peers.kamailio import Kamailio, free_port

from louhua.bus.events import Reason
from louhua.sandbox.phone import After, HangUp

CALLEE, CALLER = "13800138000", "13900139000"
TOKEN = "0123456789abcdef"


async def miss_a_call(world: World) -> None:
    """Call a phone that is off; it is on afterwards, but nobody knows."""
    world.smsc.phone_off(CALLEE)
    await world.phone(CALLER).call(CALLEE, [After("beep"), HangUp()], reason=Reason.UNREACHABLE)
    await world.until(lambda: "louhua_watches 1.0" in world.platform.metrics())
    world.smsc.phone_on(CALLEE)
    assert world.smsc.inbox(CALLEE) == []


def post(world: World) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(
        f"http://{world.platform.config.web.listen}/api/v1/reachable",
        json.dumps({"number": CALLEE, "id": "1"}).encode(),
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status, json.load(answer)


def test_another_system_says_that_the_phone_is_back(live: Live) -> None:
    async def story(world: World) -> None:
        await miss_a_call(world)
        assert await asyncio.to_thread(post, world) == (202, {"stored": 1, "ids": ["api:hlr:1"]})
        await world.until(lambda: len(world.smsc.inbox(CALLEE)) == 1)
        assert [taken.message.protocol_id for taken in world.smsc.delivered] == [0], "nothing was probed"
        expected = (
            'louhua_phone_news_total{source="api"} 1.0', 'louhua_api_items_total{token="hlr"} 1.0',
            'louhua_api_requests_total{status="202",token="hlr"} 1.0',
        )  # fmt: skip
        await world.until(lambda: all(figure in world.platform.metrics() for figure in expected))
        assert TOKEN not in world.platform.log_path.read_text(errors="replace")

    live(story, **{"smsc": {"reachability": "none"}, "api.tokens": {"hlr": TOKEN}})


def test_a_registration_says_that_the_phone_is_back(live: Live, tmp_path: Path) -> None:
    kamailio = Kamailio(tmp_path)
    kamailio.start()

    async def story(world: World) -> None:
        await miss_a_call(world)
        await world.until(lambda: "on behalf of" in kamailio.log.read_text(errors="replace"), 40)
        await asyncio.to_thread(kamailio.register, f"86{CALLEE}")
        await world.until(lambda: len(world.smsc.inbox(CALLEE)) == 1)
        assert [taken.message.protocol_id for taken in world.smsc.delivered] == [0], "nothing was probed"
        await world.until(lambda: 'louhua_phone_news_total{source="reg"} 1.0' in world.platform.metrics())

    registrar = {
        "address": kamailio.address, "listen": f"127.0.0.1:{free_port()}", "uri": "sip:+{number}@ims.example"
    }  # fmt: skip
    try:
        live(
            story,
            registrars=[registrar],
            ranges=[{"name": "mobiles", "prefixes": ["86"], "reachability": ["reg", "probe"]}],
        )
    finally:
        kamailio.stop()
