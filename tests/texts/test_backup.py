"""Two SMSCs and ranges of numbers: one of them dies and comes back; every text arrives once."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast

import pytest
from tests.peers.node import NodePeer, node_peer

from louhua.bus.embedded import EmbeddedNats
from louhua.bus.events import Event, TextReceipt
from louhua.bus.nats import Bus
from louhua.config import Config
from louhua.db.pool import Connection, Pool, open_pool
from louhua.sandbox.smsc import SandboxSmsc
from louhua.texts import receipts
from louhua.texts.gateway import Gateway
from louhua.texts.metrics import SMPP_FAULTS
from louhua.texts.outbox import TextChange, TextDraft, TextKind
from louhua.texts.retries import Retries
from louhua.texts.routes import Routes
from louhua.texts.sender import announce
from louhua.texts.smpp.client import SmppClient
from louhua.texts.smpp.status import Status
from louhua.texts.standing import Standing
from louhua.texts.store import enqueue

NORTH, SOUTH, ELSEWHERE = "8613800138000", "8613900139000", "8613700137000"


IDS = count(1000, 1000)
"""No id comes twice: a receipt that says the same again within two minutes is the same to the bus."""


class Main:
    """npm's smpp as the SMSC of the north, on a port that it keeps when it comes back."""

    def __init__(self) -> None:
        self.port = 0
        self.texts: list[str] = []
        self._stack = AsyncExitStack()
        self._peer: NodePeer | None = None

    async def start(self, **options: Any) -> None:
        peer = node_peer("smsc.js", port=self.port, first_id=next(IDS), **options)
        self._peer = await self._stack.enter_async_context(peer)
        self.port = (await self._peer.event("listening"))["port"]

    async def die(self) -> None:
        self.texts = self.got()
        self._peer = None
        await self._stack.aclose()

    def noise(self, octets: str) -> None:
        """Send octets (in hex) as they are."""
        assert self._peer is not None
        self._peer.do("raw", hex=octets)

    def got(self) -> list[str]:
        heard = self._peer.heard if self._peer else []
        return self.texts + [event["text"] for event in heard if event["event"] == "submit"]


class Post:
    """One process with both SMSCs."""

    def __init__(self, pool: Pool, bus: Bus, main: Main, backup: SandboxSmsc, config: Config) -> None:
        self.pool, self.main, self.backup = pool, main, backup
        self.routes = Routes(config)
        self.config = config
        self.gateways = {
            smsc.name: Gateway(smsc, pool, bus, self._changed, self._replenish, self.routes)
            for smsc in config.smsc
        }

    async def _changed(self, _connection: Connection, _changes: Sequence[TextChange]) -> Sequence[Event]:
        return ()

    async def _replenish(self, _limit: int) -> None:
        """Nothing has to be worded here."""

    async def receipts_came(self, events: list[TextReceipt]) -> None:
        async with self.pool.connection() as connection, connection.transaction():
            changes = await receipts.apply_receipts(connection, events, datetime.now(UTC), Retries(()))
            await announce(connection, changes, self._changed)

    async def queue(self, to: str, *bodies: str, **fields: Any) -> None:
        drafts = [
            TextDraft(**{"kind": TextKind.REPLY, "sender": "06001", "recipient": to, "body": body} | fields)
            for body in bodies
        ]
        async with self.pool.connection() as connection:
            await enqueue(connection, drafts, datetime.now(UTC), self.routes)

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await condition():
                await asyncio.sleep(0.02)

    async def settled(self) -> None:
        """Wait until every text is delivered."""

        async def states() -> list[tuple[Any, ...]]:
            query = "SELECT state, smsc, attempts, error, count(*) FROM texts_text GROUP BY 1, 2, 3, 4"
            async with self.pool.connection() as connection:
                return list(await (await connection.execute(query)).fetchall())

        async def over() -> bool:
            return all(row[0] == "delivered" for row in await states())

        try:
            await self.until(over)
        except TimeoutError:
            raise AssertionError(f"not settled: {await states()}") from None

    async def bound(self, name: str, wanted: bool = True) -> None:
        async def so() -> bool:
            return self.gateways[name].health().bound is wanted

        await self.until(so)

    async def taken(self, smsc: str, route: str, wanted: bool = True) -> None:
        """Wait until an SMSC takes a route, or does not any more."""

        async def so() -> bool:
            return (route in self.gateways[smsc]._standing.taken) is wanted

        await self.until(so)

    def at_backup(self, *numbers: str) -> list[str]:
        return [text.body for number in numbers for text in self.backup.inbox(number)]


@pytest.fixture
def tell(database_url: str, nats_server: EmbeddedNats, config: Config) -> Callable[..., None]:
    def run(story: Callable[[Post], Awaitable[None]]) -> None:
        async def told() -> None:
            main, backup = Main(), SandboxSmsc()
            await main.start()
            smsc = {"host": "127.0.0.1", "system_id": "x", "rate": 0}
            keys = {
                "node": config.node,
                "smsc": [
                    smsc | {"name": "main", "port": main.port},
                    smsc | {"name": "backup", "port": await backup.start()},
                ],
                "ranges": [
                    {"name": "north", "prefixes": ["86138"], "smsc": ["main", "backup"]},
                    {"name": "south", "prefixes": ["86139"], "smsc": ["backup"]},
                ],
                "texts": {"backup_after": "1s"},
            }
            pool, bus = await open_pool(database_url), await Bus.connect(config)
            await bus._stream.purge_stream("TEXTS")
            post = Post(pool, bus, main, backup, Config.model_validate(keys))
            tasks = [asyncio.create_task(gateway.run()) for gateway in post.gateways.values()]
            tasks.append(asyncio.create_task(bus.consume(TextReceipt, "test-receipts", post.receipts_came)))
            try:
                for name in post.gateways:
                    await post.bound(name)
                await story(post)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await bus.close()
                await pool.close()
                await main.die()
                await backup.stop()

        asyncio.run(told())

    return run


def named(name: str) -> list[str]:
    return [f"{name} {number}" for number in range(30)]


def test_an_smsc_dies_and_comes_back(tell: Callable[..., None]) -> None:
    async def story(post: Post) -> None:
        await post.queue(NORTH, *named("before"))
        await post.queue(SOUTH, *named("south"))
        await post.settled()
        assert sorted(post.main.got()) == sorted(named("before"))
        assert sorted(post.at_backup(SOUTH)) == sorted(named("south"))

        await post.main.die()
        await post.bound("main", wanted=False)
        assert "main,backup" not in post.gateways["backup"]._standing.taken, "not at once"
        await post.queue(NORTH, *named("meanwhile"))
        await post.queue(SOUTH, *named("south goes on"))
        await post.settled()
        assert sorted(post.at_backup(NORTH)) == sorted(named("meanwhile"))

        await post.main.start()
        await post.bound("main")
        await post.taken("backup", "main,backup", wanted=False)
        await post.queue(NORTH, *named("after"))
        await post.settled()
        assert Counter(post.main.got()) == Counter(named("before") + named("after"))
        assert Counter(post.at_backup(NORTH, SOUTH)) == Counter(
            named("meanwhile") + named("south") + named("south goes on")
        )

    tell(story)


def test_what_waits_for_an_smsc_that_is_configured_no_more_is_sent(tell: Callable[..., None]) -> None:
    async def story(post: Post) -> None:
        await post.queue(ELSEWHERE, "for nobody", smsc="gone")
        await post.queue(ELSEWHERE, "for the other", smsc="gone,backup")
        await post.settled()
        assert "for the other" in post.at_backup(ELSEWHERE)
        assert sorted(post.at_backup(ELSEWHERE) + post.main.got()) == ["for nobody", "for the other"]

    tell(story)


def test_probes_have_the_backup_too(tell: Callable[..., None]) -> None:
    async def story(post: Post) -> None:
        await post.main.die()
        await post.bound("main", wanted=False)
        await post.queue(NORTH, "", kind=TextKind.PROBE, smsc="main", protocol_id=0x40)
        await post.settled()
        assert [delivered.message.protocol_id for delivered in post.backup.delivered] == [0x40]

    tell(story)


def test_what_another_process_can_send_needs_no_backup(tell: Callable[..., None]) -> None:
    """Its row says that somebody has a connection: this process's own line to the SMSC is cut, no more."""

    async def story(post: Post) -> None:
        await post.main.die()
        await post.bound("main", wanted=False)
        smsc = post.config.smsc[0]
        other = Standing(smsc, post.routes, post.pool)

        class Bound:
            transmits = True

        elsewhere = asyncio.create_task(other.run(cast(SmppClient, Bound())))
        began = datetime.now(UTC)
        while datetime.now(UTC) - began < timedelta(seconds=2):
            assert "main,backup" not in post.gateways["backup"]._standing.taken
            await asyncio.sleep(0.05)
        elsewhere.cancel()
        await asyncio.wait([elsewhere])
        await post.taken("backup", "main,backup")

    tell(story)


def test_noise_from_one_smsc_is_counted_and_the_other_goes_on(tell: Callable[..., None]) -> None:
    """What is malformed, and what breaks the connection."""

    async def story(post: Post) -> None:
        def faults(fault: str) -> float:
            return float(SMPP_FAULTS.labels("main", fault)._value.get())

        before = {fault: faults(fault) for fault in ("malformed", "broken")}
        for number in range(5):
            post.main.noise("00000010" + "00000099" + "00000000" + "00000007")
            await post.queue(SOUTH, f"south {number}")
        post.main.noise("00000003")

        async def counted() -> bool:
            return (faults("malformed"), faults("broken")) == (before["malformed"] + 5, before["broken"] + 1)

        await post.until(counted)
        await post.bound("main")
        await post.queue(NORTH, "north")
        await post.settled()
        assert post.main.got() == ["north"]
        assert sorted(post.at_backup(SOUTH)) == [f"south {number}" for number in range(5)]

    tell(story)


def test_a_number_that_one_smsc_does_not_know_goes_to_the_other_at_once(tell: Callable[..., None]) -> None:
    async def story(post: Post) -> None:
        await post.main.die()
        await post.main.start(throttle=[1, 3], throttle_status=Status.ESME_RINVDSTADR)
        await post.bound("main")
        await post.taken("backup", "main,backup", wanted=False)
        await post.queue(NORTH, "short", "漏话提醒" * 20)
        await post.settled()
        assert sorted(post.at_backup(NORTH)) == ["short", "漏话提醒" * 20]
        assert len(post.main.got()) == 3, "each short message was offered there once"

    tell(story)
