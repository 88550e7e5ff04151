"""The alert role's work: events become alerts, due alerts become texts, what became of texts comes back.

Each handler is one transaction of a few statements for a whole batch, and idempotent: an event that comes again
finds its call recorded, its watch ended, its text final.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from louhua.alerts import daily, offers, rules, sending, store
from louhua.alerts.metrics import ALERTS, ALERTS_OPEN, CALLS_RECORDED
from louhua.alerts.outcomes import Outcomes
from louhua.alerts.rules import LONGEST_QUIET
from louhua.alerts.sending import Delay, Judged, Telling
from louhua.alerts.states import ON_THEIR_WAY, Kind, State
from louhua.alerts.wording import Facts, Wording
from louhua.bus.events import CallEnded, Event, PhoneReachable, Source, TextReceipt
from louhua.charging.plans import Item
from louhua.charging.till import Till
from louhua.config import Config
from louhua.db.pool import Connection, Pool
from louhua.numbers import national
from louhua.reachability.metrics import NEWS, WATCHES
from louhua.reachability.prober import Prober
from louhua.reachability.sources import Sources
from louhua.reachability.store import News, count, end_watches, watch, watches_over
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Profile
from louhua.subscribers.store import Profiles, lookup
from louhua.texts import receipts
from louhua.texts.metrics import TEXTS
from louhua.texts.outbox import Tag, TextDraft, TextKind
from louhua.texts.retries import Retries
from louhua.texts.routes import Routes
from louhua.texts.sender import Publish, announce
from louhua.texts.store import enqueue
from louhua.voicemail.store import keep_messages

log = structlog.get_logger()

_SWEEP_EVERY_S: Final = 2.0
_DATABASE_AWAY_S: Final = 10.0
_A_MESSAGE_LASTS: Final = timedelta(days=1)
"""So long a message makes up for calls that the same caller missed."""
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
        self._swept = time.monotonic()
        hours = int(config.alerts.enquiry_window.total_seconds() // 3600)
        self._plan = NumberPlan(config)
        self._routes = Routes(config)
        self._retries = Retries(config.smsc)
        self.wording = Wording(config.service, hours, opt_out=config.alerts.opt_out)
        self._till = Till(config)
        self.outcomes = Outcomes(config, Prober(config), self._till, self.wording)

    @property
    def database_answers(self) -> bool:
        """Whether the database has done what is asked of it every two seconds."""
        return time.monotonic() - self._swept < _DATABASE_AWAY_S

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
        numbers = {number for call in calls for number in (call.callee, call.caller) if number}
        profiles = await lookup(connection, numbers, self._plan, [(call.callee, call.caller) for call in calls])
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
            changes = await receipts.apply_receipts(connection, events, datetime.now(UTC), self._retries)
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
            profiles = await self._profiles_of(connection, due)
            messages = await store.messages_left(
                connection, _may_have_messages(due, profiles), now - _A_MESSAGE_LASTS
            )
            judged = sending.judge(due, profiles.__getitem__, messages, self._config.alerts, self._local(now))
            texts, delays = await self._within_limits(connection, judged.told, profiles, now)
            await store.mark_forbidden(connection, judged.forbidden, now)
            await store.postpone(
                connection, [(item.id, item.due_at, item.digest) for item in judged.delayed + delays], now
            )
            await self._till.open(connection)
            tags = [self._tag(text, profiles, now) for text in texts]
            drafts = [self._draft(text, tag, profiles, now) for text, tag in zip(texts, tags, strict=True)]
            ids = await enqueue(connection, drafts, now, self._routes)
            worded = [(alert, text_id) for text, text_id in zip(texts, ids, strict=True) for alert in text.alerts]
            await store.mark_worded(
                connection, [alert.id for alert, _ in worded], [text_id for _, text_id in worded], now
            )
            await self._till.reserve(connection, list(zip(ids, tags, strict=True)), now)
        _count_sendings(due, judged, delays)
        TEXTS.labels(TextKind.ALERT, "queued").inc(len(texts))

    async def _profiles_of(self, connection: Connection, due: Sequence[store.Due]) -> Profiles:
        numbers = {number for alert in due for number in (alert.callee, alert.caller, alert.recipient) if number}
        return await lookup(connection, numbers, self._plan, [(alert.callee, alert.caller) for alert in due])

    async def _within_limits(
        self, connection: Connection, told: Sequence[store.Due], profiles: Profiles, now: datetime
    ) -> tuple[list[Telling], list[Delay]]:
        """The texts that may go out today, and when the rest is told."""
        settings, local = self._config.alerts, self._local(now)
        texts = sending.tellings(told, profiles.__getitem__)
        wanted = sending.wanted(texts, profiles.__getitem__, settings)
        totals = await daily.count_texts(connection, wanted, local.date())
        within, beyond = sending.within_limits(texts, totals, profiles.__getitem__, settings)
        await daily.uncount_texts(connection, Counter(text.recipient for text in beyond), local.date())
        return within, sending.put_off(beyond, local)

    def _local(self, now: datetime) -> datetime:
        return now.astimezone(self._config.service.zone)

    def _tag(self, text: Telling, profiles: Profiles, now: datetime) -> Tag:
        first = text.alerts[0]
        item = Item.DIGEST if len(text.alerts) > 1 else Item(first.kind)
        caller = profiles["" if item is Item.DIGEST else first.caller]
        return self._till.tag(item, profiles[first.callee], caller, self._local(now).date())

    def _draft(self, text: Telling, tag: Tag, profiles: Profiles, now: datetime) -> TextDraft:
        profile = profiles[text.recipient]
        facts = [self._facts(alert, profile, now) for alert in text.alerts]
        service = self._config.service
        by_caller = sending.caller_as_sender(text, profile, self._config.alerts)
        return TextDraft(
            kind=TextKind.ALERT,
            sender=national(facts[0].caller, service.country) if by_caller else service.access_number,
            recipient=text.recipient,
            body=self.wording.digest(facts, profile.language, now)
            if len(facts) > 1
            else self.wording.alert(facts[0], profile.language),
            alert_ids=tuple(alert.id for alert in text.alerts),
            tag=tag,
        )

    def _facts(self, alert: store.Due, recipient: Profile, now: datetime) -> Facts:
        teaser = alert.kind is Kind.TEASER
        day = self._local(now).date()
        return Facts(
            kind=alert.kind,
            callee=alert.callee,
            caller=alert.caller,
            calls=alert.calls,
            last_at=alert.last_at,
            other_number=alert.other_number,
            query_price=self._till.price(Item.DETAIL, recipient, day) if teaser else 0,
            price=self._till.price(Item.TEASER, recipient, day) if teaser else 0,
        )

    async def sweep(self) -> None:
        """End what has a limit (watches, offers) until cancelled."""
        counted_at = datetime.min.replace(tzinfo=UTC)
        while True:
            now = datetime.now(UTC)
            try:
                async with self._pool.connection() as connection:
                    await self._end_watches(connection, now)
                    await offers.expire_offers(connection, now)
                    if now - counted_at > _COUNT_EVERY:
                        await _count_open(connection)
                        counted_at = now
                self._swept = time.monotonic()
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
                await offers.offer_until(connection, teased, now + self._config.alerts.enquiry_window, now)
                for _, kind, state in over:
                    ALERTS.labels(kind, "sent anyway" if state == State.DUE else "expired").inc()


async def _count_open(connection: Connection) -> None:
    """Bring the gauges up to date."""
    WATCHES.set(await count(connection))
    counts = {(kind, state): number for kind, state, number in await store.states(connection)}
    for kind in Kind:
        for state in ON_THEIR_WAY:
            ALERTS_OPEN.labels(kind, state).set(counts.get((kind, state), 0))


def _may_have_messages(due: Sequence[store.Due], profiles: Profiles) -> list[tuple[str, str]]:
    """(callee, caller) of missed calls to people with voicemail."""
    return sorted(
        {
            (alert.callee, alert.caller)
            for alert in due
            if alert.kind is Kind.MISSED and alert.caller and profiles[alert.callee].voicemail
        }
    )


def _count_sendings(due: Sequence[store.Due], judged: Judged, put_off: Sequence[Delay]) -> None:
    fates = dict.fromkeys(judged.forbidden, "forbidden") | {
        item.id: "put off" for item in (*judged.delayed, *put_off)
    }
    for alert in due:
        ALERTS.labels(alert.kind, fates.get(alert.id, "worded")).inc()
