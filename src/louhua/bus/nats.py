"""The bus: publish events, consume them at least once, keep recordings. One connection a process.

``publish`` returns when JetStream has stored the message, so what it returns from may be forgotten by the
caller. ``consume`` hands over events of many messages at once and acknowledges them after the handler has
returned; while a server that the handler needs is away, they come again and again. A message that is not an
event, or that the handler cannot digest even alone, is set aside on the subject ``rejected.<subject>`` and
logged, never dropped silently.
"""

import asyncio
import base64
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec
import nats
import nats.errors
import psycopg
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    ObjectStoreConfig,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import BucketNotFoundError, NotFoundError
from nats.js.object_store import ObjectStore
from psycopg_pool import PoolTimeout

from louhua.bus.embedded import embedded_url
from louhua.bus.events import SUBJECTS, Event, decode, encode
from louhua.config import Config
from louhua.metrics import EVENT_LAG

log = structlog.get_logger()

RECORDINGS: Final = "recordings"
_PORT: Final = 4222
_DAY: Final = 86400.0
_STREAMS: Final = {"CALLS": "call.>", "PHONES": "phone.>", "TEXTS": "text.>", "REJECTED": "rejected.>"}
_KEPT_S: Final = 7 * _DAY
_DUPLICATE_WINDOW_S: Final = 120.0
_ACK_WAIT_S: Final = 30.0
_BATCH_MESSAGES: Final = 50
_MESSAGE_EVENTS: Final = 500
"""NATS takes messages of up to a megabyte unless it was told otherwise; an event is some 300 octets."""
_RETRY_AFTER_S: Final = 1.0
_SAY_AGAIN_S: Final = 60.0

E = TypeVar("E", bound=Event)
Handler = Callable[[list[E]], Awaitable[None]]


class BusAway(Exception):
    """NATS did not store the message in time; keep it and try again."""


_OUTAGES: Final = (psycopg.OperationalError, PoolTimeout, BusAway, OSError)
"""What says that a server is away: the events are good and are tried until it is back."""


def nats_url(config: Config) -> str:
    """The URL of the configured NATS; raises ``StartError`` if it is the embedded one and not running."""
    return embedded_url(config.node.data) if config.nats.url == "embedded" else config.nats.url


def addresses(urls: str) -> list[tuple[str, int]]:
    """Host and port of each server in ``nats://a:4222,nats://b``; the port is 4222 where none is named."""
    parts = [urlsplit(url.strip() if "//" in url else f"//{url.strip()}") for url in urls.split(",")]
    return [(part.hostname or "", part.port or _PORT) for part in parts]


class Bus:
    """A connection to NATS that reconnects for ever."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._stream: JetStreamContext = client.jetstream(timeout=5)

    @classmethod
    async def connect(cls, config: Config, name: str = "louhua") -> "Bus":
        """Connect, and create what the configuration needs: streams and the store of recordings."""
        bus = cls(await _connect(nats_url(config).split(","), name))
        try:
            await bus._create_streams(config.nats.replicas)
        except BaseException:
            await bus.close()
            raise
        return bus

    @property
    def connected(self) -> bool:
        """Whether the connection stands right now."""
        return self._client.is_connected

    async def close(self) -> None:
        """Close the connection; unfinished publications fail with ``BusAway``."""
        with contextlib.suppress(nats.errors.Error):
            await self._client.close()

    async def publish(self, events: Sequence[Event]) -> None:
        """Store events of one type; raises ``BusAway`` when NATS does not confirm.

        Up to ``_MESSAGE_EVENTS`` are one message. Its id, made of the events' ids, lets JetStream drop a
        repetition within two minutes.
        """
        for start in range(0, len(events), _MESSAGE_EVENTS):
            await self._publish_message(events[start : start + _MESSAGE_EVENTS])

    async def _publish_message(self, events: Sequence[Event]) -> None:
        subject = SUBJECTS[type(events[0])]
        if not self.connected:
            raise BusAway(f"{subject}: not connected")
        try:
            await self._stream.publish(subject, encode(events), headers={"Nats-Msg-Id": _message_id(events)})
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise BusAway(f"{subject}: {error!r}") from error

    async def consume(self, kind: type[E], durable: str, handler: Handler[E]) -> None:
        """Feed ``handler`` until cancelled. Consumers with the same ``durable`` share the events.

        The handler must be idempotent: after a crash events come again, in another order perhaps.
        """
        subject = SUBJECTS[kind]
        subscription = await self._subscribe(subject, durable)
        while True:
            try:
                messages = await subscription.fetch(_BATCH_MESSAGES, timeout=5)
            except (nats.errors.TimeoutError, TimeoutError):
                continue
            except (nats.errors.Error, nats.js.errors.Error) as error:
                log.warning("bus.fetch_failed", subject=subject, error=repr(error))
                await asyncio.sleep(_RETRY_AFTER_S)
                with contextlib.suppress(nats.errors.Error, nats.js.errors.Error, TimeoutError):
                    subscription = await self._subscribe(subject, durable)
                continue
            # A request that expires as the next one is made yields nothing at all, without a time-out.
            if messages:
                await self._handle(kind, messages, handler)

    async def _handle(self, kind: type[E], messages: list[Msg], handler: Handler[E]) -> None:
        events: list[E] = []
        for message in messages:
            try:
                events.extend(decode(kind, message.data))
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                log.error("bus.rejected", subject=message.subject, error=str(error))
                await self._stream.publish(f"rejected.{message.subject}", message.data)
        _observe_lag(messages[-1])
        try:
            if events:
                await handler(events)
        except _OUTAGES as error:
            log.warning("bus.handler_waits", subject=messages[0].subject, events=len(events), error=repr(error))
            await asyncio.sleep(_RETRY_AFTER_S)
            await _each(messages, Msg.nak)
        except Exception:
            log.exception("bus.handler_failed", subject=messages[0].subject, events=len(events))
            if len(messages) > 1:
                for message in messages:
                    await self._handle(kind, [message], handler)
            else:
                await self._handle_singly(messages[0], events, handler)
        else:
            await _each(messages, Msg.ack)

    async def _handle_singly(self, message: Msg, events: list[E], handler: Handler[E]) -> None:
        """Set aside only those events of a message that the handler cannot take."""
        for event in events:
            try:
                await handler([event])
            except _OUTAGES as error:
                log.warning("bus.handler_waits", subject=message.subject, events=len(events), error=repr(error))
                await _each([message], Msg.nak)
                return
            except Exception:
                log.exception("bus.event_rejected", subject=message.subject, id=event.id)
                await self._stream.publish(f"rejected.{message.subject}", encode([event]))
        await _each([message], Msg.ack)

    async def _subscribe(self, subject: str, durable: str) -> JetStreamContext.PullSubscription:
        configuration = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT, ack_wait=_ACK_WAIT_S, max_ack_pending=20_000, max_deliver=-1
        )
        return await self._stream.pull_subscribe(subject, durable=durable, config=configuration)

    async def recordings(self) -> ObjectStore:
        """The store of recorded messages."""
        return await self._stream.object_store(RECORDINGS)

    async def delete_recording(self, name: str) -> None:
        """Remove a recording, if it is there, and its name; raises ``BusAway``.

        The store's own ``delete`` leaves a mark for ever. The name goes last, so that what a kill leaves is found
        again.
        """
        stream = f"OBJ_{RECORDINGS}"
        try:
            with contextlib.suppress(NotFoundError):
                info = await (await self.recordings()).get_info(name, show_deleted=True)
                await self._stream.purge_stream(stream, subject=f"$O.{RECORDINGS}.C.{info.nuid}")
            key = base64.urlsafe_b64encode(name.encode()).decode()
            await self._stream.purge_stream(stream, subject=f"$O.{RECORDINGS}.M.{key}")
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BusAway(f"recordings: {error!r}") from error

    async def _create_streams(self, replicas: int) -> None:
        for name, subjects in _STREAMS.items():
            configuration = StreamConfig(
                name=name, subjects=[subjects], retention=RetentionPolicy.LIMITS, storage=StorageType.FILE,
                max_age=_KEPT_S, duplicate_window=_DUPLICATE_WINDOW_S, num_replicas=replicas,
            )  # fmt: skip
            try:
                await self._stream.stream_info(name)
            except NotFoundError:
                await self._stream.add_stream(configuration)
        try:
            await self._stream.object_store(RECORDINGS)
        except (BucketNotFoundError, NotFoundError):
            await self._stream.create_object_store(
                RECORDINGS, config=ObjectStoreConfig(bucket=RECORDINGS, replicas=replicas)
            )


async def _each(messages: list[Msg], answer: Callable[[Msg], Awaitable[None]]) -> None:
    """Answer every message; one whose answer is lost merely comes again."""
    for message in messages:
        with contextlib.suppress(nats.errors.Error):
            await answer(message)


async def _connect(servers: list[str], name: str) -> Client:
    said: dict[str, float] = {}

    async def on_error(error: Exception) -> None:
        """Say it, but not at each of the attempts a second that fail alike."""
        problem, now = repr(error), time.monotonic()
        if now - said.get(problem, -_SAY_AGAIN_S) >= _SAY_AGAIN_S:
            said.clear()
            said[problem] = now
            log.warning("bus.error", error=problem)

    async def on_disconnect() -> None:
        if not client.is_closed:
            log.warning("bus.disconnected")

    async def on_reconnect() -> None:
        log.info("bus.reconnected")

    client = Client()
    await client.connect(
        servers, name=name, max_reconnect_attempts=-1, reconnect_time_wait=1, connect_timeout=5,
        ping_interval=10, error_cb=on_error, disconnected_cb=on_disconnect, reconnected_cb=on_reconnect,
        pending_size=16 * 1024 * 1024,
    )  # fmt: skip
    return client


def _message_id(events: Sequence[Event]) -> str:
    """The id of a message: the event's own, or a digest over those of a batch."""
    if len(events) == 1:
        return events[0].id
    return hashlib.blake2b("\n".join(event.id for event in events).encode(), digest_size=16).hexdigest()


def _observe_lag(message: Msg) -> None:
    """Tell the metrics how long the last message of a batch waited in its stream."""
    with contextlib.suppress(nats.errors.NotJSMessageError):
        waited = datetime.now(UTC) - message.metadata.timestamp
        EVENT_LAG.labels(message.subject).set(max(0.0, waited.total_seconds()))
