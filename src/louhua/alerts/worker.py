"""The alert role's work: events become alerts, due alerts become texts, what became of texts comes back.

Each handler is one transaction of a few statements for a whole batch, and idempotent: an event that comes again
finds its call recorded, its watch ended, its text final.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from louhua.alerts import rules, store
from louhua.alerts.metrics import ALERTS, ALERTS_OPEN, CALLS_RECORDED
from louhua.alerts.outcomes import Outcomes
from louhua.alerts.rules import LONGEST_QUIET
from louhua.alerts.states import ON_THEIR_WAY, Kind, State
from louhua.alerts.wording import Facts, Wording
from louhua.bus.events import CallEnded, Event, PhoneReachable, Source, TextReceipt
from louhua.config import Config
from louhua.db.pool import Connection, Pool
from louhua.reachability.metrics import NEWS, WATCHES
from louhua.reachability.prober import Prober
from louhua.reachability.sources import Sources
from louhua.reachability.store import News, count, end_watches, watch, watches_over
from louhua.subscribers.store import lookup
from louhua.texts import receipts
from louhua.texts.metrics import TEXTS
from louhua.texts.outbox import TextDraft, TextKind
from louhua.texts.sender import Publish, announce
from louhua.texts.store import enqueue
from louhua.voicemail.store import keep_messages

log = structlog.get_logger()

_SWEEP_EVERY_S: Final = 2.0
_PURGE_EVERY: Final = timedelta(hours=1)
_COUNT_EVERY: Final = timedelta(seconds=15)


class AlertWorker:
    """Everything the alert role does with rows; several may work on one database.

    ``wake`` is called when something may be due, so that senders need not wait for their next look.
    """

    def __init__(self, config: Config, pool: Pool, publish: Publish, wake: Callable[[], None]) -> None:
        self._config = config
        self._pool = pool
        self._publish = publish
        self._wake = wake
        self._sources = Sources(config)
        hours = int(config.alerts.enquiry_window.total_seconds() // 3600)
        self.wording = Wording(config.service, hours)
        self.outcomes = Outcomes(config, Prober(config))

    async def calls_ended(self, events: list[CallEnded]) -> None:
        """Record calls and merge the alerts they make; all of it or nothing."""
        calls = list({event.id: event for event in events}.values())
        now = datetime.now(UTC)
        async with self._pool.connection() as connection, connection.transaction():
            new = await store.record_calls(connection, calls)
            fresh = [call for call in calls if call.id in new]
            await self._make_alerts(connection, fresh, now)
            await keep_messages(connection, fresh)
            seen_on = await self._phones_seen(connection, calls, now)
        for call in fresh:
            CALLS_RECORDED.labels(call.reason, call.choice).inc()
        await self._publish(seen_on)
        self._wake()

    async def _make_alerts(self, connection: Connection, calls: Sequence[CallEnded], now: datetime) -> None:
        country = self._config.service.country
        numbers = {number for call in calls for number in (call.callee, call.caller) if number}
        profiles = await lookup(connection, numbers, country)
        settings = self._config.alerts
        drafts = rules.merge(
            draft
            for call in calls
            for draft in rules.drafts_of(call, profiles[call.callee], profiles[call.caller], settings)
        )
        waits = [(wait.callee, wait.since, wait.last_call_at) for wait in rules.waits_of(drafts)]
        asks = self._sources.first([callee for callee, _, _ in waits], now)
        await watch(connection, waits, settings.watch_limit, asks)
        await store.merge_alerts(connection, drafts, LONGEST_QUIET * settings.quiet_time, now)

    async def _phones_seen(self, connection: Connection, calls: Sequence[CallEnded], now: datetime) -> list[Event]:
        """A call that rang or met a busy line proves that the phone is on."""
        proofs = rules.proofs_of(calls)
        news = [News(callee, proofs[callee].started_at) for callee in sorted(proofs)]
        ended = await end_watches(connection, news)
        await store.release(connection, ended, now)
        return [
            PhoneReachable(id=f"call:{proofs[item.number].id}", number=item.number, source=Source.CALL, at=item.at)
            for item in ended
        ]

    async def phones_reachable(self, events: list[PhoneReachable]) -> None:
        """Phones are back: end their watches and release what waited for them."""
        latest: dict[str, datetime] = {}
        for event in events:
            latest[event.number] = max(event.at, latest.get(event.number, event.at))
        news = [News(number, latest[number]) for number in sorted(latest)]
        async with self._pool.connection() as connection, connection.transaction():
            ended = await end_watches(connection, news)
            await store.release(connection, ended, datetime.now(UTC))
        for event in events:
            NEWS.labels(event.source).inc()
        self._wake()

    async def receipts_came(self, events: list[TextReceipt]) -> None:
        """Bring texts, and with them alerts and watches, to what their receipts say."""
        async with self._pool.connection() as connection, connection.transaction():
            changes = await receipts.apply_receipts(connection, events, datetime.now(UTC))
            told = await announce(connection, changes, self.outcomes.texts_changed)
        await self._publish(told)
        self._wake()

    async def replenish(self, limit: int) -> None:
        """Word due alerts and queue their texts: at most ``limit``, just before they are claimed."""
        now = datetime.now(UTC)
        async with self._pool.connection() as connection, connection.transaction():
            due = await store.claim_due(connection, now, limit)
            if not due:
                return
            numbers = {number for alert in due for number in (alert.callee, alert.recipient)}
            profiles = await lookup(connection, numbers, self._config.service.country)
            forbidden = [
                alert for alert in due if alert.kind is Kind.POWER_ON and not profiles[alert.callee].tells_power_on
            ]
            await store.mark_forbidden(connection, [alert.id for alert in forbidden], now)
            allowed = [alert for alert in due if alert not in forbidden]
            drafts = [
                TextDraft(
                    kind=TextKind.ALERT,
                    sender=self._config.service.access_number,
                    recipient=alert.recipient,
                    body=self.wording.alert(_facts(alert), profiles[alert.recipient].language),
                    alert_id=alert.id,
                )
                for alert in allowed
            ]
            ids = await enqueue(connection, drafts, now)
            await store.mark_worded(connection, [alert.id for alert in allowed], ids, now)
        for alert in allowed:
            ALERTS.labels(alert.kind, "worded").inc()
            TEXTS.labels(TextKind.ALERT, "queued").inc()

    async def sweep(self) -> None:
        """End what has a limit (watches, offers) until cancelled."""
        purged_at = counted_at = datetime.min.replace(tzinfo=UTC)
        while True:
            now = datetime.now(UTC)
            try:
                async with self._pool.connection() as connection:
                    await self._end_watches(connection, now)
                    await store.expire_offers(connection, now)
                    if now - counted_at > _COUNT_EVERY:
                        await _count_open(connection)
                        counted_at = now
                    if now - purged_at > _PURGE_EVERY:
                        await receipts.purge_orphans(connection, now)
                        purged_at = now
            except psycopg.OperationalError as error:
                log.warning("sweep.database_away", error=str(error))
            self._wake()
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def _end_watches(self, connection: Connection, now: datetime) -> None:
        send = self._config.alerts.when_watch_ends == "send"
        async with connection.transaction():
            callees = await watches_over(connection, now)
            if callees:
                over = await store.watch_over(connection, callees, send=send, now=now)
                teased = [callee for callee, kind, state in over if kind == Kind.TEASER and state == State.EXPIRED]
                await store.offer_until(connection, teased, now + self._config.alerts.enquiry_window, now)
                for _, kind, state in over:
                    ALERTS.labels(kind, "sent anyway" if state == State.DUE else "expired").inc()


async def _count_open(connection: Connection) -> None:
    """Bring the gauges up to date."""
    WATCHES.set(await count(connection))
    counts = {(kind, state): number for kind, state, number in await store.states(connection)}
    for kind in Kind:
        for state in ON_THEIR_WAY:
            ALERTS_OPEN.labels(kind, state).set(counts.get((kind, state), 0))


def _facts(alert: store.Due) -> Facts:
    return Facts(
        kind=alert.kind,
        callee=alert.callee,
        caller=alert.caller,
        calls=alert.calls,
        last_at=alert.last_at,
        other_number=alert.other_number,
    )
