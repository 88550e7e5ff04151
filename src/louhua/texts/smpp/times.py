"""Times as SMPP 3.4 writes them (section 7.1.1): ``YYMMDDhhmmsstnnp``, absolute with an offset or relative.

Relative validity is what we send, so that no clock but the SMSC's matters; both forms are read.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_FORM: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d)(\d\d)([R+-])")
_QUARTER: Final = timedelta(minutes=15)
LONGEST_RELATIVE: Final = timedelta(days=30)
"""Relative times have no more: months and years are left at zero, as their length is nowhere defined."""


def relative(length: timedelta) -> str:
    """A length of time from now, to the second, at most 30 days."""
    seconds = max(0, int(min(length, LONGEST_RELATIVE).total_seconds()))
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"


def absolute(moment: datetime) -> str:
    """A moment in UTC, to the tenth of a second."""
    at = moment.astimezone(UTC)
    return f"{at:%y%m%d%H%M%S}{at.microsecond // 100_000}00+"


def parse(text: str, now: datetime) -> datetime | None:
    """The moment that is meant, or ``None`` for an empty field.

    Raises ``ValueError`` when it is not such a time. A year counts as 365 days, a month as 30.
    """
    if not text:
        return None
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an SMPP time")
    year, month, day, hour, minute, second, tenth, quarters = map(int, match.groups()[:8])
    sign = match[9]
    if sign == "R":
        return now + timedelta(days=year * 365 + month * 30 + day, hours=hour, minutes=minute, seconds=second)
    offset = quarters * _QUARTER * (1 if sign == "+" else -1)
    return datetime(2000 + year, month, day, hour, minute, second, tenth * 100_000, timezone(offset))
