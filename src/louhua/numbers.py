"""Telephone numbers: one canonical form inside, the form people dial outside.

Canonical is E.164 without the plus sign (``8613800138000``); a short code or service number (``10086``,
``06001``) stays as dialled. ``phonenumbers`` knows countries; it does not know short codes, so what it does
not accept as a possible number is kept as it is.
"""

import re
from functools import cache, lru_cache
from typing import Final

import msgspec
import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc, PhoneNumberFormat, PhoneNumberType

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


class _Mobiles(msgspec.Struct, frozen=True):
    """How the mobile numbers of one country look, by the patterns that ``phonenumbers`` itself goes by."""

    code: str
    longest: int
    mobile: re.Pattern[str]
    general: re.Pattern[str]
    prefixed: re.Pattern[str]
    other: re.Pattern[str]

    def among(self, text: str) -> str:
        """The significant digits when this is plainly a mobile number; empty when that takes a closer look."""
        rest = text
        if text.startswith("+"):
            rest = text[1 + len(self.code) :] if text.startswith(self.code, 1) else ""
        elif text.startswith(self.code) and len(text) > self.longest:
            rest = text[len(self.code) :]
        plain = self.mobile.fullmatch(rest) and self.general.fullmatch(rest)
        if not plain or self.prefixed.match(text) or self.prefixed.match(rest) or self.other.fullmatch(rest):
            return ""
        return rest


@cache
def _mobiles(country: str) -> _Mobiles | None:
    """``None`` where the calling code is shared with other countries."""
    known = PhoneMetadata.metadata_for_region(country)
    if known is None or known.country_code is None or known.general_desc is None:
        return None
    if len(phonenumbers.COUNTRY_CODE_TO_REGION_CODE[known.country_code]) > 1:
        return None
    prefixes = ("0", known.national_prefix_for_parsing, known.international_prefix)
    others = (known.toll_free, known.premium_rate, known.shared_cost, known.uan, known.voicemail)
    return _Mobiles(
        code=str(known.country_code),
        longest=max(known.general_desc.possible_length),
        mobile=re.compile(_pattern(known.mobile)),
        general=re.compile(_pattern(known.general_desc)),
        prefixed=re.compile("|".join(f"(?:{prefix})" for prefix in prefixes if prefix)),
        other=re.compile("|".join(f"(?:{_pattern(desc)})" for desc in others)),
    )


def _pattern(desc: PhoneNumberDesc | None) -> str:
    """What a description matches; nothing at all where there is none."""
    return str(desc.national_number_pattern) if desc and desc.national_number_pattern else r"(?!)"


def _plain_mobile(text: str, country: str) -> str:
    """The canonical form of what is plainly a mobile number of the country, in a third of the time."""
    mobiles = _mobiles(country)
    found = mobiles.among(text) if mobiles else ""
    return mobiles.code + found if mobiles and found else ""


@lru_cache(maxsize=65536)
def canonical(dialled: str, country: str = "CN") -> str:
    """The canonical form of what was dialled or signalled; empty when it is not a number at all.

    ``country`` is ISO 3166, for numbers without an international prefix. Numbers that arrive as E.164
    without the plus sign (``8613800138000``) are recognised.
    """
    text = _SEPARATORS.sub("", dialled)
    if not _DIALLED.fullmatch(text) or _NOT_SET.fullmatch(text):
        return ""
    return _plain_mobile(text, country) or _read(text, country)


def _read(text: str, country: str) -> str:
    """The canonical form of digits, perhaps with a plus sign before them."""
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
    if number and _plain_mobile("+" + number, country) == number:
        return True
    parsed = _parse("+" + number, country) if number else None
    if parsed is None:
        return len(number) >= _SHORTEST_MOBILE
    return phonenumbers.number_type(parsed) not in _NO_TEXTS


@lru_cache(maxsize=65536)
def abroad(number: str, country: str = "CN") -> bool:
    """Whether a canonical number is known to belong to another country."""
    if number and _plain_mobile("+" + number, country) == number:
        return False
    parsed = _parse("+" + number, country) if number else None
    return parsed is not None and phonenumbers.region_code_for_number(parsed) != country


def masked(number: str) -> str:
    """A number for a log line: all but the last four digits hidden."""
    return "*" * max(0, len(number) - 4) + number[-4:]
