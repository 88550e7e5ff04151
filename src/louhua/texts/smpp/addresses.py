"""Numbers as SMPP addresses: type of number, numbering plan and digits (SMPP 3.4, sections 5.2.5 and 5.2.6).

A canonical number that numbering plans know is international E.164; a short code is of unknown type in the
ISDN plan, which SMSCs take for their own; anything with letters is an alphanumeric sender.
"""

import re
from functools import lru_cache
from typing import Final

from louhua.numbers import canonical, national

_INTERNATIONAL: Final = 1
_NATIONAL: Final = 2
_ALPHANUMERIC: Final = 5

_SURELY_INTERNATIONAL: Final = re.compile(r"(?!0|10)\d{12,15}")
"""E.164 has no country code 0, and none whose numbers begin with 10 (China's 106… are service numbers)."""
_CHINESE_MOBILE: Final = re.compile(r"861[3-9]\d{9}")
"""Canonical as it stands. The patterns spare the numbering plan, which takes 30 µs for a number."""

Address = tuple[int, int, str]
"""Type of number, numbering plan indicator, address."""


@lru_cache(maxsize=65536)
def to_address(number: str) -> Address:
    """The address of a canonical number, a short code or a name."""
    if not number:
        return (0, 0, "")
    if not number.isdigit():
        return (_ALPHANUMERIC, 0, number)
    known = _SURELY_INTERNATIONAL.fullmatch(number) is not None or national(number) != number
    return (_INTERNATIONAL if known else 0, 1, number)


@lru_cache(maxsize=65536)
def to_number(ton: int, address: str, country: str = "CN") -> str:
    """The canonical number of an address, where numbers without a country's code are of ``country``.

    A name stays a name.
    """
    if ton == _ALPHANUMERIC or (ton != _NATIONAL and _CHINESE_MOBILE.fullmatch(address)):
        return address
    if ton == _INTERNATIONAL and not address.startswith("+"):
        return canonical("+" + address, country) or address
    return canonical(address, country) or address
