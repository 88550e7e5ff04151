"""What became of a text decides what becomes of its alert, and of the watch its probe was for.

Called in the transaction that changes the texts, so both are stored or neither.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from louhua.alerts import rules, store
from louhua.alerts.metrics import ALERTS
from louhua.alerts.states import Kind
from louhua.bus.events import Event, PhoneReachable, Source
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.reachability.prober import Prober
from louhua.reachability.store import end_watches, watch
from louhua.texts.outbox import TextChange, TextKind, TextState

_PHONE_MAY_BE_OFF: Final = frozenset({"expired", "undeliverable", "deleted"})
"""Receipts after which the phone is awaited again before the alert is tried once more."""


class Outcomes:
    """The outbox's listener."""

    def __init__(self, config: Config, prober: Prober) -> None:
        self._settings = config.alerts
        self._prober = prober

    async def texts_changed(self, connection: Connection, changes: Sequence[TextChange]) -> Sequence[Event]:
        """Move alerts and watches along; the phones that probes found on, as events."""
        at = max(change.at for change in changes)
        await self._alerts_changed(connection, changes, at)
        news = await self._prober.read(connection, changes)
        await end_watches(connection, news)
        await store.release(connection, news, at)
        probes = {change.recipient: change.text_id for change in changes if change.kind is TextKind.PROBE}
        return [
            PhoneReachable(id=f"probe:{probes[item.number]}", number=item.number, source=Source.PROBE, at=item.at)
            for item in news
        ]

    async def _alerts_changed(self, connection: Connection, changes: Sequence[TextChange], at: datetime) -> None:
        by_state: dict[TextState, list[TextChange]] = {}
        for change in changes:
            if change.alert_id is not None:
                by_state.setdefault(change.state, []).append(change)
        announced: list[str] = []
        if submitted := by_state.get(TextState.SUBMITTED):
            announced += await store.mark_sent(connection, _pairs(submitted), at)
        if delivered := by_state.get(TextState.DELIVERED):
            announced += await store.mark_delivered(connection, _pairs(delivered), at)
        await store.offer_until(connection, announced, at + self._settings.enquiry_window, at)
        if failed := by_state.get(TextState.FAILED):
            await self._texts_failed(connection, failed, at)

    async def _texts_failed(self, connection: Connection, changes: Sequence[TextChange], at: datetime) -> None:
        """Try again by the ladder, merged into a newer alert of the same key, or give up."""
        errors = {change.alert_id: change.error for change in changes if change.alert_id is not None}
        alerts = await store.failing(connection, _pairs(changes))
        served = await store.hand_over(connection, [alert.id for alert in alerts], at)
        retries: list[store.Retry] = []
        given_up: list[tuple[int, str]] = []
        waits: list[tuple[str, datetime, datetime]] = []
        for alert in alerts:
            error = errors[alert.id]
            wait = rules.retry_after(alert.attempts) if error in _PHONE_MAY_BE_OFF else None
            if alert.id in served or wait is None:
                given_up.append((alert.id, error))
                ALERTS.labels(alert.kind, "failed").inc()
            elif alert.kind is Kind.POWER_ON:
                retries.append(store.Retry(alert.id, watched=False, due_at=at + wait, error=error))
            else:
                retries.append(store.Retry(alert.id, watched=True, due_at=None, error=error))
                waits.append((alert.callee, at, alert.last_at))
        await watch(
            connection,
            sorted({callee: (callee, since, last) for callee, since, last in waits}.values()),
            self._settings.watch_limit,
            self._prober.first_probe_at(at),
        )
        await store.retry(connection, retries, at)
        await store.give_up(connection, given_up, at)


def _pairs(changes: Sequence[TextChange]) -> list[tuple[int, int]]:
    return [(change.alert_id, change.text_id) for change in changes if change.alert_id is not None]
