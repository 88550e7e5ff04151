"""From the outbox to one SMSC: claims what the connections have room for, submits, stores what came of it.

``sending`` is stored before the submit. While this process lives it renews its leases; when it dies, others
wait for their end and send those texts once more. Results are stored in batches; while PostgreSQL is away they
are kept and tried again, and no new text is claimed until they are stored.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from louhua.bus.events import Event
from louhua.config import Smsc
from louhua.db.pool import Connection, Pool
from louhua.texts import receipts, store
from louhua.texts.encoding import Segment, segment
from louhua.texts.metrics import IN_HAND, TEXTS
from louhua.texts.outbox import Listener, TextChange
from louhua.texts.retries import Retries
from louhua.texts.smpp.client import SmppClient
from louhua.texts.smpp.messages import Submit, SubmitResult
from louhua.texts.smpp.status import Outcome
from louhua.texts.smpp.tlv import Tag, octet, short
from louhua.texts.standing import Standing
from louhua.texts.store import Accepted
from louhua.texts.verdicts import InHand, accepted, judge
from louhua.together import run_together

log = structlog.get_logger()

_BATCH: Final = 500
_PROBES_SHARE: Final = 4
"""Every fourth text may be a probe however many others wait; the rest of the room is theirs if nobody else's."""
_POLL_S: Final = 0.25
_RETRY_S: Final = 1.0
LEASE: Final = timedelta(seconds=30)
"""What a dead process had in hand waits so long: time for its receipts to arrive and spare a second sending."""
_RENEW_S: Final = 10.0
_TIDY_S: Final = 2.0
_GAP_S: Final = 15.0
"""Renewals that lie further apart had an outage between them."""
_EMPTY: Final = (Segment(data_coding=0, esm_class=0, payload=b""),)

Replenish = Callable[[int], Awaitable[None]]
"""Asked to queue more texts just before they are claimed, so that they are worded as late as possible."""

Publish = Callable[[Sequence[Event]], Awaitable[None]]


class Patience:
    """Whether a lease that is over must be a dead process's.

    After an outage, of the database or of this process, every lease is over; for the length of one the living
    have time to renew theirs before anybody ends them.
    """

    def __init__(self) -> None:
        self._since = self._last = -math.inf

    def renewed(self, now: float) -> None:
        """The database took a renewal."""
        if now - self._last > _GAP_S:
            self._since = now
        self._last = now

    def over(self, now: float) -> bool:
        """Whether renewals have succeeded for the length of a lease up to now."""
        return now - self._last <= _GAP_S and now - self._since >= LEASE.total_seconds()


class Sender:
    """Feeds one SMSC from the outbox."""

    def __init__(
        self,
        config: Smsc,
        pool: Pool,
        listener: Listener,
        publish: Publish,
        replenish: Replenish,
        standing: Standing,
    ) -> None:
        self._config = config
        self._standing = standing
        self._pool = pool
        self._listener = listener
        self._publish = publish
        self._replenish = replenish
        self._retries = Retries((config,))
        self._in_hand: dict[int, InHand] = {}
        self._done: list[InHand] = []
        self._accepted: list[Accepted] = []
        self._results_came = asyncio.Event()
        self._stored = asyncio.Event()
        self._stored.set()
        self._patience = Patience()
        self._probes = 0.0
        self.wake = asyncio.Event()
        """Set when there may be something to send; otherwise the outbox is looked at four times a second."""

    async def run(self, client: SmppClient) -> None:
        """Work until cancelled."""
        await run_together(self._send(client), self._store(), self._renew(), self._tidy())

    def results_came(self, results: list[SubmitResult]) -> None:
        """Take results from the client (called in the event loop, must not block).

        What was accepted is stored without waiting for the text's other parts: nobody must send it again.
        """
        for result in results:
            text_id, seqs = result.key
            text = self._in_hand.get(text_id)
            if text is None:
                continue
            if result.outcome is Outcome.ACCEPTED:
                self._accepted.append(accepted(text_id, seqs[result.part], result, self._config))
            text.results.append(result)
            text.waiting -= 1
            if text.waiting == 0:
                self._done.append(text)
            self._results_came.set()

    async def flush(self) -> None:
        """Store the results that came after ``run`` was cancelled; what cannot be is left to its lease."""
        try:
            await self._store_done()
        except psycopg.OperationalError as error:
            log.warning("outbox.results_left", smsc=self._config.name, count=len(self._done), error=str(error))

    async def _send(self, client: SmppClient) -> None:
        while True:
            room = min(await client.wait_room(), _BATCH)
            await self._stored.wait()
            try:
                claimed = await self._claim_most(room)
            except psycopg.OperationalError as error:
                log.warning("outbox.waits", smsc=self._config.name, error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            if claimed:
                client.submit_many(self._take_all(claimed))
                IN_HAND.labels(self._config.name).set(len(self._in_hand))
            else:
                self.wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        await self.wake.wait()

    async def _claim_most(self, room: int) -> list[store.Claimed]:
        """Fill the room: a share of it with probes, then with texts; alerts are worded for what is left."""
        self._probes += room / _PROBES_SHARE
        probes = int(self._probes)
        self._probes -= probes
        claimed = await self._claim(room, probes)
        left = room - len(claimed)
        if left == 0:
            return claimed
        try:
            await self._replenish(left)
            return claimed + await self._claim(left, None)
        except psycopg.OperationalError as error:
            log.warning("outbox.waits", smsc=self._config.name, error=str(error))
            return claimed

    async def _claim(self, limit: int, probes: int | None) -> list[store.Claimed]:
        async with self._pool.connection() as connection:
            now = datetime.now(UTC)
            return await store.claim(connection, self._standing.taken, limit, now, LEASE, probes=probes)

    def _take_all(self, claimed: Sequence[store.Claimed]) -> list[Submit]:
        """What is to be submitted of claimed texts.

        One that is in hand all the same (somebody ended its lease during an outage) has its results coming.
        """
        taken = [self._take(text) for text in claimed if text.id not in self._in_hand]
        return [message for message in taken if message is not None]

    def _take(self, text: store.Claimed) -> Submit | None:
        """Remember a claimed text and make its short messages: those the SMSC does not have yet.

        A text of which it has all is done: ``None``.
        """
        segments = segment(text.body, text.reference) if text.body else _EMPTY
        seqs = tuple(n for n in range(len(segments)) if n not in text.parts_done)
        in_hand = self._in_hand[text.id] = InHand(text.id, text.route, text.attempts, len(seqs), [])
        if not seqs:
            self._done.append(in_hand)
            self._results_came.set()
            return None
        tlvs = [short(Tag.USER_MESSAGE_REFERENCE, text.reference)]
        if text.set_dpf:
            tlvs.append(octet(Tag.SET_DPF, 1))
        return Submit(
            key=(text.id, seqs),
            source=text.sender,
            destination=text.recipient,
            segments=tuple(segments[n] for n in seqs),
            validity=text.validity,
            protocol_id=text.protocol_id,
            tlvs=tuple(tlvs),
        )

    async def _store(self) -> None:
        """Store results, all that have come at once."""
        while True:
            await self._results_came.wait()
            self._results_came.clear()
            try:
                await self._store_done()
                self._stored.set()
            except psycopg.OperationalError as error:
                self._stored.clear()
                log.warning("outbox.results_wait", smsc=self._config.name, error=str(error))
                await asyncio.sleep(_RETRY_S)
                self._results_came.set()

    async def _store_done(self) -> None:
        """Store everything that is done; it is forgotten here only when that has succeeded."""
        done, parts = list(self._done), list(self._accepted)
        if not done and not parts:
            return
        events = await self._store_batch(done, parts)
        del self._done[: len(done)]
        del self._accepted[: len(parts)]
        for text in done:
            self._in_hand.pop(text.id, None)
        IN_HAND.labels(self._config.name).set(len(self._in_hand))
        await self._publish(events)

    async def _store_batch(self, done: Sequence[InHand], parts: Sequence[Accepted]) -> Sequence[Event]:
        now = datetime.now(UTC)
        verdict = judge(done, self._config.name, self._standing.routes, self._retries, now)
        async with self._pool.connection() as connection, connection.transaction():
            await receipts.take_turns(connection, [self._config.name])
            await store.add_parts(connection, self._config.name, parts)
            changes = await store.mark_submitted(connection, self._config.name, verdict.submitted, now)
            changes += await store.mark_failed(connection, verdict.failed, now)
            await store.postpone(connection, verdict.postponed)
            answered = list({part.text_id for part in parts})
            changes += await receipts.adopt_orphans(connection, self._config.name, answered, now, self._retries)
            return await announce(connection, changes, self._listener)

    async def _renew(self) -> None:
        while True:
            try:
                async with self._pool.connection() as connection:
                    await store.renew(connection, list(self._in_hand), datetime.now(UTC) + LEASE)
                self._patience.renewed(time.monotonic())
                await asyncio.sleep(_RENEW_S)
            except psycopg.OperationalError as error:
                log.warning("outbox.lease_waits", smsc=self._config.name, error=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _tidy(self) -> None:
        """Settle what nobody else will: what dead processes had in hand, and what SMSCs never reported."""
        while True:
            await asyncio.sleep(_TIDY_S)
            try:
                async with self._pool.connection() as connection, connection.transaction():
                    now = datetime.now(UTC)
                    changes = await store.end_silent(connection, now)
                    if self._patience.over(time.monotonic()):
                        changes += await store.end_leases(connection, now)
                    events = await announce(connection, changes, self._listener)
            except psycopg.OperationalError as error:
                log.warning("outbox.tidying_waits", smsc=self._config.name, error=str(error))
                continue
            await self._publish(events)


async def announce(connection: Connection, changes: Sequence[TextChange], listener: Listener) -> Sequence[Event]:
    """Tell the listener of changed texts, inside their transaction, and count them."""
    if not changes:
        return ()
    for change in changes:
        TEXTS.labels(change.kind, change.state).inc()
    return await listener(connection, changes)
