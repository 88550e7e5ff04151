"""Probes: asks the SMSC about watched phones, and reads the answers.

Only phones with a watch are probed, that is phones that somebody called. A probe is a row of the outbox, written
in the transaction that claims its watch.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from louhua.config import Config, Smsc
from louhua.db.pool import Connection
from louhua.reachability import store
from louhua.reachability.ladder import (
    NEXT_UNLESS_HEARD,
    NOTIFIED_PROBE_VALIDITY,
    PROBE_VALIDITY,
    TYPE_0,
    Verdict,
    next_probe_after,
    verdict_of,
)
from louhua.reachability.metrics import PROBES
from louhua.reachability.store import News
from louhua.texts.outbox import TextChange, TextDraft, TextKind, TextState
from louhua.texts.routes import Routes
from louhua.texts.store import enqueue, queued_at, waiting

_AT_ONCE: Final = 500


class Prober:
    """Knows which SMSC answers whether a phone is back: the first configured one that can."""

    def __init__(self, config: Config) -> None:
        self._sender = config.service.access_number
        self._routes = Routes(config)
        self._hold_off = config.alerts.probe_hold_off
        self._smsc: Smsc | None = next((smsc for smsc in config.smsc if smsc.reachability != "none"), None)

    def first_probe_at(self, now: datetime) -> datetime | None:
        """When a new watch is probed first; ``None`` when no SMSC can tell."""
        return None if self._smsc is None else now + self._hold_off

    async def probe(self, connection: Connection, now: datetime, limit: int) -> int:
        """Queue probes for the watches that are due; how many.

        No more are queued than the SMSC takes in about a second: what waits in the outbox is in the way.
        """
        if self._smsc is None:
            return 0
        most = min(limit, _a_second_of(self._smsc))
        most -= await waiting(connection, self._routes.beginning_with(self._smsc.name), TextKind.PROBE, now, most)
        if most <= 0:
            return 0
        notified = self._smsc.reachability == "set_dpf"
        async with connection.transaction():
            callees = await store.claim_probes(connection, now, now + NEXT_UNLESS_HEARD, most)
            drafts = [
                TextDraft(
                    kind=TextKind.PROBE,
                    sender=self._sender,
                    recipient=callee,
                    body="",
                    protocol_id=TYPE_0,
                    set_dpf=notified,
                    validity=NOTIFIED_PROBE_VALIDITY if notified else PROBE_VALIDITY,
                    smsc=self._smsc.name,
                )
                for callee in callees
            ]
            await enqueue(connection, drafts, now, self._routes)
        return len(callees)

    async def read(self, connection: Connection, changes: Sequence[TextChange]) -> list[News]:
        """What finished probes say: the phones that are back; the others are asked again by the ladder.

        A phone got its probe at some time after that was queued. When exactly nobody knows: a receipt may have
        waited, for us or for the SMSC, and the phone may be off again.
        """
        finished = [
            change
            for change in changes
            if change.kind is TextKind.PROBE and change.state in (TextState.DELIVERED, TextState.FAILED)
        ]
        if not finished:
            return []
        reached: list[TextChange] = []
        again: list[TextChange] = []
        for change in finished:
            verdict = verdict_of(_outcome(change))
            PROBES.labels(verdict).inc()
            if verdict is Verdict.REACHABLE:
                reached.append(change)
            else:
                again.append(change)
        if again:
            await self._ask_again(connection, again)
        since = await queued_at(connection, [change.text_id for change in reached])
        return [News(change.recipient, since[change.text_id]) for change in reached]

    async def doubt(self, connection: Connection, news: Sequence[News], now: datetime) -> None:
        """These news ended no watch: who was called since their probes were sent is asked once more."""
        await store.probe_soon(connection, [item.number for item in news], now)

    async def _ask_again(self, connection: Connection, changes: Sequence[TextChange]) -> None:
        probes = await store.probes_so_far(connection, [change.recipient for change in changes])
        await store.reschedule(
            connection,
            [
                (change.recipient, self._next(change, probes[change.recipient]))
                for change in changes
                if change.recipient in probes
            ],
        )

    def _next(self, change: TextChange, probes: int) -> datetime | None:
        wait = next_probe_after(_outcome(change), probes)
        if wait is None:
            return None
        notified = self._smsc is not None and self._smsc.reachability == "set_dpf"
        if notified and verdict_of(_outcome(change)) is Verdict.WAIT:
            wait = PROBE_VALIDITY - timedelta(minutes=1)
        return change.at + wait


def _a_second_of(smsc: Smsc) -> int:
    """How many probes are worth queuing at a time."""
    return min(_AT_ONCE, math.ceil(smsc.rate * smsc.connections)) if smsc.rate else _AT_ONCE


def _outcome(change: TextChange) -> str:
    return "delivered" if change.state is TextState.DELIVERED else change.error
