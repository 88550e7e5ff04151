"""What became of a text decides what becomes of its alert, of the watch its probe was for, and what is charged.

Called in the transaction that changes the texts, so both are stored or neither.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from louhua.alerts import offers, rules, store
from louhua.alerts.answers import Answer, Reply
from louhua.alerts.daily import uncount_texts
from louhua.alerts.metrics import ALERTS
from louhua.alerts.sending import UNCOUNTED
from louhua.alerts.states import Kind
from louhua.alerts.wording import Wording
from louhua.bus.events import Event, PhoneReachable, Source
from louhua.charging.months import local_day
from louhua.charging.plans import Item
from louhua.charging.till import Till
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.reachability.prober import Prober, delivered_texts
from louhua.reachability.sources import Sources
from louhua.reachability.store import News, end_watches, latest, probe_soon, watch
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.store import lookup
from louhua.texts.outbox import CREDIT_AWAY, NO_CREDIT, TextChange, TextDraft, TextKind, TextState
from louhua.texts.routes import Routes
from louhua.texts.smpp.status import Retry
from louhua.texts.store import enqueue


class Outcomes:
    """The outbox's listener."""

    def __init__(self, config: Config, prober: Prober, till: Till, wording: Wording) -> None:
        self._settings = config.alerts
        self._service = config.service
        self._plan = NumberPlan(config)
        self._routes = Routes(config)
        self._wording = wording
        self._prober = prober
        self._till = till
        self._sources = Sources(config)

    async def texts_changed(self, connection: Connection, changes: Sequence[TextChange]) -> Sequence[Event]:
        """Move alerts and watches along; the phones that probes and texts found on, as events.

        Who was called since a text that arrived was sent is probed at once: the phone may be on or off again.
        """
        at = max(change.at for change in changes)
        await self._alerts_changed(connection, changes, at)
        await self._tell_who_cannot_pay(connection, changes, at)
        await self._uncount(connection, changes, at)
        probed = await self._prober.read(connection, changes)
        texted = await delivered_texts(connection, changes)
        news = latest([*probed, *texted])
        ended = await end_watches(connection, news)
        await store.release(connection, ended, at)
        await probe_soon(connection, [item.number for item in news if item not in ended], at)
        # Last: who words texts has locked alerts before he waits for their payers' months.
        await self._till.texts_changed(connection, changes, at)
        texts = {(change.recipient, change.kind is TextKind.PROBE): change.text_id for change in changes}
        return [
            *(_told(Source.PROBE, item, texts[item.number, True]) for item in probed),
            *(_told(Source.TEXT, item, texts[item.number, False]) for item in texted if item in ended),
        ]

    async def _tell_who_cannot_pay(
        self, connection: Connection, changes: Sequence[TextChange], at: datetime
    ) -> None:
        """Whoever asked for details that he has no money for is told why they do not come."""
        refused = [
            change.recipient for change in changes if change.error == NO_CREDIT and change.tag.item == Item.DETAIL
        ]
        if not refused:
            return
        numbers = sorted(set(refused))
        profiles = await lookup(connection, numbers, self._plan)
        answer = Answer(reply=Reply.NO_CREDIT, count=self._settings.enquiry_days or 1)
        drafts = [
            TextDraft(
                kind=TextKind.REPLY,
                sender=self._service.access_number,
                recipient=number,
                body=self._wording.reply(answer, profiles[number].language),
            )
            for number in numbers
        ]
        await enqueue(connection, drafts, at, self._routes)

    async def _uncount(self, connection: Connection, changes: Sequence[TextChange], at: datetime) -> None:
        """What never went for want of money is none of the texts that its recipient may get today."""
        unsent = Counter(
            change.recipient
            for change in changes
            if change.error in (NO_CREDIT, CREDIT_AWAY) and change.tag.item not in UNCOUNTED
        )
        await uncount_texts(connection, unsent, local_day(at, self._service.zone))

    async def _alerts_changed(self, connection: Connection, changes: Sequence[TextChange], at: datetime) -> None:
        by_state: dict[TextState, list[TextChange]] = {}
        for change in changes:
            if change.alert_ids:
                by_state.setdefault(change.state, []).append(change)
        teased: list[str] = []
        if submitted := by_state.get(TextState.SUBMITTED):
            _count("sent", await store.mark_sent(connection, _pairs(submitted), at))
        if delivered := by_state.get(TextState.DELIVERED):
            moved = await store.mark_delivered(connection, _pairs(delivered), at)
            _count("delivered", [kind for kind, _ in moved])
            teased += [callee for kind, callee in moved if kind == Kind.TEASER]
        if failed := by_state.get(TextState.FAILED):
            teased += await self._texts_failed(connection, failed, at)
        await offers.offer_until(connection, teased, at + self._settings.enquiry_window, at)

    async def _texts_failed(
        self, connection: Connection, changes: Sequence[TextChange], at: datetime
    ) -> list[str]:
        """Try again by the ladder, merged into a newer alert of the same key, or give up.

        The callees whose teaser will not come any more.
        """
        failed = {alert_id: change for change in changes for alert_id in change.alert_ids}
        alerts = await store.failing(connection, _pairs(changes))
        lives = [life for alert in alerts if (life := _next_life(alert, failed[alert.id], at))]
        again = await store.reopen(connection, alerts, lives, at)
        over = [alert for alert in alerts if alert.id not in again]
        await store.give_up(connection, [(alert.id, failed[alert.id].error) for alert in over], at)
        _count("failed", [alert.kind for alert in over])
        awaited = {life.id for life in lives if life.watched and life.id in again}
        callees = sorted({alert.callee for alert in alerts if alert.id in awaited})
        waits = [(callee, at, at) for callee in callees]
        await watch(connection, waits, self._settings.watch_limit, self._sources.first(callees, at))
        return [alert.callee for alert in over if alert.kind is Kind.TEASER]


def _next_life(alert: store.Failing, change: TextChange, at: datetime) -> store.Retry | None:
    """What becomes of an alert whose text failed; ``None``: nothing more.

    The recipient of a ``power_on`` is a caller, whose phone is not watched: it is tried again by the clock.
    """
    wait = None if change.retry is Retry.FINAL else rules.retry_after(alert.attempts)
    if wait is None:
        return None
    if change.retry is Retry.WAIT and alert.kind is not Kind.POWER_ON:
        return store.Retry(alert.id, watched=True, due_at=None, error=change.error)
    return store.Retry(alert.id, watched=False, due_at=at + wait, error=change.error)


def _told(source: Source, news: News, text_id: int) -> PhoneReachable:
    return PhoneReachable(id=f"{source}:{text_id}", number=news.number, source=source, at=news.at)


def _count(happened: str, kinds: Sequence[str]) -> None:
    for kind, number in Counter(kinds).items():
        ALERTS.labels(kind, happened).inc(number)


def _pairs(changes: Sequence[TextChange]) -> list[tuple[int, int]]:
    return [(alert_id, change.text_id) for change in changes for alert_id in change.alert_ids]
