"""What an SMSC sends is answered when it is stored: in portions, and only where an answer can arrive."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from louhua.bus.events import Event, PhoneReachable, ReceiptState, TextReceipt
from louhua.bus.nats import Bus, BusAway
from louhua.config import Config, Smsc
from louhua.db.pool import Connection, Pool
from louhua.texts import gateway as module
from louhua.texts.gateway import Gateway
from louhua.texts.outbox import TextChange
from louhua.texts.routes import Routes
from louhua.texts.smpp.messages import Handle, Inbound, PhoneAvailable, ReceiptArrived
from louhua.texts.smpp.receipts import Receipt

PHONE = "8613800138000"


class Wire:
    """A connection: whether it is over, and what was answered on it."""

    def __init__(self) -> None:
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.answered: list[int] = []

    def respond(self, handle: Handle, _status: int) -> None:
        self.answered.append(handle.sequence)

    def receipts(self, count: int) -> list[Inbound]:
        return [
            ReceiptArrived(
                Handle(self, number, data_sm=False), Receipt(f"{number}", PHONE, ReceiptState.DELIVERED)
            )
            for number in range(count)
        ]


class Shelf:
    """A bus that keeps what it is told, is away, or fails."""

    def __init__(self) -> None:
        self.stored: list[Sequence[Event]] = []
        self.tries = 0
        self.trouble: Exception | None = None

    async def publish(self, events: Sequence[Event]) -> None:
        self.tries += 1
        if self.trouble is not None:
            raise self.trouble
        self.stored.append(events)


class Desk:
    """A gateway without SMSC."""

    def __init__(self) -> None:
        self.bus = Shelf()
        config = Smsc.model_validate({"name": "s", "host": "127.0.0.1", "port": 9, "system_id": "x"})
        pool, bus, routes = cast(Pool, None), cast(Bus, self.bus), Routes(Config(smsc=(config,)))
        self.gateway = Gateway(config, pool, bus, self._changed, self._replenish, routes)

    async def _changed(self, _connection: Connection, _changes: Sequence[TextChange]) -> Sequence[Event]:
        return ()

    async def _replenish(self, _limit: int) -> None:
        """Nothing has to be worded here."""

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.01)


def tell(story: Callable[[Desk], Awaitable[None]]) -> None:
    async def told() -> None:
        desk = Desk()
        answering = asyncio.create_task(desk.gateway._answer())
        try:
            await story(desk)
        finally:
            answering.cancel()

    asyncio.run(told())


def test_a_backlog_is_stored_and_answered_in_portions() -> None:
    async def story(d: Desk) -> None:
        wire = Wire()
        d.gateway._take(wire.receipts(1200))
        await d.until(lambda: len(wire.answered) == 1200)
        assert [len(events) for events in d.bus.stored] == [500, 500, 200]

    tell(story)


def test_any_number_of_events_is_published_in_portions() -> None:
    async def story(d: Desk) -> None:
        receipts = [PhoneAvailable(f"861380013{number:04}", available=True) for number in range(600)]
        d.gateway._take([*receipts, *Wire().receipts(1)])
        await d.until(lambda: len(d.bus.stored) == 3)
        assert [(type(events[0]), len(events)) for events in d.bus.stored] == [
            (PhoneReachable, 500),
            (PhoneReachable, 100),
            (TextReceipt, 1),
        ]

    tell(story)


def test_nothing_is_answered_while_the_bus_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.01)

    async def story(d: Desk) -> None:
        wire = Wire()
        d.bus.trouble = BusAway("away")
        d.gateway._take(wire.receipts(3))
        await d.until(lambda: d.bus.tries > 2)
        assert wire.answered == []
        d.bus.trouble = None
        await d.until(lambda: wire.answered == [0, 1, 2])

    tell(story)


def test_what_came_on_a_lost_connection_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    monkeypatch.setattr(module, "_BACKLOG", 10)

    async def story(d: Desk) -> None:
        lost, wire = Wire(), Wire()
        d.bus.trouble = BusAway("away")
        d.gateway._take(wire.receipts(1))
        await d.until(lambda: d.bus.tries > 0)
        d.gateway._take(lost.receipts(20))
        assert len(d.gateway._arrived) == 20
        lost.closed.set_result("lost")
        d.gateway._take(wire.receipts(2))
        assert len(d.gateway._arrived) == 2, "memory would fill with every new connection"
        d.bus.trouble = None
        await d.until(lambda: len(wire.answered) == 3)
        assert lost.answered == []

    tell(story)


@pytest.mark.parametrize("culprit", ["answering", "client"])
def test_a_gateway_whose_task_fails_ends(culprit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ValueError("broken")

    async def for_ever(*_: Any) -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        desk = Desk()
        monkeypatch.setattr(desk.gateway.sender, "run", for_ever)
        monkeypatch.setattr(desk.gateway._standing, "run", for_ever)
        if culprit == "client":
            monkeypatch.setattr(desk.gateway._client, "_keep", broken)
        else:
            desk.bus.trouble = ValueError("broken")
            desk.gateway._take(Wire().receipts(1))
        async with asyncio.timeout(5):
            with pytest.raises(ValueError, match="broken"):
                await desk.gateway.run()

    asyncio.run(story())
