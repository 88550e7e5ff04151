"""Whether a text from a phone is answered, and when two arrivals are one text; pure.

What another machine may have sent is never answered, lest the two go on for ever.

Source: the requirement's 短信D; loops between automatic senders are an operator's oldest trouble with keywords.
"""

import hashlib
import re
import string
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from louhua.config import Service
from louhua.numbers import canonical, national

ANSWERS_AN_HOUR: Final = 10
"""Who sends more texts within an hour is answered no more until it is over."""

SAME_WITHIN: Final = timedelta(minutes=1)
"""An SMSC repeats what it has no answer for, and a text may come over two SMSCs: within so long it is one."""

_SERVICE_NUMBER: Final = re.compile(r"(1[0-2]|9[56])\d+")
"""Beginnings of China's service numbers (106…, 12306, 95588), which are as long as they like."""

_TELLING: Final = 16
"""So wide must the beginning of one of our texts be to tell it from others; an ideograph is two wide."""


class Silence(StrEnum):
    """Why a text is not answered."""

    NO_PHONE = "no phone"
    OURSELVES = "ourselves"
    ECHO = "our own words"
    TOO_MANY = "too many"


class Manners:
    """Who is answered. ``textable``: whether a canonical number can get texts; ``templates``: how our texts go."""

    def __init__(self, service: Service, textable: Callable[[str], bool], templates: Iterable[str]) -> None:
        numbers = (service.access_number, service.enquiry_number)
        self._ours = {form for number in numbers for form in (number, canonical(number, service.country))}
        self._country = service.country
        self._textable = textable
        self._echo = re.compile("|".join(_beginning(template) for template in templates), re.DOTALL)

    def silence(self, sender: str, body: str, lately: int) -> Silence | None:
        """Why not to answer, if so; ``lately``: how many texts came from there within the hour, with this one."""
        if sender in self._ours:
            return Silence.OURSELVES
        if not sender.isdecimal() or not self._textable(sender) or self._is_service(sender):
            return Silence.NO_PHONE
        if self._echo.search(_plain(body)):
            return Silence.ECHO
        return Silence.TOO_MANY if lately > ANSWERS_AN_HOUR else None

    def _is_service(self, sender: str) -> bool:
        unknown = national(sender, self._country) == sender
        return unknown and _SERVICE_NUMBER.fullmatch(sender) is not None


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _beginning(template: str) -> str:
    """An expression for texts that begin like a template of ``str.format``, gateways' additions before it."""
    expression, told = "", 0
    for literal, field, _, _ in string.Formatter().parse(_plain(template)):
        for sign in literal:
            expression += re.escape(sign)
            told += 2 if unicodedata.east_asian_width(sign) == "W" else 1
            if told >= _TELLING:
                return expression
        expression += ".{1,40}?" if field else ""
    return expression


def text_id(sender: str, body: str, at: datetime) -> str:
    """The id of a text that came at this time.

    deliver_sm has no id (SMPP 3.4, section 4.6.1): what identifies a text is who says what when. It is the same
    over whichever connection or SMSC the text comes, in whichever alphabet, within a minute of the clock.
    """
    said = hashlib.blake2b(f"{sender}|{body.strip()}".encode(), digest_size=16).hexdigest()
    return f"{said}-{int(at.timestamp() // 60)}"


def neighbours(event_id: str) -> tuple[str, str]:
    """The ids the same text would have had a minute earlier and later; twice its own where it has no minute."""
    said, _, minute = event_id.rpartition("-")
    if not said or not minute.isdecimal():
        return event_id, event_id
    return f"{said}-{int(minute) - 1}", f"{said}-{int(minute) + 1}"
