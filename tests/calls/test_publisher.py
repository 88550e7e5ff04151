"""From the spool to the bus: what is there, what comes while NATS is away, and recordings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from tests.calls.test_spool import ended, info

from louhua.bus.embedded import EmbeddedNats
from louhua.bus.events import CallEnded, Event
from louhua.bus.nats import Bus, BusAway
from louhua.calls.publisher import Publisher, remove_strays
from louhua.calls.spool import Spool
from louhua.config import Config


def finish(spool: Spool, number: int, recording: str = "") -> CallEnded:
    event = msgspec.structs.replace(ended(number), recording=recording, recording_ms=1500 if recording else 0)
    spool.begin(info(number))
    spool.end(event)
    return event


class FlakyBus:
    """A bus that is away for its first publications."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.stored: list[Event] = []

    async def publish(self, events: Sequence[Event]) -> None:
        if self.away:
            self.away -= 1
            raise BusAway("away")
        self.stored += events

    async def recordings(self) -> object:
        raise OSError("no store")


@contextlib.asynccontextmanager
async def running(publisher: Publisher) -> AsyncIterator[Publisher]:
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_what_is_left_and_what_comes_is_published_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, bus = Spool(tmp_path, "n"), FlakyBus(away=2)
        left = [finish(spool, number) for number in range(3)]
        async with running(Publisher(spool, bus, tmp_path)) as publisher:  # type: ignore[arg-type]
            assert await publisher.drained(5)
            came = finish(spool, 10)
            publisher.notify(came)
            assert await publisher.drained(5)
        assert bus.stored == [*left, came]
        assert Spool(tmp_path, "n").waiting == 0

    asyncio.run(scenario())


def test_while_the_bus_is_away_events_stay(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = Spool(tmp_path, "n")
        finish(spool, 1)
        async with running(Publisher(spool, FlakyBus(away=1000), tmp_path)) as publisher:  # type: ignore[arg-type]
            assert not await publisher.drained(0.3)
        assert Spool(tmp_path, "n").batch(10) == [ended(1)]

    asyncio.run(scenario())


def test_an_event_whose_recording_is_lost_is_published_without(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, bus = Spool(tmp_path, "n"), FlakyBus(away=0)
        finish(spool, 1, recording="call-1.alaw")
        async with running(Publisher(spool, bus, tmp_path)) as publisher:  # type: ignore[arg-type]
            assert await publisher.drained(5)
        assert bus.stored == [ended(1)]

    asyncio.run(scenario())


def test_an_event_and_no_other_waits_until_its_recording_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, bus = Spool(tmp_path / "spool", "n"), FlakyBus(away=0)
        (tmp_path / "call-1.alaw").write_bytes(b"\xd5" * 12_000)
        finish(spool, 1, recording="call-1.alaw")
        others = [finish(spool, number) for number in (2, 3)]
        async with running(Publisher(spool, bus, tmp_path)) as publisher:  # type: ignore[arg-type]
            assert not await publisher.drained(0.3)
        assert bus.stored == others
        assert (tmp_path / "call-1.alaw").exists()

    asyncio.run(scenario())


def test_nats_gets_recording_and_event(nats_server: EmbeddedNats, config: Config, tmp_path: Path) -> None:
    speech = bytes(range(256)) * 2000

    async def scenario() -> None:
        bus = await Bus.connect(config)
        spool = Spool(tmp_path / "spool", "n")
        (tmp_path / "call-1.alaw").write_bytes(speech)
        event = finish(spool, 1, recording="call-1.alaw")
        heard: list[CallEnded] = []
        arrived = asyncio.Event()

        async def take(events: list[CallEnded]) -> None:
            heard.extend(each for each in events if each.id == event.id)
            if heard:
                arrived.set()

        consumer = asyncio.create_task(bus.consume(CallEnded, "test-publisher", take))
        async with running(Publisher(spool, bus, tmp_path)) as publisher:
            assert await publisher.drained(10)
        await asyncio.wait_for(arrived.wait(), 10)
        consumer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await consumer
        assert heard == [event]
        assert (await (await bus.recordings()).get("call-1.alaw")).data == speech
        assert not (tmp_path / "call-1.alaw").exists()
        await bus.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("stray", ["gone.alaw", "call-1-2.alaw"])
def test_recordings_that_no_event_names_are_removed(tmp_path: Path, stray: str) -> None:
    spool = Spool(tmp_path / "spool", "n")
    finish(spool, 1, recording="call-1.alaw")
    for name in ("call-1.alaw", stray):
        (tmp_path / name).write_bytes(b"x")
    remove_strays(spool, tmp_path)
    assert [path.name for path in tmp_path.glob("*.alaw")] == ["call-1.alaw"]
