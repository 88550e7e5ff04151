"""What the texts say, in the requirement's words (主叫服务, 被叫服务) and in English.

Worded when a text is about to be sent, in the recipient's language. Numbers appear as people dial them, times
in the operator's time zone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from louhua.alerts import answers
from louhua.alerts.answers import Answer
from louhua.alerts.states import Kind
from louhua.config import Service
from louhua.money import yuan
from louhua.numbers import national
from louhua.subscribers.profiles import Language
from louhua.texts.encoding import segment


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert is about. ``last_at`` is the last call.

    A teaser says what a text with details costs (``query_price``), and that itself is free where its own ``price``
    is 0; both in thousandths of a yuan.
    """

    kind: Kind
    callee: str
    caller: str
    calls: int
    last_at: datetime
    other_number: str
    query_price: int = 0
    price: int = 0


class Further(msgspec.Struct, frozen=True):
    """Callers who are only counted, and their calls."""

    callers: int
    calls: int


_ALERTS: Final[dict[Language, dict[Kind, str]]] = {
    Language.ZH_HANS: {
        Kind.POWER_ON: "您于{at}呼叫过的{callee}用户现已开机,请您与他联系。",
        Kind.CALL_BACK: "{named}于{at}前呼叫过您{calls}次,正在期待您的回电,请您与他联系。",
        Kind.CALL_OTHER: "{named}于{at}前呼叫过您{calls}次,请您拨{other}号码与他联系。",
        Kind.MISSED: "{caller}于{at}呼叫过您{calls}次。",
        Kind.DETAIL: "{caller}于{at}呼叫过您{calls}次。",
        Kind.MESSAGE: "{caller}于{at}前给您留言{calls}条,请您拨打{enquiry}收听。",
        Kind.TEASER: "您有{calls}个未接来电,欲知详情,请在{hours}小时内编辑短信D到{access},"
        "或者拨打{enquiry}查询{query_price}{free}。",
    },
    Language.EN: {
        Kind.POWER_ON: "The phone {callee} you called on {at} is now on. You can reach it now.",
        Kind.CALL_BACK: "{caller} called you {times}, last on {at}, and hopes that you will call back.",
        Kind.CALL_OTHER: "{caller} called you {times}, last on {at}. Please call back on {other}.",
        Kind.MISSED: "{caller} called you {times}, last on {at}.",
        Kind.DETAIL: "{caller} called you {times}, last on {at}.",
        Kind.MESSAGE: "{caller} left you {messages}, last on {at}. Dial {enquiry} to listen.",
        Kind.TEASER: "You missed {calls_}. For details text D to {access} within {hours} hours "
        "{query_price}or dial {enquiry}.{free}",
    },
}

_QUERY_PRICE: Final = {Language.ZH_HANS: "(短信查询每条{yuan}元)", Language.EN: "({yuan} yuan a text) "}
_FREE: Final = {Language.ZH_HANS: ",本条免费", Language.EN: " This text is free."}

_DIGEST: Final = {
    Language.ZH_HANS: ("您有{calls}次未接来电:", "({times}次)", ";", ";另有{left}个号码", "。"),
    Language.EN: ("You missed {calls}: ", " ({times}x)", "; ", "; and {left} more", "."),
}
"""Heading, how often where more than once, between entries, how many numbers there was no room for, end."""

_MORE: Final[dict[Language, dict[Kind, str]]] = {
    Language.ZH_HANS: {Kind.CALL_BACK: "盼回电", Kind.CALL_OTHER: "请拨{other}", Kind.MESSAGE: "有留言"},
    Language.EN: {
        Kind.CALL_BACK: ", please call back",
        Kind.CALL_OTHER: ", please call {other}",
        Kind.MESSAGE: ", left a message",
    },
}

DIGEST_NUMBERS: Final = 9
DIGEST_PARTS: Final = 3
"""A digest has up to nine numbers in up to three short messages."""

_ROOM: Final = 12
"""Characters that stay free in the last part of a digest or a list for a gateway's signature."""

_MOST_LISTED: Final = 25
"""More numbers than two short messages hold."""

_OPT_OUT: Final = {
    Language.ZH_HANS: "退订请编辑短信QX到{access}。",
    Language.EN: " To end this service text QX to {access}.",
}
_UNASKED: Final = frozenset({Kind.MISSED, Kind.TEASER, Kind.CALL_BACK, Kind.CALL_OTHER, Kind.MESSAGE})
"""Kinds whose recipients did not ask for them: they say how to opt out, where that is required."""

_WITHHELD: Final = {Language.ZH_HANS: "隐藏号码", Language.EN: "A withheld number"}


TEMPLATES: Final = tuple(
    template
    for language in Language
    for template in (*_ALERTS[language].values(), *answers.REPLIES[language].values(), _DIGEST[language][0])
)
"""How our texts begin, with fields of ``str.format``: what comes back like that is not a person's."""


class Wording:
    """Words texts for one service; ``hours`` is how long D answers a teaser.

    ``opt_out``: texts nobody asked for say how to end the service.
    """

    def __init__(self, service: Service, hours: int, *, opt_out: bool = False) -> None:
        self._service = service
        self._hours = hours
        self._opt_out = opt_out

    def alert(self, facts: Facts, language: Language | None) -> str:
        """The text of an alert; ``None`` is the service's language."""
        language = language or Language(self._service.language)
        caller = self._number(facts.caller)
        body = _ALERTS[language][facts.kind].format(
            at=self._moment(facts.last_at, language),
            caller=caller or _WITHHELD[language],
            named=f"{caller}号码" if caller else _WITHHELD[language],
            callee=self._number(facts.callee),
            other=self._number(facts.other_number),
            calls=facts.calls,
            times=_count(facts.calls, "time"),
            calls_=_count(facts.calls, "call"),
            messages=_count(facts.calls, "message"),
            query_price=_QUERY_PRICE[language].format(yuan=_short(facts.query_price)) if facts.query_price else "",
            free="" if facts.price else _FREE[language],
            **self._common(),
        )
        return body + (self._way_out(language) if facts.kind in _UNASKED else "")

    def digest(
        self, alerts: Sequence[Facts], language: Language | None, now: datetime, further: Further | None = None
    ) -> str:
        """One text for several callers, the latest first; those there is no room for are counted."""
        language = language or Language(self._service.language)
        latest = sorted(alerts, key=_last_at, reverse=True)
        shown = DIGEST_NUMBERS
        while True:
            body = self._digest(latest, shown, language, now, further or Further(0, 0))
            if shown == 1 or len(segment(body, 0, room=_ROOM)) <= DIGEST_PARTS:
                return body
            shown -= 1

    def _digest(
        self, latest: Sequence[Facts], shown: int, language: Language, now: datetime, further: Further
    ) -> str:
        heading, times, between, others, end = _DIGEST[language]
        calls = sum(facts.calls for facts in latest) + further.calls
        entries = [
            (self._number(facts.caller) or _WITHHELD[language])
            + f" {self._short_moment(facts.last_at, now, language)}"
            + (times.format(times=facts.calls) if facts.calls > 1 else "")
            + _MORE[language].get(facts.kind, "").format(other=self._number(facts.other_number))
            for facts in latest[:shown]
        ]
        said = heading.format(calls=calls if language is Language.ZH_HANS else _count(calls, "call"))
        said += between.join(entries)
        if left := len(latest) - len(entries) + further.callers:
            said += others.format(left=left)
        return said + end + self._way_out(language)

    def _way_out(self, language: Language) -> str:
        return _OPT_OUT[language].format(**self._common()) if self._opt_out else ""

    def reply(self, answer: Answer, language: Language | None) -> str:
        """The text that answers a text, of two short messages at most; ``None`` is the service's language."""
        language = language or Language(self._service.language)
        shown = len(answer.numbers)
        while True:
            body = self._reply(answer, language, shown)
            if shown <= 1 or len(segment(body, 0, room=_ROOM)) <= answers.REPLY_PARTS:
                return body
            shown = min(shown - 1, _MOST_LISTED)

    def _reply(self, answer: Answer, language: Language, shown: int) -> str:
        numbers = answers.BETWEEN[language].join(self._number(number) for number in answer.numbers[:shown])
        again = answers.AGAIN_FOR_DAYS if answer.count else answers.AGAIN
        return answers.REPLIES[language][answer.reply].format(
            list=answers.LIST_NAMES[language][answer.listing],
            word=answers.LIST_WORDS[language][answer.listing],
            who=answers.WHO[language][answer.privacy],
            number=self._number(answer.number),
            numbers=numbers + (answers.LEFT_OUT[language] if shown < len(answer.numbers) else ""),
            count=answer.count,
            entries=_count(answer.count, "number"),
            days=_count(answer.count, "day"),
            calls=answer.calls,
            times=_count(answer.calls, "call"),
            again=again[language].format(count=answer.count, **self._common()),
            voicemail=answers.WITH_VOICEMAIL[language] if answer.voicemail else "",
            **self._common(),
        )

    def _common(self) -> dict[str, object]:
        return {
            "access": self._service.access_number,
            "enquiry": self._service.enquiry_number,
            "hours": self._hours,
        }

    def _number(self, number: str) -> str:
        return national(number, self._service.country)

    def _short_moment(self, at: datetime, now: datetime, language: Language) -> str:
        """The hour and minute, and the day unless it is today."""
        local, today = at.astimezone(self._service.zone), now.astimezone(self._service.zone)
        clock = f"{local.hour}:{local.minute:02}"
        if local.date() == today.date():
            return clock
        return f"{local.day}日{clock}" if language is Language.ZH_HANS else f"{_day(local)} {clock}"

    def _moment(self, at: datetime, language: Language) -> str:
        local = at.astimezone(self._service.zone)
        if language is Language.ZH_HANS:
            return f"{local.month}月{local.day}日{local.hour}时{local.minute}分"
        return f"{_day(local)} at {local.hour:02}:{local.minute:02}"


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _day(local: datetime) -> str:
    return f"{local.day} {_MONTHS[local.month - 1]}"


def _last_at(facts: Facts) -> datetime:
    return facts.last_at


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _short(thousandths: int) -> str:
    """Yuan as people write them: ``0.1``."""
    return yuan(thousandths).rstrip("0").rstrip(".")
