"""The bus against a real NATS: at least once, in batches, through failures and a restart."""

import asyncio
import gc
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.client import JetStreamContext
from nats.js.errors import ObjectNotFoundError, ServiceUnavailableError

from louhua.bus.embedded import EmbeddedNats, embedded_url
from louhua.bus.events import SUBJECTS, PhoneReachable, Source, decode
from louhua.bus.nats import Bus, BusAway, addresses
from louhua.config import Config, Node
from louhua.processes import StartError

LIMIT_S = 20


def news(number: str = "8613800138000") -> PhoneReachable:
    return PhoneReachable(id=uuid.uuid4().hex, number=number, source=Source.API, at=datetime.now(UTC))


class Collector:
    """A handler that fails as told and keeps what it accepted."""

    def __init__(self, wanted: int, failures: list[Exception] | None = None) -> None:
        self.seen: list[PhoneReachable] = []
        self.done = asyncio.Event()
        self._wanted = wanted
        self._failures = failures or []

    async def __call__(self, events: list[PhoneReachable]) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self.seen += events
        if len({event.id for event in self.seen}) >= self._wanted:
            self.done.set()


async def collect(bus: Bus, handler: Collector, durable: str) -> None:
    """Consume until the handler has what it wants."""
    task = asyncio.create_task(bus.consume(PhoneReachable, durable, handler))
    try:
        await asyncio.wait_for(handler.done.wait(), LIMIT_S)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def with_bus(config: Config, story: Callable[[Bus], Awaitable[None]]) -> None:
    async def run() -> None:
        bus = await Bus.connect(config)
        try:
            await bus._stream.purge_stream("PHONES")
            await story(bus)
        finally:
            await bus.close()

    asyncio.run(run())


@pytest.fixture(autouse=True)
def _server(nats_server: EmbeddedNats) -> None:
    """Every test here needs NATS."""


def test_every_event_of_every_batch_arrives(config: Config) -> None:
    async def story(bus: Bus) -> None:
        batches = [[news() for _ in range(size)] for size in (1, 7, 120)]
        for batch in batches:
            await bus.publish(batch)
        handler = Collector(128)
        await collect(bus, handler, uuid.uuid4().hex)
        assert {event.id for event in handler.seen} == {event.id for batch in batches for event in batch}

    with_bus(config, story)


def test_a_repeated_publication_is_stored_once(config: Config) -> None:
    async def story(bus: Bus) -> None:
        event, last = news(), news()
        await bus.publish([event])
        await bus.publish([event])
        await bus.publish([last])
        handler = Collector(2)
        await collect(bus, handler, uuid.uuid4().hex)
        assert [seen.id for seen in handler.seen] == [event.id, last.id]

    with_bus(config, story)


def test_events_wait_while_a_server_is_away(config: Config) -> None:
    async def story(bus: Bus) -> None:
        await bus.publish([news()])
        handler = Collector(1, [psycopg.OperationalError("away"), psycopg.OperationalError("still away")])
        await collect(bus, handler, uuid.uuid4().hex)
        assert len(handler.seen) == 1

    with_bus(config, story)


@pytest.mark.parametrize("together", [False, True], ids=["a message each", "in one message"])
def test_one_bad_event_does_not_hold_up_the_others(config: Config, together: bool) -> None:
    async def story(bus: Bus) -> None:
        good, bad = [news() for _ in range(5)], news("bad")
        events = [*good[:3], bad, *good[3:]]
        for batch in [events] if together else [[event] for event in events]:
            await bus.publish(batch)
        accepted = Collector(5)

        async def picky(events: list[PhoneReachable]) -> None:
            if any(event.number == "bad" for event in events):
                raise ValueError("cannot digest it")
            await accepted(events)

        task = asyncio.create_task(bus.consume(PhoneReachable, uuid.uuid4().hex, picky))
        await asyncio.wait_for(accepted.done.wait(), LIMIT_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        set_aside = await bus._stream.get_last_msg("REJECTED", "rejected.phone.reachable")
        assert decode(PhoneReachable, set_aside.data or b"") == (bad,)

    with_bus(config, story)


def test_junk_on_a_subject_is_set_aside(config: Config) -> None:
    async def story(bus: Bus) -> None:
        await bus._stream.publish(SUBJECTS[PhoneReachable], b"not an event")
        await bus.publish([news()])
        handler = Collector(1)
        await collect(bus, handler, uuid.uuid4().hex)
        set_aside = await bus._stream.get_last_msg("REJECTED", "rejected.phone.reachable")
        assert set_aside.data == b"not an event"

    with_bus(config, story)


def test_a_flood_becomes_messages_that_nats_takes(config: Config) -> None:
    async def story(bus: Bus) -> None:
        sent = [news() for _ in range(1201)]
        await bus.publish(sent)
        handler = Collector(len(sent))
        await collect(bus, handler, uuid.uuid4().hex)
        assert handler.seen == sent
        assert (await bus._stream.stream_info("PHONES")).state.messages == 3

    with_bus(config, story)


def test_a_fetch_of_nothing_is_followed_by_another(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = JetStreamContext.PullSubscription.fetch
    empty: list[list[Msg]] = [[], []]

    async def now_and_then(self: JetStreamContext.PullSubscription, batch: int, timeout: float) -> list[Msg]:
        return empty.pop() if empty else await fetch(self, batch, timeout)

    async def story(bus: Bus) -> None:
        monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", now_and_then)
        await bus.publish([news()])
        handler = Collector(1)
        await collect(bus, handler, uuid.uuid4().hex)
        assert (len(handler.seen), empty) == (1, [])

    with_bus(config, story)


def test_two_consumers_of_one_name_share_the_events(config: Config) -> None:
    async def story(bus: Bus) -> None:
        durable = uuid.uuid4().hex
        first, second = Collector(10**6), Collector(10**6)
        tasks = [asyncio.create_task(bus.consume(PhoneReachable, durable, handler)) for handler in (first, second)]
        sent = [news() for _ in range(600)]
        for event in sent:
            await bus.publish([event])
        async with asyncio.timeout(LIMIT_S):
            while len(first.seen) + len(second.seen) < len(sent):
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert sorted(event.id for event in first.seen + second.seen) == sorted(event.id for event in sent)

    with_bus(config, story)


def test_recordings_are_kept(config: Config) -> None:
    async def story(bus: Bus) -> None:
        store = await bus.recordings()
        name, audio = uuid.uuid4().hex, bytes(range(256)) * 1000
        await store.put(name, audio)
        assert (await store.get(name)).data == audio

    with_bus(config, story)


# nats-py leaves the broken connection's transport to the garbage collector, which complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_events_survive_a_killed_server_and_clients_find_it_again() -> None:
    async def story(server: EmbeddedNats, config: Config) -> None:
        bus = await Bus.connect(config)
        event = news()
        await bus.publish([event])
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        with pytest.raises(BusAway):
            await bus.publish([news()])
        server.start()
        handler = Collector(1)
        await collect(bus, handler, "after")
        assert handler.seen[0].id == event.id
        await bus.close()

    with TemporaryDirectory() as directory:
        server = EmbeddedNats(Path(directory))
        server.start()
        try:
            asyncio.run(story(server, Config(node=Node(data=Path(directory)))))
        finally:
            server.stop()
            gc.collect()


def test_a_server_that_never_ran_is_explained(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="louhua serve"):
        embedded_url(tmp_path)


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ("nats://a:4222,nats://b:4333", [("a", 4222), ("b", 4333)]),
        ("nats://a", [("a", 4222)]),
        ("tls://me:secret@a.example, nats://[::1]:4", [("a.example", 4222), ("::1", 4)]),
        ("nats://a,b:5", [("a", 4222), ("b", 5)]),
    ],
)
def test_every_servers_address_is_found(urls: str, expected: list[tuple[str, int]]) -> None:
    assert addresses(urls) == expected


def test_a_deleted_recording_leaves_nothing_behind(nats_server: EmbeddedNats, config: Config) -> None:
    async def story(bus: Bus) -> None:
        store = await bus.recordings()
        await store.put("kept", b"k" * 1000)
        before = (await store.status()).size
        await store.put("old.al", b"x" * 300_000)
        assert (await store.status()).size > before + 300_000
        for _ in range(2):
            await bus.delete_recording("old.al")
        assert (await store.status()).size == before
        assert (await store.get("kept")).data == b"k" * 1000
        with pytest.raises(ObjectNotFoundError):
            await store.get("old.al")

    with_bus(config, story)


def test_a_recording_half_deleted_is_deleted(nats_server: EmbeddedNats, config: Config) -> None:
    async def story(bus: Bus) -> None:
        store = await bus.recordings()
        size = (await store.status()).size
        info = await store.put("half.al", b"x" * 300_000)
        await bus._stream.purge_stream("OBJ_recordings", subject=f"$O.recordings.C.{info.nuid}")
        await bus.delete_recording("half.al")
        await store.put("marked.al", b"x")
        await store.delete("marked.al")
        await bus.delete_recording("marked.al")
        assert (await store.status()).size == size

    with_bus(config, story)


def test_a_connection_that_comes_to_nothing_is_closed(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A role tries again every second while JetStream has no leader; each try would leave a connection."""
    made: list[Client] = []
    real = Client.connect

    async def connect(client: Client, *servers: object, **options: object) -> None:
        made.append(client)
        await real(client, *servers, **options)  # type: ignore[arg-type]

    async def no_leader(*_: object) -> None:
        raise ServiceUnavailableError

    monkeypatch.setattr(Client, "connect", connect)
    monkeypatch.setattr(JetStreamContext, "stream_info", no_leader)

    async def scenario() -> None:
        with pytest.raises(ServiceUnavailableError):
            await Bus.connect(config)
        assert [client.is_closed for client in made] == [True]

    asyncio.run(scenario())
