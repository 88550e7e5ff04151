"""Telephone numbers: one canonical form inside, the form people dial outside.

Canonical is E.164 without the plus sign (``8613800138000``); a short code or service number (``10086``,
``06001``) stays as dialled. ``phonenumbers`` knows countries; it does not know short codes, so what it does
not accept as a possible number is kept as it is.
"""

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

_SEPARATORS: Final = re.compile(r"[\s().\-]")
_DIALLED: Final = re.compile(r"\+?[0-9]{3,20}")
_NOT_SET: Final = re.compile(r"\+?0*")

_SHORTEST_MOBILE: Final = 11

_NO_TEXTS: Final = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE,
    PhoneNumberType.SHARED_COST,
    PhoneNumberType.UAN,
    PhoneNumberType.VOICEMAIL,
}


@lru_cache(maxsize=65536)
def _parse(dialled: str, country: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(dialled, country)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


@lru_cache(maxsize=65536)
def canonical(dialled: str, country: str = "CN") -> str:
    """The canonical form of what was dialled or signalled; empty when it is not a number at all.

    ``country`` is ISO 3166, for numbers without an international prefix. Numbers that arrive as E.164
    without the plus sign (``8613800138000``) are recognised.
    """
    text = _SEPARATORS.sub("", dialled)
    if not _DIALLED.fullmatch(text) or _NOT_SET.fullmatch(text):
        return ""
    number = _parse(text, country)
    if number is None and not text.startswith(("+", "0")):
        number = _parse("+" + text, country)
    if number is None:
        return text.removeprefix("+")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164).removeprefix("+")


@lru_cache(maxsize=65536)
def national(number: str, country: str = "CN") -> str:
    """A canonical number as people of ``country`` dial it: ``13800138000``, ``01088886666``, ``+44…``."""
    parsed = _parse("+" + number, country)
    if parsed is None:
        return number
    if phonenumbers.region_code_for_number(parsed) != country:
        return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
    return re.sub(r"\D", "", phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL))


@lru_cache(maxsize=65536)
def textable(number: str, country: str = "CN") -> bool:
    """Whether a canonical number can get a text: mobiles can, land lines and short codes cannot.

    A number as long as a mobile's that no plan knows yet gets the benefit of the doubt: new ranges open
    before libraries learn of them.
    """
    parsed = _parse("+" + number, country) if number else None
    if parsed is None:
        return len(number) >= _SHORTEST_MOBILE
    return phonenumbers.number_type(parsed) not in _NO_TEXTS


@lru_cache(maxsize=65536)
def abroad(number: str, country: str = "CN") -> bool:
    """Whether a canonical number is known to belong to another country."""
    parsed = _parse("+" + number, country) if number else None
    return parsed is not None and phonenumbers.region_code_for_number(parsed) != country


def masked(number: str) -> str:
    """A number for a log line: all but the last four digits hidden."""
    return "*" * max(0, len(number) - 4) + number[-4:]
