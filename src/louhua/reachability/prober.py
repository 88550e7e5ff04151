"""Probes: asks the SMSCs about watched phones, and reads the answers.

Only phones with a watch are probed, that is phones that somebody called. A probe is a row of the outbox, written
in the transaction that claims its watch.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from louhua.config import Config, Smsc
from louhua.db.pool import Connection
from louhua.numbers import masked
from louhua.reachability import counts, store
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
from louhua.reachability.sources import Ask, Sources, Step
from louhua.reachability.store import Asked, News
from louhua.texts.outbox import TextChange, TextDraft, TextKind, TextState
from louhua.texts.routes import Routes
from louhua.texts.store import enqueue, queued_at, waiting

log = structlog.get_logger()

_AT_ONCE: Final = 500


class Prober:
    """The source that asks SMSCs, each about the numbers that are its own."""

    def __init__(self, config: Config) -> None:
        self._sender = config.service.access_number
        self._routes = Routes(config)
        self._zone = config.service.zone
        self._per_day = config.alerts.probes_per_day
        self._sources = Sources(config)
        self._smscs = {
            f"probe:{smsc.name}": smsc for smsc in config.smsc if f"probe:{smsc.name}" in self._sources.known
        }

    async def ask(self, connection: Connection, now: datetime) -> int:
        """Queue probes for the watches that are due; how many."""
        return sum([await self._probe(connection, source, now) for source in self._smscs])

    async def _probe(self, connection: Connection, source: str, now: datetime) -> int:
        """No more are queued than the SMSC takes in about a second: what waits in the outbox is in the way."""
        smsc = self._smscs[source]
        most = _a_second_of(smsc)
        most -= await waiting(connection, self._routes.beginning_with(smsc.name), TextKind.PROBE, now, most)
        if most <= 0:
            return 0
        async with connection.transaction():
            if smsc.probe_rate:
                most = min(most, await counts.room(connection, smsc.name, smsc.probe_rate, now))
            claimed = await store.claim(connection, source, now, now + NEXT_UNLESS_HEARD, most)
            if not claimed:
                return 0
            allowed = await counts.count_probes(
                connection, smsc.name, claimed, now,
                day=now.astimezone(self._zone).date(), per_day=self._per_day, lost_after=NEXT_UNLESS_HEARD,
            )  # fmt: skip
            callees = [callee for callee in claimed if callee in allowed]
            await self._put_off(connection, source, [callee for callee in claimed if callee not in allowed], now)
            await enqueue(connection, [self._draft(callee, smsc) for callee in callees], now, self._routes)
        for callee in callees:
            log.info("probe.queued", number=masked(callee), smsc=smsc.name, way=smsc.reachability)
        PROBES.labels("queued").inc(len(callees))
        return len(callees)

    def _draft(self, callee: str, smsc: Smsc) -> TextDraft:
        notified = smsc.reachability == "set_dpf"
        return TextDraft(
            kind=TextKind.PROBE,
            sender=self._sender,
            recipient=callee,
            body="",
            protocol_id=TYPE_0,
            set_dpf=notified,
            validity=NOTIFIED_PROBE_VALIDITY if notified else PROBE_VALIDITY,
            smsc=smsc.name,
        )

    async def _put_off(self, connection: Connection, source: str, callees: Sequence[str], now: datetime) -> None:
        """These have had their probes of today, or have one on its way, whose end will tell."""
        if not callees:
            return
        coming = await counts.on_their_way(connection, callees, now, NEXT_UNLESS_HEARD)
        spent = [callee for callee in callees if callee not in coming]
        tomorrow = Ask(source, _tomorrow(now.astimezone(self._zone)))
        await store.move(connection, [Step(callee, source, tomorrow) for callee in spent])
        for callee in spent:
            log.info("probe.limit", number=masked(callee), per_day=self._per_day)
        PROBES.labels("over the limit").inc(len(spent))

    async def read(self, connection: Connection, changes: Sequence[TextChange]) -> list[News]:
        """What finished probes say: the phones that are back; about the others the ladder decides.

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
        recipients = [change.recipient for change in finished]
        watched = await store.asked(connection, recipients)
        await counts.arrived(connection, recipients)
        reached: list[TextChange] = []
        others: list[TextChange] = []
        for change in finished:
            verdict = verdict_of(_outcome(change), change.network_error)
            PROBES.labels(verdict).inc()
            log.info("probe.ended", number=masked(change.recipient), outcome=_outcome(change), verdict=verdict)
            (reached if verdict is Verdict.REACHABLE else others).append(change)
        probing = {number: asked for number, asked in watched.items() if asked.source in self._smscs}
        await store.move(
            connection,
            [self._step(change, probing[change.recipient]) for change in others if change.recipient in probing],
        )
        since = await queued_at(connection, [change.text_id for change in reached])
        return [News(change.recipient, since[change.text_id]) for change in reached]

    def _step(self, change: TextChange, watched: Asked) -> Step:
        notified = self._smscs[watched.source].reachability == "set_dpf"
        wait = next_probe_after(_outcome(change), watched.probes, change.at - watched.since, notified=notified)
        if wait is None:
            return self._sources.gave_up(change.recipient, watched.source, watched.given_up, change.at)
        return Step(change.recipient, watched.source, Ask(watched.source, change.at + wait))


async def delivered_texts(connection: Connection, changes: Sequence[TextChange]) -> list[News]:
    """Phones that got an ordinary text are on; when exactly nobody knows, but after it was queued."""
    delivered = [
        change for change in changes if change.kind is not TextKind.PROBE and change.state is TextState.DELIVERED
    ]
    if not delivered:
        return []
    since = await queued_at(connection, [change.text_id for change in delivered])
    return [News(change.recipient, since[change.text_id]) for change in delivered]


def _a_second_of(smsc: Smsc) -> int:
    """How many probes are worth queuing at a time."""
    return min(_AT_ONCE, math.ceil(smsc.rate * smsc.connections)) if smsc.rate else _AT_ONCE


def _tomorrow(local: datetime) -> datetime:
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _outcome(change: TextChange) -> str:
    return "delivered" if change.state is TextState.DELIVERED else change.error
