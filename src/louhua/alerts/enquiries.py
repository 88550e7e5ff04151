"""Texts from phones: D brings the details of missed calls, other keywords change what is known of the sender,
anything else brings a short help.

Source: the requirement's 被叫服务, 信息点播 and 用户管理. What is asked is judged by when it was received.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from msgspec import structs

from louhua.alerts import offers
from louhua.alerts.answers import Answer, Reply
from louhua.alerts.callers import Callers, callers_of
from louhua.alerts.selfcare import LISTS, Care, apply
from louhua.alerts.states import Kind
from louhua.alerts.wording import TEMPLATES, Facts, Further, Wording
from louhua.bus.events import TextReceived
from louhua.charging.plans import Item
from louhua.charging.till import Till
from louhua.config import Config
from louhua.db.pool import Connection, Pool
from louhua.numbers import masked
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Listing, Profile
from louhua.subscribers.store import Entry, Profiles, change_lists, hold, listed, lookup, save
from louhua.texts.inbound import lately, may_help, record_inbound
from louhua.texts.keywords import Command, Keyword, command_of
from louhua.texts.metrics import INBOUND, UNANSWERED
from louhua.texts.outbox import FREE, Tag, TextDraft, TextKind
from louhua.texts.replies import ANSWERS_AN_HOUR, Manners
from louhua.texts.routes import Routes
from louhua.texts.store import enqueue

log = structlog.get_logger()

HELP_EVERY: Final = timedelta(hours=1)
_REMEMBERED: Final = timedelta(days=7)
"""So long somebody who asks too late is told so; later there is simply nothing."""

Bodies = list[tuple[str, str, Tag]]
"""(number, what its text says, what is charged for it)."""


class Enquiries:
    """Answers the texts that phones send to the access number."""

    def __init__(self, config: Config, pool: Pool, wording: Wording, wake: Callable[[], None]) -> None:
        self._service = config.service
        self._days = config.alerts.enquiry_days
        self._window = config.alerts.enquiry_window
        self._till = Till(config)
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
        commands = {event.id: command_of(event.body) for event in asked.values()}
        keywords = {event_id: command.keyword for event_id, command in commands.items()}
        async with self._pool.connection() as connection, connection.transaction():
            new = await record_inbound(connection, list(asked.values()), keywords)
            fresh = sorted((event for event in asked.values() if event.id in new), key=_came)
            heard = await self._answerable(connection, fresh, now) if fresh else []
            if heard:
                await self._answer(connection, heard, commands, now)
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

    async def _answer(
        self,
        connection: Connection,
        events: Sequence[TextReceived],
        commands: Mapping[str, Command],
        now: datetime,
    ) -> None:
        """Do what each sender asked, in the order in which he did, and queue the answers."""
        by_sender: dict[str, list[Command]] = {}
        for event in events:
            by_sender.setdefault(event.sender, []).append(commands[event.id])
        await hold(connection, by_sender)
        profiles = await lookup(connection, by_sender, self._plan)
        cared = await self._care(connection, by_sender, profiles)
        answers = [(number, answer) for number, care in cared.items() for answer in care.answers]
        enquiring = [event for event in events if commands[event.id].keyword is Keyword.ENQUIRE]
        resting = {event.sender for event in enquiring if profiles[event.sender].suspended}
        answers += [(number, Answer(reply=Reply.SUSPENDED)) for number in sorted(resting)]
        plain, days = self._enquiries([event for event in enquiring if event.sender not in resting], commands)
        answers += await self._offered(connection, plain, now)
        answers += await self._help(connection, by_sender, cared, now)
        bodies = [
            (number, self._wording.reply(answer, profiles[number].language), FREE)
            for number, answer in _once_each(answers)
        ]
        bodies += await self._of_days(connection, days, profiles, now)
        await self._reply(connection, bodies, now)

    async def _care(
        self, connection: Connection, by_sender: Mapping[str, Sequence[Command]], profiles: Profiles
    ) -> dict[str, Care]:
        """Change profiles and lists as their owners ask."""
        owners = [
            number for number, asked in by_sender.items() if any(command.keyword in LISTS for command in asked)
        ]
        lists = _by_owner(await listed(connection, owners)) if owners else {}
        cared = {
            number: apply(profiles[number], lists.get(number, {}), asked, self._plan.dialled)
            for number, asked in by_sender.items()
        }
        changed = [care.profile for number, care in cared.items() if care.profile != profiles[number]]
        told = {number for number, care in cared.items() if any(a.reply is Reply.NOTICE for a in care.answers)}
        if changed:
            await save(connection, changed, told)
        before = {entry for number in owners for entry in _entries(number, lists.get(number, {}))}
        after = {entry for number in owners for entry in _entries(number, cared[number].lists)}
        await change_lists(connection, sorted(after - before), sorted(before - after))
        return cared

    def _enquiries(
        self, events: Sequence[TextReceived], commands: Mapping[str, Command]
    ) -> tuple[dict[str, datetime], dict[str, tuple[int, datetime]]]:
        """Who asks for what a teaser offered, and when; who asks for how many days, and when.

        Where days are not allowed (``enquiry_days`` = 0), D with days is D.
        """
        plain: dict[str, datetime] = {}
        days: dict[str, tuple[int, datetime]] = {}
        for event in events:
            wanted = min(int(commands[event.id].argument or 0), self._days)
            if wanted:
                days[event.sender] = max((wanted, event.at), days.get(event.sender, (0, event.at)))
            else:
                plain[event.sender] = min(event.at, plain.get(event.sender, event.at))
        return plain, days

    async def _offered(
        self, connection: Connection, asked: Mapping[str, datetime], now: datetime
    ) -> list[tuple[str, Answer]]:
        """Make details due; who has none is told why."""
        if not asked:
            return []
        answered = await offers.enquire(connection, sorted(asked.items()), now)
        empty = sorted(set(asked) - answered)
        late = await offers.too_late(connection, empty, now - _REMEMBERED)
        return [(number, Answer(reply=Reply.TOO_LATE if number in late else Reply.NOTHING)) for number in empty]

    async def _of_days(
        self, connection: Connection, asked: Mapping[str, tuple[int, datetime]], profiles: Profiles, now: datetime
    ) -> Bodies:
        """Who called within so many days, from the records of the calls."""
        since = [(number, at - timedelta(days=days)) for number, (days, at) in sorted(asked.items())]
        found = await callers_of(connection, since)
        await offers.answered_otherwise(connection, sorted(found), now + self._window, now)
        await self._till.open(connection)
        bodies: Bodies = []
        for number, (days, _) in sorted(asked.items()):
            profile = profiles[number]
            if callers := found.get(number):
                bodies += self._word_callers(profile, callers, now)
            else:
                nothing = Answer(reply=Reply.NOTHING_OF_LATE, count=days)
                bodies.append((number, self._wording.reply(nothing, profile.language), FREE))
        return bodies

    def _word_callers(self, profile: Profile, callers: Callers, now: datetime) -> Bodies:
        """One text a caller, or a digest for who wants that; those who are not named are counted.

        Each text is a query that is charged (短信查询每条0.1元), but for the one that only counts.
        """
        facts = [
            Facts(
                kind=Kind.DETAIL,
                callee=profile.number,
                caller=caller.number,
                calls=caller.calls,
                last_at=caller.last_at,
                other_number="",
            )
            for caller in callers.latest
        ]
        named = sum(caller.calls for caller in callers.latest)
        further = Further(callers.callers - len(facts), callers.calls - named)
        tag = self._till.tag(Item.DETAIL, profile, profile, now.astimezone(self._service.zone).date())
        if profile.digest:
            all_of_them = self._wording.digest(facts, profile.language, now, further)
            return [(profile.number, all_of_them, structs.replace(tag, party=""))]
        bodies = [
            (profile.number, self._wording.alert(fact, profile.language), structs.replace(tag, party=fact.caller))
            for fact in facts
        ]
        if further.callers:
            more = Answer(reply=Reply.MORE_CALLERS, count=further.callers, calls=further.calls)
            bodies.append((profile.number, self._wording.reply(more, profile.language), FREE))
        return bodies

    async def _help(
        self,
        connection: Connection,
        by_sender: Mapping[str, Sequence[Command]],
        cared: Mapping[str, Care],
        now: datetime,
    ) -> list[tuple[str, Answer]]:
        """Help for those who texted what is unknown: once an hour, and not beside the help they asked for."""
        lost = {number for number, asked in by_sender.items() if any(c.keyword is Keyword.UNKNOWN for c in asked)}
        helped = {number for number, care in cared.items() if Answer(reply=Reply.HELP) in care.answers}
        may = await may_help(connection, sorted(lost | helped), now, HELP_EVERY)
        return [(number, Answer(reply=Reply.HELP)) for number in sorted(may - helped)]

    async def _reply(self, connection: Connection, bodies: Bodies, now: datetime) -> None:
        drafts = [
            TextDraft(
                kind=TextKind.REPLY, sender=self._service.access_number, recipient=number, body=body, tag=tag
            )
            for number, body, tag in bodies
        ]
        ids = await enqueue(connection, drafts, now, self._routes)
        tags = [tag for _, _, tag in bodies]
        await self._till.reserve(connection, list(zip(ids, tags, strict=True)), now)


def _came(event: TextReceived) -> tuple[datetime, str]:
    return event.at, event.id


def _once_each(answers: Sequence[tuple[str, Answer]]) -> list[tuple[str, Answer]]:
    """Nobody is told the same twice at once; what is said last counts."""
    return list(dict.fromkeys(reversed(answers)))[::-1]


def _by_owner(entries: Sequence[Entry]) -> dict[str, dict[Listing, tuple[str, ...]]]:
    lists: dict[str, dict[Listing, tuple[str, ...]]] = {}
    for owner, listing, number in entries:
        of_owner = lists.setdefault(owner, {})
        of_owner[listing] = (*of_owner.get(listing, ()), number)
    return lists


def _entries(owner: str, lists: Mapping[Listing, Sequence[str]]) -> list[Entry]:
    return [(owner, listing, number) for listing, numbers in lists.items() for number in numbers]
