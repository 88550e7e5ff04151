"""What a phone's text to the access number asks for.

A text is read as people type it: any case, full width, spaces, quotes and punctuation anywhere. What is left are
letters, digits, and a sign right after the word: ``HMD13900139000``, ``hmd 139 0013 9000`` and
``黑名单+139-0013-9000`` are the same; ``HMD-13900139000`` takes the number off the list again.

Source: the requirement's 被叫服务 (短信D), 信息点播 and 用户管理.
"""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Keyword(StrEnum):
    """What was asked for."""

    ENQUIRE = "enquire"
    REGISTER = "register"
    CANCEL = "cancel"
    HELP = "help"
    BLOCK = "block"
    UNBLOCK = "unblock"
    ALLOW = "allow"
    UNALLOW = "unallow"
    PRIVACY = "privacy"
    UNKNOWN = "unknown"


class Command(msgspec.Struct, frozen=True):
    """A keyword and the digits after it, with a leading ``+`` where one was typed twice; often none."""

    keyword: Keyword
    argument: str = ""


WORDS: Final[Mapping[Keyword, tuple[str, ...]]] = {
    Keyword.ENQUIRE: ("D", "详情", "查询", "DETAILS"),
    Keyword.REGISTER: ("KT", "开通", "START", "JOIN"),
    Keyword.CANCEL: ("QX", "取消", "退订", "TD", "STOP", "CANCEL"),
    Keyword.HELP: ("BZ", "帮助", "HELP"),
    Keyword.BLOCK: ("HMD", "黑名单", "BLOCK"),
    Keyword.UNBLOCK: ("QXHMD", "取消黑名单", "UNBLOCK"),
    Keyword.ALLOW: ("BMD", "白名单", "ALLOW"),
    Keyword.UNALLOW: ("QXBMD", "取消白名单", "UNALLOW"),
    Keyword.PRIVACY: ("YS", "隐私", "PRIVACY"),
}
"""The words of each keyword, in capitals."""

_ARGUMENTS: Final = {
    Keyword.ENQUIRE: r"(\d{1,3})?(?:天|日|DAYS?)?",
    Keyword.BLOCK: r"(\+?\d{1,20})?",
    Keyword.UNBLOCK: r"(\+?\d{1,20})?",
    Keyword.ALLOW: r"(\+?\d{1,20})?",
    Keyword.UNALLOW: r"(\+?\d{1,20})?",
    Keyword.PRIVACY: r"(\d{1,2})?",
}
_FORMS: Final = {
    keyword: re.compile(f"(?:{'|'.join(words)})([-+]?){_ARGUMENTS.get(keyword, '()')}")
    for keyword, words in WORDS.items()
}
_OFF: Final = {Keyword.BLOCK: Keyword.UNBLOCK, Keyword.ALLOW: Keyword.UNALLOW}
_MINUS: Final = "\u2212"
_NO_DIGIT_AFTER: Final = re.compile(r"[-+]+(?![-+\d])")


def command_of(body: str) -> Command:
    """Read a text; what is no command of ours, or has more in it, is unknown."""
    said = _signs(body)
    for keyword, form in _FORMS.items():
        found = form.fullmatch(said)
        if found is None:
            continue
        taken_off = _OFF.get(keyword, keyword) if found[1] == "-" else keyword
        return Command(taken_off, found[2] or "")
    return Command(Keyword.UNKNOWN)


def _signs(body: str) -> str:
    """Letters in capitals and ASCII digits; plus and minus signs only right before the first digit."""
    told = ""
    for sign in unicodedata.normalize("NFKC", body).upper():
        category = unicodedata.category(sign)
        if category[0] == "L":
            told += sign
        elif category == "Nd":
            told += str(unicodedata.decimal(sign))
        elif (category == "Pd" or sign in (_MINUS, "+")) and told and not told[-1].isdigit():
            told += "+" if sign == "+" else "-"
    return _NO_DIGIT_AFTER.sub("", told)
