"""What became of a text decides what becomes of its alert, of the watch its probe was for, and what is charged.

Called in the transaction that changes the texts, so both are stored or neither.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from louhua.alerts import offers, rules, store
from louhua.alerts.daily import uncount_texts
from louhua.alerts.metrics import ALERTS
from louhua.alerts.refusals import Refusals
from louhua.alerts.sending import UNCOUNTED
from louhua.alerts.states import Kind
from louhua.alerts.wording import Wording
from louhua.bus.events import Event, PhoneReachable, Source
from louhua.charging.months import local_day
from louhua.charging.till import Till
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.reachability.prober import Prober, delivered_texts
from louhua.reachability.sources import Sources
from louhua.reachability.store import News, end_watches, latest, probe_soon, watch
from louhua.texts.outbox import UNPAID, TextChange, TextKind, TextState
from louhua.texts.smpp.status import Retry
from louhua.texts.store import queued_at


class Outcomes:
    """The outbox's listener."""

    def __init__(self, config: Config, prober: Prober, till: Till, wording: Wording) -> None:
        self._settings = config.alerts
        self._zone = config.service.zone
        self._refusals = Refusals(config, wording)
        self._prober = prober
        self._till = till
        self._sources = Sources(config)

    async def texts_changed(self, connection: Connection, changes: Sequence[TextChange]) -> Sequence[Event]:
        """Move alerts and watches along; the phones that probes and texts found on, as events.

        Who was called since a text that arrived was sent is probed at once: the phone may be on or off again.
        """
        at = max(change.at for change in changes)
        await self._alerts_changed(connection, changes, at)
        await self._refusals.tell(connection, changes, at)
        await self._uncount(connection, changes)
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

    async def _uncount(self, connection: Connection, changes: Sequence[TextChange]) -> None:
        """What never went for want of money is none of the texts that its recipient may get: not on the day on
        which it was worded and counted, which may be over by now."""
        unsent = [change for change in changes if change.error in UNPAID and change.tag.item not in UNCOUNTED]
        if not unsent:
            return
        worded = await queued_at(connection, [change.text_id for change in unsent])
        by_day: dict[date, Counter[str]] = {}
        for change in unsent:
            day = local_day(worded[change.text_id], self._zone)
            by_day.setdefault(day, Counter())[change.recipient] += 1
        for day, texts in sorted(by_day.items()):
            await uncount_texts(connection, texts, day)

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
        """Try again by the ladder, merged into a newer alert of the same key, offer again, or give up.

        The callees whose teaser will not come any more.
        """
        failed = {alert_id: change for change in changes for alert_id in change.alert_ids}
        alerts = await store.failing(connection, _pairs(changes))
        window = self._settings.enquiry_window
        lives = [life for alert in alerts if (life := _next_life(alert, failed[alert.id], at, window))]
        again = await store.reopen(connection, alerts, lives, at)
        over = [alert for alert in alerts if alert.id not in again]
        await store.give_up(connection, [(alert.id, failed[alert.id].error) for alert in over], at)
        _count("failed", [alert.kind for alert in over])
        awaited = {life.id for life in lives if life.watched and life.id in again}
        callees = sorted({alert.callee for alert in alerts if alert.id in awaited})
        waits = [(callee, at, at) for callee in callees]
        await watch(connection, waits, self._settings.watch_limit, self._sources.first(callees, at))
        return [alert.callee for alert in over if alert.kind is Kind.TEASER]


def _next_life(alert: store.Failing, change: TextChange, at: datetime, window: timedelta) -> store.Retry | None:
    """What becomes of an alert whose text failed; ``None``: nothing more.

    The recipient of a ``power_on`` is a caller, whose phone is not watched: it is tried again by the clock.
    Details that nobody paid for are offered again for a ``window``: who tops up can ask for them once more.
    """
    wait = None if change.retry is Retry.FINAL else rules.retry_after(alert.attempts)
    if wait is None:
        unpaid = alert.kind is Kind.DETAIL and change.error in UNPAID
        return store.Retry(alert.id, change.error, offered_until=at + window) if unpaid else None
    if change.retry is Retry.WAIT and alert.kind is not Kind.POWER_ON:
        return store.Retry(alert.id, change.error, watched=True)
    return store.Retry(alert.id, change.error, due_at=at + wait)


def _told(source: Source, news: News, text_id: int) -> PhoneReachable:
    return PhoneReachable(id=f"{source}:{text_id}", number=news.number, source=source, at=news.at)


def _count(happened: str, kinds: Sequence[str]) -> None:
    for kind, number in Counter(kinds).items():
        ALERTS.labels(kind, happened).inc(number)


def _pairs(changes: Sequence[TextChange]) -> list[tuple[int, int]]:
    return [(alert_id, change.text_id) for change in changes for alert_id in change.alert_ids]
