"""What the texts say, in the requirement's words (主叫服务, 被叫服务) and in English.

Worded when a text is about to be sent, in the recipient's language. Numbers appear as people dial them, times
in the operator's time zone.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from louhua.alerts.states import Kind
from louhua.config import Service
from louhua.numbers import national
from louhua.subscribers.profiles import Language


class Reply(StrEnum):
    """What a text to us may be answered with, apart from details."""

    HELP = "help"
    NOTHING = "nothing"
    TOO_LATE = "too_late"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert is about. ``last_at`` is the last call."""

    kind: Kind
    callee: str
    caller: str
    calls: int
    last_at: datetime
    other_number: str


_ALERTS: Final[dict[Language, dict[Kind, str]]] = {
    Language.ZH_HANS: {
        Kind.POWER_ON: "您于{at}呼叫过的{callee}用户现已开机,请您与他联系。",
        Kind.CALL_BACK: "{named}于{at}前呼叫过您{calls}次,正在期待您的回电,请您与他联系。",
        Kind.CALL_OTHER: "{named}于{at}前呼叫过您{calls}次,请您拨{other}号码与他联系。",
        Kind.MISSED: "{caller}于{at}呼叫过您{calls}次。",
        Kind.DETAIL: "{caller}于{at}呼叫过您{calls}次。",
        Kind.MESSAGE: "{caller}于{at}前给您留言{calls}条,请您拨打{enquiry}收听。",
        Kind.TEASER: "您有{calls}个未接来电,欲知详情,请在{hours}小时内编辑短信D到{access},"
        "或者拨打{enquiry}查询(短信查询每条0.1元),本条免费。",
    },
    Language.EN: {
        Kind.POWER_ON: "The phone {callee} you called on {at} is now on. You can reach it now.",
        Kind.CALL_BACK: "{caller} called you {times}, last on {at}, and hopes that you will call back.",
        Kind.CALL_OTHER: "{caller} called you {times}, last on {at}. Please call back on {other}.",
        Kind.MISSED: "{caller} called you {times}, last on {at}.",
        Kind.DETAIL: "{caller} called you {times}, last on {at}.",
        Kind.MESSAGE: "{caller} left you {messages}, last on {at}. Dial {enquiry} to listen.",
        Kind.TEASER: "You missed {calls_}. For details text D to {access} within {hours} hours "
        "(0.1 yuan a text) or dial {enquiry}. This text is free.",
    },
}

_REPLIES: Final[dict[Language, dict[Reply, str]]] = {
    Language.ZH_HANS: {
        Reply.HELP: "查询未接来电,请编辑短信D到{access},或者拨打{enquiry}。",
        Reply.NOTHING: "您目前没有可查询的未接来电。",
        Reply.TOO_LATE: "您查询的未接来电已超过{hours}小时,详情已失效。",
    },
    Language.EN: {
        Reply.HELP: "To see your missed calls text D to {access} or dial {enquiry}.",
        Reply.NOTHING: "You have no missed calls to show.",
        Reply.TOO_LATE: "Those missed calls are more than {hours} hours old; the details are gone.",
    },
}

_WITHHELD: Final = {Language.ZH_HANS: "隐藏号码", Language.EN: "A withheld number"}


class Wording:
    """Words texts for one service; ``hours`` is how long D answers a teaser."""

    def __init__(self, service: Service, hours: int) -> None:
        self._service = service
        self._hours = hours

    def alert(self, facts: Facts, language: Language | None) -> str:
        """The text of an alert; ``None`` is the service's language."""
        language = language or Language(self._service.language)
        caller = self._number(facts.caller)
        return _ALERTS[language][facts.kind].format(
            at=self._moment(facts.last_at, language),
            caller=caller or _WITHHELD[language],
            named=f"{caller}号码" if caller else _WITHHELD[language],
            callee=self._number(facts.callee),
            other=self._number(facts.other_number),
            calls=facts.calls,
            times=_count(facts.calls, "time"),
            calls_=_count(facts.calls, "call"),
            messages=_count(facts.calls, "message"),
            **self._common(),
        )

    def reply(self, reply: Reply, language: Language | None) -> str:
        """The text that answers a text; ``None`` is the service's language."""
        return _REPLIES[language or Language(self._service.language)][reply].format(**self._common())

    def _common(self) -> dict[str, object]:
        return {
            "access": self._service.access_number,
            "enquiry": self._service.enquiry_number,
            "hours": self._hours,
        }

    def _number(self, number: str) -> str:
        return national(number, self._service.country)

    def _moment(self, at: datetime, language: Language) -> str:
        local = at.astimezone(self._service.zone)
        if language is Language.ZH_HANS:
            return f"{local.month}月{local.day}日{local.hour}时{local.minute}分"
        return f"{local.day} {_MONTHS[local.month - 1]} at {local.hour:02}:{local.minute:02}"


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
