"""From outbox rows over SMPP and back, with a real SMSC, NATS and PostgreSQL."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from louhua.bus.embedded import EmbeddedNats
from louhua.bus.events import Event, PhoneReachable, ReceiptState, TextReceipt, TextReceived
from louhua.bus.nats import Bus
from louhua.config import Config, Smsc
from louhua.db.pool import Connection, Pool, open_pool
from louhua.sandbox.smsc import SandboxSmsc
from louhua.texts import receipts
from louhua.texts.encoding import Concatenation
from louhua.texts.gateway import Gateway, event_of
from louhua.texts.outbox import TextChange, TextDraft, TextKind, TextState
from louhua.texts.retries import Retries
from louhua.texts.routes import Routes
from louhua.texts.sender import announce
from louhua.texts.smpp.client import _Slot
from louhua.texts.smpp.messages import Handle, Inbound, PhoneAvailable, ReceiptArrived, TextArrived
from louhua.texts.smpp.pace import Pace
from louhua.texts.smpp.pdu import BindTransceiver
from louhua.texts.smpp.receipts import Receipt
from louhua.texts.store import end_leases, enqueue
from louhua.texts.verdicts import comparable

PHONE = "8613800138000"
NOW = datetime(2026, 11, 23, 1, 2, 30, tzinfo=UTC)
HANDLE = Handle(None, 1, data_sm=False)


class Post:
    """An outbox, its gateway, and the consumers behind it."""

    def __init__(self, pool: Pool, bus: Bus, smsc: SandboxSmsc, config: Smsc) -> None:
        self.pool = pool
        self.smsc = smsc
        self.changes: list[TextChange] = []
        self.routes = Routes(Config(smsc=(config,)))
        self.gateway = Gateway(config, pool, bus, self._changed, self._replenish, self.routes)
        self.inbound: list[TextReceived] = []

    async def _changed(self, _connection: Connection, changes: Sequence[TextChange]) -> Sequence[Event]:
        self.changes += changes
        return ()

    async def _replenish(self, _limit: int) -> None:
        """Nothing has to be worded here."""

    async def receipts_came(self, events: list[TextReceipt]) -> None:
        async with self.pool.connection() as connection, connection.transaction():
            changes = await receipts.apply_receipts(connection, events, datetime.now(UTC), Retries(()))
            await announce(connection, changes, self._changed)

    async def texts_received(self, events: list[TextReceived]) -> None:
        self.inbound += events

    async def queue(self, *bodies: str) -> None:
        drafts = [TextDraft(kind=TextKind.REPLY, sender="06001", recipient=PHONE, body=body) for body in bodies]
        async with self.pool.connection() as connection:
            await enqueue(connection, drafts, datetime.now(UTC), self.routes)
        self.gateway.sender.wake.set()

    async def states(self) -> list[str]:
        async with self.pool.connection() as connection:
            return [row[0] for row in await (await connection.execute("SELECT state FROM texts_text")).fetchall()]

    async def settled(self) -> bool:
        """Whether all that the phone got is known, and the rest is in nobody's hands."""
        states = await self.states()
        return states.count("delivered") == len(self.smsc.inbox(PHONE)) and {*states} <= {"delivered", "sending"}

    async def until(self, wanted: list[str]) -> None:
        try:
            async with asyncio.timeout(20):
                while sorted(await self.states()) != sorted(wanted):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            states, inbox = Counter(await self.states()), len(self.smsc.inbox(PHONE))
            raise AssertionError(f"states are {states}, {inbox} texts in the inbox") from None


Tell = Callable[..., None]


@pytest.fixture
def tell(database_url: str, nats_server: EmbeddedNats, config: Config) -> Tell:
    def run(story: Callable[[Post], Awaitable[None]], **smsc_keys: Any) -> None:
        async def told() -> None:
            smsc = SandboxSmsc({"x": "y"})
            port = await smsc.start("127.0.0.1", 0)
            keys = {"name": "s", "host": "127.0.0.1", "port": port, "system_id": "x", "password": "y", "rate": 0}
            pool, bus = await open_pool(database_url), await Bus.connect(config)
            await bus._stream.purge_stream("TEXTS")
            post = Post(pool, bus, smsc, Smsc.model_validate(keys | smsc_keys))
            tasks = [
                asyncio.create_task(post.gateway.run()),
                asyncio.create_task(bus.consume(TextReceipt, "test-receipts", post.receipts_came)),
                asyncio.create_task(bus.consume(TextReceived, "test-texts", post.texts_received)),
            ]
            try:
                await story(post)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await bus.close()
                await pool.close()
                await smsc.stop()

        asyncio.run(told())

    return run


def test_texts_reach_the_phone_and_their_final_state(tell: Tell) -> None:
    async def story(post: Post) -> None:
        await post.queue("一", "two", "三" * 100)
        await post.until(["delivered"] * 3)
        assert sorted(text.body for text in post.smsc.inbox(PHONE)) == sorted(["一", "two", "三" * 100])
        assert sum(change.state is TextState.DELIVERED for change in post.changes) == 3

    tell(story)


def test_a_phone_that_is_off_keeps_its_text_submitted(tell: Tell) -> None:
    async def story(post: Post) -> None:
        post.smsc.phone_off(PHONE)
        await post.queue("later")
        await post.until(["submitted"])
        post.smsc.phone_on(PHONE)
        await post.until(["delivered"])

    tell(story)


def test_a_broken_connection_sends_nothing_twice(tell: Tell) -> None:
    async def story(post: Post) -> None:
        bodies = [str(number) for number in range(300)]
        await post.queue(*bodies)
        await post.smsc.until(lambda: len(post.smsc.inbox(PHONE)) > 20)
        post.smsc.drop_connections()
        async with asyncio.timeout(20):
            while not await post.settled():
                await asyncio.sleep(0.02)
        async with post.pool.connection() as connection:
            await connection.execute("UPDATE texts_text SET lease_until = now() WHERE state = 'sending'")
            await end_leases(connection, datetime.now(UTC))
        await post.until(["delivered"] * 300)
        assert sorted(text.body for text in post.smsc.inbox(PHONE)) == sorted(bodies)

    tell(story, window=10)


def test_a_phones_text_becomes_an_event(tell: Tell) -> None:
    async def story(post: Post) -> None:
        async with asyncio.timeout(10):
            while not post.gateway.health().bound:
                await asyncio.sleep(0.02)
        post.smsc.send(PHONE, "06001", "D")
        async with asyncio.timeout(10):
            while not post.inbound:
                await asyncio.sleep(0.02)
        (event,) = post.inbound
        assert (event.sender, event.recipient, event.body) == (PHONE, "06001", "D")

    tell(story)


def test_a_silent_text_is_asked_for_over_any_connection(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("louhua.texts.gateway._ASK_EVERY_S", 0.05)

    async def story(post: Post) -> None:
        post.gateway._client._slots.append(_Slot(BindTransceiver, Pace(0, 0)))
        assert not post.gateway.health().bound, "one of two is down"
        post.smsc.phone_off(PHONE)
        await post.queue("no receipt")
        await post.until(["submitted"])
        async with post.pool.connection() as connection:
            await connection.execute("UPDATE texts_part SET message_id = 'unlike the receipt''s'")
            await connection.execute("UPDATE texts_text SET reference = 999")
            post.smsc.phone_on(PHONE)
            await post.smsc.until(lambda: bool(post.smsc.inbox(PHONE)))
            await connection.execute("UPDATE texts_text SET ask_at = now()")
        await post.until(["delivered"])

    tell(story)


def told(item: Inbound, now: datetime = NOW, **smsc: Any) -> Event | None:
    keys = {"name": "s", "host": "h", "port": 1, "system_id": "x"}
    return event_of(item, Smsc.model_validate(keys | smsc), now)


def text(body: bytes = b"D", part: Concatenation | None = None) -> TextArrived:
    return TextArrived(HANDLE, PHONE, "06001", 0, body, part)


def test_a_receipt_as_an_event() -> None:
    receipt = Receipt("00FF", PHONE, ReceiptState.DELIVERED, reference=7)
    event = told(ReceiptArrived(HANDLE, receipt), receipt_ids="hex")
    assert isinstance(event, TextReceipt)
    assert (event.message_id, event.number, event.reference) == ("255", PHONE, 7)
    assert event.id == told(ReceiptArrived(HANDLE, receipt), NOW + timedelta(hours=1), receipt_ids="hex").id  # type: ignore[union-attr]


def test_receipts_of_an_smsc_without_ids_are_told_apart_by_reference() -> None:
    first, second = (
        told(ReceiptArrived(HANDLE, Receipt("", PHONE, ReceiptState.DELIVERED, reference=reference)))
        for reference in (7, 8)
    )
    assert first is not None
    assert second is not None
    assert first.id != second.id


def test_an_intermediate_notification_ends_nothing() -> None:
    receipt = Receipt("1", PHONE, ReceiptState.UNDELIVERABLE, intermediate=True)
    assert told(ReceiptArrived(HANDLE, receipt)) is None


def test_what_no_column_holds_is_cut(tell: Tell) -> None:
    odd = Receipt("a\0\n" + "9" * 90, "8" * 30, ReceiptState.REJECTED, error="e\0" * 90, reference=1 << 40)
    receipt = told(ReceiptArrived(HANDLE, odd))
    assert isinstance(receipt, TextReceipt)
    assert (receipt.message_id, receipt.number) == ("a" + "9" * 69, "8" * 20)
    assert (receipt.error, receipt.reference) == ("e" * 60, None)
    assert receipt.id.isprintable()
    long = told(TextArrived(HANDLE, "A\0" * 30, "06001" * 9, 3, b"D\0" * 9000))
    assert isinstance(long, TextReceived)
    assert (long.sender, long.recipient) == ("A" * 20, "06001" * 4)
    assert len(long.body) <= 200
    assert "\0" not in long.body
    phone = told(PhoneAvailable("9" * 30, available=True))
    assert isinstance(phone, PhoneReachable)
    assert phone.number == "9" * 20

    async def story(post: Post) -> None:
        await post.receipts_came([receipt])

    tell(story)


def test_an_id_too_long_is_cut_alike_in_response_and_receipt() -> None:
    config = Smsc.model_validate({"name": "s", "host": "h", "port": 1, "system_id": "x", "receipt_ids": "hex"})
    in_hex = "f" * 65
    receipt = event_of(ReceiptArrived(HANDLE, Receipt(in_hex, PHONE, ReceiptState.DELIVERED)), config, NOW)
    assert isinstance(receipt, TextReceipt)
    assert receipt.message_id == comparable(str(int(in_hex, 16)), config)
    assert len(receipt.message_id) == 70


def test_the_same_text_within_the_minute_is_the_same_event() -> None:
    first, again, later = (
        told(text()),
        told(text(), NOW + timedelta(seconds=20)),
        told(text(), NOW + timedelta(minutes=1)),
    )
    assert first is not None
    assert again is not None
    assert later is not None
    assert first.id == again.id != later.id


def test_the_same_text_over_two_smscs_is_the_same_event() -> None:
    in_ucs2 = TextArrived(HANDLE, PHONE, "8606001", 8, "D".encode("utf-16-be"))
    first, second = told(text()), told(in_ucs2, NOW + timedelta(seconds=3), name="other")
    assert first is not None
    assert second is not None
    assert first.id == second.id


def test_of_a_long_text_only_the_beginning_counts() -> None:
    parts = [Concatenation(reference=1, total=2, number=number) for number in (1, 2)]
    assert isinstance(told(text(b"long", parts[0])), TextReceived)
    assert told(text(b"tail", parts[1])) is None


def test_a_notification_says_that_a_phone_is_on() -> None:
    assert isinstance(told(PhoneAvailable(PHONE, available=True)), PhoneReachable)
    assert told(PhoneAvailable(PHONE, available=False)) is None
