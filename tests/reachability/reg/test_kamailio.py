"""Subscriptions at a registrar that is not ours, with PostgreSQL and NATS."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.peers.kamailio import Kamailio, free_port

from louhua.bus.embedded import EmbeddedNats
from louhua.bus.events import PhoneReachable, Source
from louhua.bus.nats import Bus
from louhua.config import Config
from louhua.db.pool import Pool, open_pool
from louhua.reachability import store
from louhua.reachability.asking import keep_asking
from louhua.reachability.prober import Prober
from louhua.reachability.reg import registrar as adapter
from louhua.reachability.reg import subscriber
from louhua.reachability.reg.registrar import RegistrarSource
from louhua.reachability.sources import Source as NewsFrom
from louhua.reachability.sources import Sources
from louhua.together import run_together

NUMBER, OTHER, UNKNOWN = "8613800138000", "8613800138001", "8613800130404"


class World:
    """The sources of an alert process, with what they found out; watches end as the alert role ends them."""

    def __init__(self, config: Config, pool: Pool, bus: Bus) -> None:
        self.config = config
        self.pool = pool
        self.news: list[PhoneReachable] = []
        self._bus = bus
        self._plan = Sources(config)

    async def start(self) -> None:
        """Begin to work, listening on a port of its own."""
        given = self.config.registrars[0].model_copy(update={"listen": f"127.0.0.1:{free_port()}"})
        self.source = RegistrarSource(given, self._plan, self._bus.publish)
        self._work = asyncio.create_task(self._run())
        await self.until(lambda: self.source.health().ok)

    async def stop(self) -> None:
        """Work no more."""
        self._work.cancel()
        with suppress(asyncio.CancelledError):
            await self._work

    async def _run(self) -> None:
        sources: list[NewsFrom] = [Prober(self.config), self.source]
        await run_together(
            self.source.run(),
            keep_asking(self.pool, self._plan, sources, lambda: None),
            self._bus.consume(PhoneReachable, "test-phones", self._told),
        )

    async def _told(self, events: list[PhoneReachable]) -> None:
        async with self.pool.connection() as connection:
            await store.end_watches(connection, [store.News(event.number, event.at) for event in events])
        self.news += events

    async def watch(self, *numbers: str, at: datetime | None = None) -> None:
        """Somebody called these numbers, which were off."""
        at = at or datetime.now(UTC)
        waits = [(number, at, at) for number in sorted(numbers)]
        async with self.pool.connection() as connection:
            asks = self._plan.first(sorted(numbers), at)
            await store.watch(connection, waits, timedelta(hours=72), asks)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.pool.connection() as connection:
            return list(await (await connection.execute(query.encode())).fetchall())

    async def until(self, condition: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(20):
            while True:
                held = condition()
                if held is True or (not isinstance(held, bool) and await held):
                    return
                await asyncio.sleep(0.05)

    async def told(self, *numbers: str) -> None:
        """Wait until these numbers, each once, are known to be on."""
        await self.until(lambda: len(self.news) >= len(numbers))
        assert sorted(news.number for news in self.news) == sorted(numbers)
        assert {news.source for news in self.news} == {Source.REG}
        self.news.clear()

    def confirmed(self, live: int = 1) -> Callable[[], bool]:
        """Whether so many subscriptions are confirmed and have had their NOTIFY."""
        subs = self.source._subscriber._by_number
        return lambda: len([sub for sub in subs.values() if sub.heard_at > 0 and not sub.request]) == live

    async def source_of(self, number: str) -> str:
        rows = await self.rows(f"SELECT source FROM reachability_watch WHERE callee = '{number}'")
        return str(rows[0][0]) if rows else "gone"


def configured(config: Config, kamailio: Kamailio, keys: dict[str, Any]) -> Config:
    """The run's node with a registrar, an SMSC, and a range that asks them in this order."""
    registrar = {"address": kamailio.address, "listen": "127.0.0.1:1", "uri": "sip:+{number}@ims.example", **keys}
    smsc = {"name": "s", "host": "h", "port": 1, "system_id": "x"}
    order = [{"name": "r", "prefixes": ["86138"], "reachability": ["reg", "probe"]}]
    alerts = {"probe_hold_off": "0s"}
    return Config.model_validate(
        {"node": config.node, "registrars": [registrar], "smsc": [smsc], "ranges": order, "alerts": alerts}
    )


Tell = Callable[..., None]


@pytest.fixture
def kamailio(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Kamailio]:
    server = Kamailio(tmp_path, **getattr(request, "param", {}))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def tell(
    kamailio: Kamailio,
    database_url: str,
    config: Config,
    nats_server: EmbeddedNats,
    monkeypatch: pytest.MonkeyPatch,
) -> Tell:
    """Tell a story; keywords are the registrar's keys."""
    assert nats_server
    monkeypatch.setattr(adapter, "_RENEW_EVERY", timedelta(seconds=0.3))

    def run(story: Callable[[World], Awaitable[None]], **keys: Any) -> None:
        async def told() -> None:
            whole = configured(config, kamailio, keys)
            async with AsyncExitStack() as stack:
                pool = await open_pool(database_url)
                stack.push_async_callback(pool.close)
                bus = await Bus.connect(whole)
                stack.push_async_callback(bus.close)
                await bus._stream.purge_stream("PHONES")
                world = World(whole, pool, bus)
                await world.start()
                stack.push_async_callback(world.stop)
                await story(world)

        asyncio.run(told())

    return run


def test_a_phone_that_registers_is_back(tell: Tell, kamailio: Kamailio) -> None:
    async def story(w: World) -> None:
        await w.watch(NUMBER, OTHER)
        await w.until(w.confirmed(2))
        await asyncio.to_thread(kamailio.register, NUMBER)
        await w.told(NUMBER)
        await w.until(w.confirmed(1))
        assert (await w.source_of(NUMBER), await w.source_of(OTHER)) == ("gone", "reg:reg")
        await asyncio.to_thread(kamailio.register, OTHER)
        await w.told(OTHER)
        await w.until(lambda: not w.source._subscriber._by_call)

    tell(story)


def test_a_phone_that_is_registered_already_is_back_at_once(tell: Tell, kamailio: Kamailio) -> None:
    async def story(w: World) -> None:
        await asyncio.to_thread(kamailio.register, NUMBER)
        await w.watch(NUMBER)
        await w.told(NUMBER)
        await asyncio.to_thread(kamailio.register, NUMBER, 0)
        await w.watch(NUMBER)
        await w.until(lambda: w.confirmed()() or bool(w.news))
        while w.news:  # Kamailio's registrar tells its presence server a moment later
            w.news.clear()
            await w.watch(NUMBER)
            await w.until(lambda: w.confirmed()() or bool(w.news))
        await asyncio.to_thread(kamailio.register, NUMBER)
        await w.told(NUMBER)

    tell(story)


def test_who_was_called_since_is_asked_about_again(tell: Tell, kamailio: Kamailio) -> None:
    async def story(w: World) -> None:
        await asyncio.to_thread(kamailio.register, NUMBER)
        at = datetime.now(UTC) + timedelta(seconds=2)
        await w.watch(NUMBER)
        await w.watch(NUMBER, at=at)
        await w.until(lambda: any(news.at > at for news in w.news))
        assert await w.source_of(NUMBER) == "gone"

    tell(story)


@pytest.mark.parametrize("kamailio", [{"max_expires": 3}], indirect=True)
def test_a_registrar_that_restarts_is_asked_again(tell: Tell, kamailio: Kamailio) -> None:
    async def story(w: World) -> None:
        await w.watch(NUMBER, OTHER)
        await w.until(w.confirmed(2))
        dialogs = set(w.source._subscriber._by_call)
        await asyncio.to_thread(kamailio.stop)
        await asyncio.to_thread(kamailio.start)
        await w.until(lambda: not dialogs & set(w.source._subscriber._by_call) and w.confirmed(2)())
        await asyncio.to_thread(kamailio.register, NUMBER)
        await asyncio.to_thread(kamailio.register, OTHER)
        await w.told(NUMBER, OTHER)

    tell(story)


@pytest.mark.parametrize("kamailio", [{"max_expires": 3}], indirect=True)
def test_a_subscription_outlives_its_expiry(tell: Tell, kamailio: Kamailio) -> None:
    async def story(w: World) -> None:
        await w.watch(NUMBER)
        await w.until(w.confirmed())
        (dialog,) = w.source._subscriber._by_call.values()
        await w.until(lambda: dialog.cseq >= 3)
        await asyncio.to_thread(kamailio.register, NUMBER)
        await w.told(NUMBER)

    tell(story)


@pytest.mark.parametrize("kamailio", [{"min_expires": 90}], indirect=True)
def test_an_interval_too_brief_is_made_longer(tell: Tell, kamailio: Kamailio) -> None:
    async def story(w: World) -> None:
        await w.watch(NUMBER)
        await w.until(w.confirmed())
        await asyncio.to_thread(kamailio.register, NUMBER)
        await w.told(NUMBER)

    tell(story, expires="60s")


def test_a_number_it_does_not_know_is_probed(tell: Tell) -> None:
    async def story(w: World) -> None:
        await w.watch(UNKNOWN)
        await w.until(lambda: probed(w))
        assert await w.rows("SELECT source, given_up FROM reachability_watch") == [("probe:s", ["reg:reg"])]

    tell(story)


def test_while_it_is_away_phones_are_probed(
    tell: Tell, kamailio: Kamailio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriber, "GIVE_UP_S", 1.5)

    async def story(w: World) -> None:
        await asyncio.to_thread(kamailio.stop)
        await w.watch(NUMBER)
        await w.until(lambda: probed(w))
        assert await w.rows("SELECT source, given_up FROM reachability_watch") == [("probe:s", [])]
        assert w.source.health().detail == "no answer"
        await asyncio.to_thread(kamailio.start)
        await w.watch(OTHER)
        await w.until(w.confirmed())
        assert await w.source_of(OTHER) == "reg:reg"

    tell(story)


def test_a_watch_that_ended_is_unsubscribed(tell: Tell) -> None:
    async def story(w: World) -> None:
        await w.watch(NUMBER)
        await w.until(w.confirmed())
        await w.rows("DELETE FROM reachability_watch RETURNING 1")
        await w.until(lambda: not w.source._subscriber.numbers)
        await w.until(lambda: not any(sub.request for sub in w.source._subscriber._by_call.values()))
        assert w.news == []

    tell(story)


def test_another_process_takes_over(tell: Tell, kamailio: Kamailio) -> None:
    async def story(w: World) -> None:
        await w.watch(NUMBER)
        await w.until(w.confirmed())
        await w.stop()
        await w.start()
        await w.rows(
            "UPDATE reachability_watch SET next_probe_at = next_probe_at - interval '1 minute' RETURNING 1"
        )
        await w.until(w.confirmed())
        await asyncio.to_thread(kamailio.register, NUMBER)
        await w.told(NUMBER)

    tell(story)


def test_strangers_are_not_heard(tell: Tell) -> None:
    async def story(w: World) -> None:
        await w.watch(NUMBER)
        await w.until(w.confirmed())
        (sub,) = w.source._subscriber._by_call.values()
        assert w.source._wire is not None
        body = (
            '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="full">'
            '<registration aor="sip:a@b" id="r" state="active"/></reginfo>'
        )
        forged = (
            f"NOTIFY sip:louhua SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:9;branch=z9hG4bKf\r\n"
            f"From: <sip:x>;tag={sub.remote_tag}\r\nTo: <sip:y>;tag={sub.local_tag}\r\nCall-ID: {sub.call_id}\r\n"
            f"CSeq: 999 NOTIFY\r\nEvent: reg\r\nSubscription-State: active\r\n"
            f"Content-Type: application/reginfo+xml\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.settimeout(0.5)
            wire.bind(("127.0.0.2", 0))
            wire.sendto(forged.encode(), w.source._wire.get_extra_info("sockname"))
            with pytest.raises(TimeoutError):
                await asyncio.to_thread(wire.recv, 1)
        assert w.source._subscriber.numbers == [NUMBER]
        assert w.news == []

    tell(story)


async def probed(w: World) -> bool:
    return bool(await w.rows("SELECT 1 FROM texts_text WHERE kind = 'probe'"))
