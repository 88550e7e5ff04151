"""Texts from phones: D brings the details of missed calls, anything else a short help.

Source: the requirement's 被叫服务 and 信息点播. What is asked is judged by when it was received.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from louhua.alerts import store
from louhua.alerts.wording import TEMPLATES, Reply, Wording
from louhua.bus.events import TextReceived
from louhua.config import Config
from louhua.db.pool import Connection, Pool
from louhua.numbers import masked
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.store import lookup
from louhua.texts.inbound import lately, may_help, record_inbound
from louhua.texts.keywords import Keyword, keyword_of
from louhua.texts.metrics import INBOUND, UNANSWERED
from louhua.texts.outbox import TextDraft, TextKind
from louhua.texts.replies import ANSWERS_AN_HOUR, Manners
from louhua.texts.routes import Routes
from louhua.texts.store import enqueue

log = structlog.get_logger()

HELP_EVERY: Final = timedelta(hours=1)
_REMEMBERED: Final = timedelta(days=7)
"""So long somebody who asks too late is told so; later there is simply nothing."""


class Enquiries:
    """Answers the texts that phones send to the access number."""

    def __init__(self, config: Config, pool: Pool, wording: Wording, wake: Callable[[], None]) -> None:
        self._service = config.service
        self._plan = NumberPlan(config)
        self._routes = Routes(config)
        self._manners = Manners(config.service, self._plan.textable, TEMPLATES)
        self._pool = pool
        self._wording = wording
        self._wake = wake

    async def texts_received(self, events: list[TextReceived]) -> None:
        """Answer a batch of texts; one that comes again is not answered again."""
        now = datetime.now(UTC)
        asked = {event.id: event for event in events if event.sender}
        keywords = {event.id: keyword_of(event.body) for event in asked.values()}
        async with self._pool.connection() as connection, connection.transaction():
            new = await record_inbound(connection, list(asked.values()), keywords)
            fresh = [asked[event_id] for event_id in sorted(new)]
            heard = await self._answerable(connection, fresh, now)
            enquiring = [event for event in heard if keywords[event.id] is Keyword.ENQUIRE]
            lost = [event.sender for event in heard if keywords[event.id] is Keyword.UNKNOWN]
            replies = await self._answer_enquiries(connection, enquiring, now)
            helped = await may_help(connection, sorted(set(lost)), now, HELP_EVERY)
            replies += [(number, Reply.HELP) for number in sorted(helped)]
            await self._reply(connection, replies, now)
        for event in fresh:
            INBOUND.labels(keywords[event.id]).inc()
        self._wake()

    async def _answerable(
        self, connection: Connection, events: Sequence[TextReceived], now: datetime
    ) -> list[TextReceived]:
        """Those that may be answered: who may be a machine is not."""
        senders = sorted({event.sender for event in events})
        counts = await lately(connection, senders, now - timedelta(hours=1), ANSWERS_AN_HOUR + 1)
        silent = {
            event.id: why
            for event in events
            if (why := self._manners.silence(event.sender, event.body, counts[event.sender]))
        }
        for why, number in Counter(silent.values()).items():
            UNANSWERED.labels(why).inc(number)
            example = next(event.sender for event in events if silent.get(event.id) is why)
            log.info("texts.unanswered", why=why, texts=number, example=masked(example))
        return [event for event in events if event.id not in silent]

    async def _answer_enquiries(
        self, connection: Connection, events: Sequence[TextReceived], now: datetime
    ) -> list[tuple[str, Reply]]:
        """Make details due; who has none is told why."""
        asked: dict[str, datetime] = {}
        for event in events:
            asked[event.sender] = min(event.at, asked.get(event.sender, event.at))
        if not asked:
            return []
        answered = await store.enquire(connection, sorted(asked.items()), now)
        empty = sorted(set(asked) - answered)
        late = await store.too_late(connection, empty, now - _REMEMBERED)
        return [(number, Reply.TOO_LATE if number in late else Reply.NOTHING) for number in empty]

    async def _reply(self, connection: Connection, replies: Sequence[tuple[str, Reply]], now: datetime) -> None:
        if not replies:
            return
        profiles = await lookup(connection, [number for number, _ in replies], self._plan)
        drafts = [
            TextDraft(
                kind=TextKind.REPLY,
                sender=self._service.access_number,
                recipient=number,
                body=self._wording.reply(reply, profiles[number].language),
            )
            for number, reply in replies
        ]
        await enqueue(connection, drafts, now, self._routes)
