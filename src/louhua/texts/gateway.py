"""One SMSC: what it sends becomes events on the bus and is answered only when they are stored.

Receipts, texts from phones and notifications are published in batches small enough for any NATS. When NATS is away
nothing is answered, so the SMSC keeps it and its window stops it; what came on a connection that is gone comes
again on the next, and an answer lost in a crash merely makes the SMSC say it again.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import psycopg
import structlog
from msgspec.structs import asdict

from louhua.bus.events import Event, PhoneReachable, Source, TextReceipt, TextReceived
from louhua.bus.nats import Bus, BusAway
from louhua.config import Smsc
from louhua.db.pool import Pool
from louhua.texts import limits, store
from louhua.texts.limits import fitted
from louhua.texts.metrics import SMPP_FAULTS, SMSC_BOUND
from louhua.texts.outbox import Listener
from louhua.texts.replies import text_id
from louhua.texts.routes import Routes
from louhua.texts.sender import Replenish, Sender
from louhua.texts.smpp.client import Health, SmppClient
from louhua.texts.smpp.errors import SmppError
from louhua.texts.smpp.messages import Inbound, PhoneAvailable, ReceiptArrived, TextArrived
from louhua.texts.smpp.receipts import Receipt
from louhua.texts.smpp.session import Faults
from louhua.texts.standing import Standing
from louhua.texts.verdicts import comparable
from louhua.together import end, follow, run_together

log = structlog.get_logger()

_RETRY_S: Final = 0.5
_AT_ONCE: Final = 500
"""Events in a message: about 150 kB, of the 1 MB that NATS takes as it comes."""
_BACKLOG: Final = 10_000
"""So many arrivals may wait before those of lost connections are looked for."""
_HEALTH_S: Final = 2.0
_ASK_EVERY_S: Final = 60.0


class Gateway:
    """The connections to one SMSC, the sender that feeds them, and the way of what comes back."""

    def __init__(
        self,
        config: Smsc,
        pool: Pool,
        bus: Bus,
        listener: Listener,
        replenish: Replenish,
        routes: Routes,
        *,
        country: str = "CN",
    ) -> None:
        self._config = config
        self._pool = pool
        self._bus = bus
        self._arrived: list[Inbound] = []
        self._something_arrived = asyncio.Event()
        self._standing = Standing(config, routes, pool)
        self.sender = Sender(config, pool, listener, self.publish, replenish, self._standing)
        self._client = SmppClient(config, self.sender.results_came, self._take, country=country)

    async def run(self) -> None:
        """Work until cancelled; then let what is in hand be answered, and unbind."""
        await self._client.start()
        answering = asyncio.create_task(self._answer())
        try:
            await run_together(
                self.sender.run(self._client),
                self._standing.run(self._client),
                self._watch(),
                self._ask(),
                self._client.failed(),
                follow(answering),
            )
        finally:
            await self._client.stop()
            await self.sender.flush()
            await end({answering})

    def health(self) -> Health:
        """Each connection's state."""
        return self._client.health()

    async def publish(self, events: Sequence[Event]) -> None:
        """Publish events, by type, however long NATS is away."""
        by_type: dict[type[Event], list[Event]] = {}
        for event in events:
            by_type.setdefault(type(event), []).append(event)
        for batch in by_type.values():
            for start in range(0, len(batch), _AT_ONCE):
                await self._publish_batch(batch[start : start + _AT_ONCE])

    async def _publish_batch(self, batch: Sequence[Event]) -> None:
        while True:
            try:
                await self._bus.publish(batch)
                return
            except BusAway as error:
                log.warning("gateway.bus_away", smsc=self._config.name, error=str(error))
                await asyncio.sleep(_RETRY_S)

    def _take(self, arrived: list[Inbound]) -> None:
        """Take what came from the client (called in the event loop, must not block)."""
        self._arrived += arrived
        if len(self._arrived) > _BACKLOG:
            self._arrived = [item for item in self._arrived if not _gone(item)]
        self._something_arrived.set()

    async def _answer(self) -> None:
        while True:
            await self._something_arrived.wait()
            self._something_arrived.clear()
            while self._arrived:
                arrived = [item for item in self._arrived[:_AT_ONCE] if not _gone(item)]
                del self._arrived[:_AT_ONCE]
                now = datetime.now(UTC)
                events = [event for item in arrived if (event := event_of(item, self._config, now)) is not None]
                await self.publish(events)
                handles = [item.handle for item in arrived if not isinstance(item, PhoneAvailable)]
                self._client.respond_many(handles)

    async def _watch(self) -> None:
        name, before = self._config.name, asdict(Faults())
        while True:
            health = self._client.health()
            SMSC_BOUND.labels(name).set(sum(link.bound for link in health.links))
            faults = asdict(health.counters.faults)
            for fault, count in faults.items():
                SMPP_FAULTS.labels(name, fault).inc(count - before[fault])
            before = faults
            await asyncio.sleep(_HEALTH_S)

    async def _ask(self) -> None:
        """Ask for messages whose receipt never came (query_sm) and treat the answer as a receipt."""
        while True:
            await asyncio.sleep(_ASK_EVERY_S)
            if not self._client.transmits:
                continue
            try:
                async with self._pool.connection() as connection:
                    asked = await store.silent(connection, self._config.name, datetime.now(UTC))
                await self.publish([event for message in asked if (event := await self._query(message))])
            except psycopg.OperationalError as error:
                log.warning("gateway.database_away", smsc=self._config.name, error=str(error))

    async def _query(self, message: store.Silent) -> TextReceipt | None:
        try:
            answer = await self._client.query(message.smsc_id, message.sender)
        except SmppError as error:
            log.info("gateway.query_failed", smsc=self._config.name, error=str(error))
            return None
        name, at = self._config.name, datetime.now(UTC)
        return TextReceipt(
            id=f"query:{name}:{message.smsc_id}:{message.recipient}:{message.reference}:{answer.state}",
            smsc=name,
            message_id=comparable(message.smsc_id, self._config),
            number=message.recipient,
            state=answer.state,
            reference=message.reference,
            at=at,
        )


def _gone(item: Inbound) -> bool:
    """Whether what came cannot be answered any more: it will come again."""
    return not isinstance(item, PhoneAvailable) and item.handle.gone


def event_of(item: Inbound, config: Smsc, now: datetime) -> Event | None:
    """What an SMSC sent, as an event; ``None`` for what says nothing.

    An intermediate notification says that the SMSC is still trying, whatever state it names. Of a long text only
    the first part is told: no keyword is that long. An event's id is the same when the SMSC says the same again
    (a text: within the minute, whichever SMSC says it).
    """
    match item:
        case ReceiptArrived(receipt=receipt):
            return None if receipt.intermediate else _receipt_event(receipt, config, now)
        case TextArrived():
            if item.part is not None and item.part.number != 1:
                return None
            return TextReceived(
                id=text_id(item.sender, item.text, now),
                smsc=config.name,
                sender=fitted(item.sender, limits.NUMBER),
                recipient=fitted(item.recipient, limits.NUMBER),
                body=item.text[: limits.BODY].replace("\0", ""),
                at=now,
            )
        case PhoneAvailable():
            if not item.available:
                return None
            number = fitted(item.number, limits.NUMBER)
            return PhoneReachable(
                id=f"{config.name}:{number}:{now:%Y%m%d%H%M%S}",
                number=number,
                source=Source.ALERT_NOTIFICATION,
                at=now,
            )


def _receipt_event(receipt: Receipt, config: Smsc, now: datetime) -> TextReceipt:
    message_id = comparable(receipt.message_id, config, receipt=True)
    number = fitted(receipt.number, limits.NUMBER)
    reference = receipt.reference if (receipt.reference or 0) <= limits.REFERENCE else None
    return TextReceipt(
        id=f"{config.name}:{message_id}:{number}:{receipt.state}:{reference}",
        smsc=config.name,
        message_id=message_id,
        number=number,
        state=receipt.state,
        reference=reference,
        error=fitted(receipt.error, limits.ERROR),
        at=now,
    )
