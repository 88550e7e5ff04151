"""What texts from phones are answered with, and the activation notice: which answers there are, and their words.

Source: the requirement's 用户管理 (SMS), 隐私防护, 信息点播 and 业务开通提醒 (what the subscriber now has, how to
use it, how to end it, and that it is free).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from louhua.subscribers.profiles import Language, Listing, Privacy


class Reply(StrEnum):
    """What a text to us may be answered with, apart from details."""

    HELP = "help"
    NOTHING = "nothing"
    NOTHING_OF_LATE = "nothing_of_late"
    TOO_LATE = "too_late"
    MORE_CALLERS = "more_callers"
    NOTICE = "notice"
    ALREADY = "already"
    CANCELLED = "cancelled"
    NOT_REGISTERED = "not_registered"
    REGISTER_FIRST = "register_first"
    SUSPENDED = "suspended"
    NOT_SERVED = "not_served"
    LISTED = "listed"
    UNLISTED = "unlisted"
    NOT_LISTED = "not_listed"
    LIST = "list"
    LIST_EMPTY = "list_empty"
    LIST_FULL = "list_full"
    NO_NUMBER = "no_number"
    PRIVACY_SET = "privacy_set"
    PRIVACY = "privacy"
    NO_CREDIT = "no_credit"
    CREDIT_AWAY = "credit_away"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer and what it names; ``count`` is what the words say it is (days, callers, a list's size).

    Who is to ask again asks for ``count`` days, or for what is offered where it is 0.
    """

    reply: Reply
    listing: Listing = Listing.BLOCK
    number: str = ""
    numbers: tuple[str, ...] = ()
    privacy: Privacy = Privacy.EVERYBODY
    count: int = 0
    calls: int = 0
    voicemail: bool = False


LIST_NAMES: Final[Mapping[Language, Mapping[Listing, str]]] = {
    Language.ZH_HANS: {Listing.BLOCK: "黑名单", Listing.ALLOW: "白名单"},
    Language.EN: {Listing.BLOCK: "block list", Listing.ALLOW: "allow list"},
}
LIST_WORDS: Final[Mapping[Language, Mapping[Listing, str]]] = {
    Language.ZH_HANS: {Listing.BLOCK: "HMD", Listing.ALLOW: "BMD"},
    Language.EN: {Listing.BLOCK: "BLOCK", Listing.ALLOW: "ALLOW"},
}
WHO: Final[Mapping[Language, Mapping[Privacy, str]]] = {
    Language.ZH_HANS: {
        Privacy.NOBODY: "任何人都不会", Privacy.LIST: "只有白名单中的号码会", Privacy.EVERYBODY: "所有人都会",
    },
    Language.EN: {
        Privacy.NOBODY: "Nobody is", Privacy.LIST: "Only your allow list is", Privacy.EVERYBODY: "Everybody is",
    },
}  # fmt: skip
WITH_VOICEMAIL: Final[Mapping[Language, str]] = {
    Language.ZH_HANS: ",并开通语音信箱",
    Language.EN: " and voicemail",
}
AGAIN: Final[Mapping[Language, str]] = {
    Language.ZH_HANS: "编辑短信D到{access}重新查询,{hours}小时内有效",
    Language.EN: "text D to {access} within {hours} hours",
}
"""How to ask again for what a teaser offered, which is offered for so many hours once more."""
AGAIN_FOR_DAYS: Final[Mapping[Language, str]] = {
    Language.ZH_HANS: "编辑短信D{count}到{access}重新查询",
    Language.EN: "text D{count} to {access}",
}
BETWEEN: Final[Mapping[Language, str]] = {Language.ZH_HANS: "、", Language.EN: ", "}
LEFT_OUT: Final[Mapping[Language, str]] = {Language.ZH_HANS: "等", Language.EN: " and others"}

REPLIES: Final[Mapping[Language, Mapping[Reply, str]]] = {
    Language.ZH_HANS: {
        Reply.HELP: "查询未接来电,请编辑短信D到{access},或者拨打{enquiry}。KT开通,QX取消,HMD或BMD加号码设黑白名单,"
        "YS加0、1或2设开机隐私。",
        Reply.NOTHING: "您目前没有可查询的未接来电。",
        Reply.NOTHING_OF_LATE: "您近{count}天没有未接来电。",
        Reply.TOO_LATE: "您查询的未接来电已超过{hours}小时,详情已失效。",
        Reply.MORE_CALLERS: "另有{count}个号码呼叫过您{calls}次。",
        Reply.NOTICE: "已为您免费开通漏话提醒{voicemail}:关机或未接时,短信告诉您谁来过电话。发短信到{access}:"
        "D查询,HMD或BMD加号码设黑白名单,"
        "YS设隐私,BZ帮助,QX取消;或拨打{enquiry}。本条免费。",
        Reply.ALREADY: "您已开通漏话提醒。取消请编辑短信QX到{access},帮助请发BZ。",
        Reply.CANCELLED: "您的漏话提醒已取消。重新开通请编辑短信KT到{access}。",
        Reply.NOT_REGISTERED: "您没有开通漏话提醒,无需取消。开通请编辑短信KT到{access};如不愿收到未接来电短信,"
        "请联系客服。",
        Reply.REGISTER_FIRST: "此功能供已开通漏话提醒的用户使用。免费开通请编辑短信KT到{access}。",
        Reply.SUSPENDED: "您的漏话提醒已暂停,设置没有改变。恢复请联系客服。",
        Reply.NOT_SERVED: "抱歉,漏话提醒暂不对您的号码开放。",
        Reply.LISTED: "{number}在您的{list}中。移出请编辑短信{word}-{number}到{access}。",
        Reply.UNLISTED: "{number}已从您的{list}中移出。",
        Reply.NOT_LISTED: "{number}不在您的{list}中。",
        Reply.LIST: "您的{list}有{count}个号码:{numbers}。",
        Reply.LIST_EMPTY: "您的{list}是空的。加入请编辑短信{word}加号码到{access}。",
        Reply.LIST_FULL: "您的{list}已满({count}个号码)。请先编辑短信{word}-号码到{access}移出一个。",
        Reply.NO_NUMBER: "号码有误。请编辑短信{word}加号码(例如{word}13800138000)到{access}。",
        Reply.PRIVACY_SET: "设置成功:{who}得知您已开机。",
        Reply.PRIVACY: "目前{who}得知您已开机。"
        "修改请编辑短信YS0(任何人都不)、YS1(仅白名单)或YS2(所有人)到{access}。",
        Reply.NO_CREDIT: "您的余额不足,未能查询未接来电。充值后请{again}。本条免费。",
        Reply.CREDIT_AWAY: "抱歉,暂时无法查询未接来电。请稍后{again}。本条免费。",
    },
    Language.EN: {
        Reply.HELP: "To see your missed calls text D to {access} or dial {enquiry}. START to register, STOP to "
        "end, "
        "BLOCK or ALLOW and a number for your lists, PRIVACY and 0, 1 or 2 for who learns that your phone is on.",
        Reply.NOTHING: "You have no missed calls to show.",
        Reply.NOTHING_OF_LATE: "You missed no calls in the last {days}.",
        Reply.TOO_LATE: "Those missed calls are more than {hours} hours old; the details are gone.",
        Reply.MORE_CALLERS: "Further numbers that called you: {count}, {times} in all.",
        Reply.NOTICE: "You now have missed-call alerts{voicemail}, free of charge: texts tell you who called "
        "while your "
        "phone was off or not answered. Text to {access}: D for details, BLOCK or ALLOW and a number, PRIVACY, "
        "HELP, STOP to end. Or dial {enquiry}. This text is free.",
        Reply.ALREADY: "You have missed-call alerts already. To end them text STOP to {access}, for help HELP.",
        Reply.CANCELLED: "Your missed-call alerts have ended. To have them again text START to {access}.",
        Reply.NOT_REGISTERED: "You are not registered, so there is nothing to end. To register text START to "
        "{access}; "
        "to get no texts about missed calls at all ask customer service.",
        Reply.REGISTER_FIRST: "This is for registered subscribers. To register free of charge text START to "
        "{access}.",
        Reply.SUSPENDED: "Your missed-call alerts are suspended; nothing has changed. Please ask customer "
        "service.",
        Reply.NOT_SERVED: "Sorry, missed-call alerts are not available for your number.",
        Reply.LISTED: "{number} is on your {list}. To take it off text UN{word} {number} to {access}.",
        Reply.UNLISTED: "{number} is off your {list}.",
        Reply.NOT_LISTED: "{number} is not on your {list}.",
        Reply.LIST: "Your {list} has {entries}: {numbers}.",
        Reply.LIST_EMPTY: "Your {list} is empty. To add a number text {word} and the number to {access}.",
        Reply.LIST_FULL: "Your {list} is full ({entries}). First take one off: text UN{word} and the number to "
        "{access}.",
        Reply.NO_NUMBER: "That is not a number to list. Text {word} and the number, as {word} 13800138000, to "
        "{access}.",
        Reply.PRIVACY_SET: "Done. {who} told that your phone is on.",
        Reply.PRIVACY: "{who} told that your phone is on. To change that text PRIVACY and 0 (nobody), 1 (allow "
        "list) "
        "or 2 (everybody) to {access}.",
        Reply.NO_CREDIT: "Your balance is too low to show your missed calls. After topping up {again}. "
        "This text is free.",
        Reply.CREDIT_AWAY: "Sorry, we cannot show your missed calls right now. To try again later {again}. "
        "This text is free.",
    },
}
"""By ``str.format``; the fields are those of ``Wording.reply``."""

REPLY_PARTS: Final = 2
"""Short messages that an answer takes at most."""
