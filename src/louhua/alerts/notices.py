"""The activation notice: who was registered, one by one or by the million, is told so, once and free of charge.

Source: the requirement's 业务开通提醒. Notices go at the pace of the SMSCs, after the alerts and before the
probes, and in nobody's quiet hours. Whoever registers by text has the notice for an answer and is not among these.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import psycopg
import structlog

from louhua.alerts.answers import Answer, Reply
from louhua.alerts.wording import Wording
from louhua.config import Alerts, Config, Smsc
from louhua.db.pool import Connection, Pool
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Profile
from louhua.subscribers.store import Profiles, awaiting_notice, claim_notices, lookup
from louhua.texts.metrics import TEXTS
from louhua.texts.outbox import TextDraft, TextKind
from louhua.texts.routes import Routes
from louhua.texts.store import enqueue, waiting

log = structlog.get_logger()

_EVERY_S: Final = 0.5
_AT_ONCE: Final = 500


class Notices:
    """Tells those who await it; several may work on one database."""

    def __init__(self, config: Config, pool: Pool, wording: Wording, wake: Callable[[], None]) -> None:
        self._config = config
        self._pool = pool
        self._wording = wording
        self._wake = wake
        self._plan = NumberPlan(config)
        self._routes = Routes(config)
        self._after = ""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                async with self._pool.connection() as connection:
                    if await self.tell(connection, datetime.now(UTC)):
                        self._wake()
            except psycopg.OperationalError as error:
                log.warning("notices.database_away", error=str(error))
            await asyncio.sleep(_EVERY_S)

    async def tell(self, connection: Connection, now: datetime) -> int:
        """Queue the notices of some of those who await them; how many.

        Each time it goes on where it was, and from the end to the beginning, so that nobody who must not be
        told now keeps others waiting.
        """
        numbers = await awaiting_notice(connection, self._after, _AT_ONCE)
        self._after = numbers[-1] if len(numbers) == _AT_ONCE else ""
        if not numbers or not self._config.smsc:
            return 0
        async with connection.transaction():
            profiles = await lookup(connection, numbers, self._plan)
            wanted = [self._draft(profiles[number]) for number in self._awake(numbers, profiles, now)]
            drafts = await self._with_room(connection, wanted, now)
            told = await claim_notices(connection, [draft.recipient for draft in drafts])
            await enqueue(connection, [draft for draft in drafts if draft.recipient in told], now, self._routes)
        TEXTS.labels(TextKind.NOTICE, "queued").inc(len(told))
        return len(told)

    def _awake(self, numbers: Sequence[str], profiles: Profiles, now: datetime) -> list[str]:
        local = now.astimezone(self._config.service.zone)
        return [number for number in numbers if may_be_told(profiles[number], self._config.alerts, local)]

    def _draft(self, profile: Profile) -> TextDraft:
        notice = Answer(reply=Reply.NOTICE, voicemail=profile.voicemail)
        return TextDraft(
            kind=TextKind.NOTICE,
            sender=self._config.service.access_number,
            recipient=profile.number,
            body=self._wording.reply(notice, profile.language),
        )

    async def _with_room(
        self, connection: Connection, drafts: Sequence[TextDraft], now: datetime
    ) -> list[TextDraft]:
        """As many as each route takes in about a second: what waits in the outbox cannot be taken back."""
        by_route: dict[str, list[TextDraft]] = {}
        for draft in drafts:
            by_route.setdefault(self._routes.of(draft), []).append(draft)
        smscs = {smsc.name: smsc for smsc in self._config.smsc}
        chosen: list[TextDraft] = []
        for route, waiting_for_it in by_route.items():
            most = a_second_of(route, smscs)
            most -= await waiting(connection, [route], TextKind.NOTICE, now, most)
            chosen += waiting_for_it[: max(0, most)]
        return chosen


def may_be_told(profile: Profile, settings: Alerts, local: datetime) -> bool:
    """Whether a notice may come now; ``local`` is in the operator's zone."""
    quiet = settings.quiet_hours if profile.quiet_hours is None else profile.quiet_hours
    return local not in quiet


def a_second_of(route: str, smscs: Mapping[str, Smsc]) -> int:
    """How many texts the SMSC that a route prefers takes in a second; of no route: all of them; 500 at most."""
    first = route.split(",", maxsplit=1)[0]
    chosen = [smscs[first]] if first in smscs else list(smscs.values())
    rates = [smsc.rate * smsc.connections for smsc in chosen]
    return _AT_ONCE if not all(rates) else min(_AT_ONCE, math.ceil(sum(rates)))
