"""Details that somebody asked for and that did not go for want of money: he is told so, and how to ask again.

The text about it is free, and comes once for what was asked at once, however many texts it would have brought.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from louhua.alerts import store
from louhua.alerts.answers import Answer, Reply
from louhua.alerts.wording import Wording
from louhua.charging.plans import Item
from louhua.config import Config
from louhua.db.pool import Connection
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.store import lookup
from louhua.texts.outbox import NO_CREDIT, UNPAID, TextChange, TextDraft, TextKind
from louhua.texts.routes import Routes
from louhua.texts.store import enqueue, told_since


class Refusals:
    """Tells who asked; part of the transaction that ends the texts."""

    def __init__(self, config: Config, wording: Wording) -> None:
        self._access_number = config.service.access_number
        self._days = config.alerts.enquiry_days
        self._plan = NumberPlan(config)
        self._routes = Routes(config)
        self._wording = wording

    async def tell(self, connection: Connection, changes: Sequence[TextChange], at: datetime) -> None:
        """To be called when the alerts have changed, too: whose details are tried again is not told yet."""
        unpaid = [change for change in changes if change.error in UNPAID and change.tag.item == Item.DETAIL]
        waiting = await store.tried_again(connection, [alert for change in unpaid for alert in change.alert_ids])
        over = [change for change in unpaid if waiting.isdisjoint(change.alert_ids)]
        if not over:
            return
        answers = answers_to(over, self._days)
        profiles = await lookup(connection, answers, self._plan)
        bodies = {number: self._wording.reply(answers[number], profiles[number].language) for number in answers}
        latest = {change.recipient: change.text_id for change in sorted(over, key=_text_id)}
        known = await told_since(connection, {latest[number]: body for number, body in bodies.items()})
        drafts = [
            TextDraft(kind=TextKind.REPLY, sender=self._access_number, recipient=number, body=body)
            for number, body in sorted(bodies.items())
            if latest[number] not in known
        ]
        await enqueue(connection, drafts, at, self._routes)


def answers_to(refused: Iterable[TextChange], days: int) -> Mapping[str, Answer]:
    """What each who asked is told: to top up where that helps, else to wait; and to ask as he did.

    A text with alerts answered D, which offers them again; one without answered D7. ``days`` are the most that may
    be asked for; 0: only D is known.
    """
    texts: dict[str, list[TextChange]] = {}
    for change in refused:
        texts.setdefault(change.recipient, []).append(change)
    return {
        number: Answer(
            reply=Reply.NO_CREDIT if any(change.error == NO_CREDIT for change in own) else Reply.CREDIT_AWAY,
            count=0 if all(change.alert_ids for change in own) else days,
        )
        for number, own in texts.items()
    }


def _text_id(change: TextChange) -> int:
    return change.text_id
