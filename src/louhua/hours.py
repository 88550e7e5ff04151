"""Hours of the day as people write them: ``22:00-07:00``; ``off`` is never."""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec
from pydantic import PlainSerializer, PlainValidator

_FORM: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-3]|24):([0-5]\d)")
_DAY: Final = 24 * 60


class Hours(msgspec.Struct, frozen=True):
    """From ``start`` until before ``end``, minutes since midnight; past midnight when ``end`` is the smaller.

    Equal ends are no time at all.
    """

    start: int
    end: int

    def __contains__(self, local: datetime) -> bool:
        """Whether a time of the operator's zone is within."""
        minute = local.hour * 60 + local.minute
        if self.start <= self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end

    def over(self, local: datetime) -> datetime:
        """When they are over, for a time within; in the same zone."""
        end = local.replace(hour=self.end // 60 % 24, minute=self.end % 60, second=0, microsecond=0)
        return end if end > local else end + timedelta(days=1)

    def __str__(self) -> str:
        if self.start == self.end:
            return "off"
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


NEVER: Final = Hours(0, 0)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Hours:
    if text.strip().lower() == "off":
        return NEVER
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} are no hours; write them like 22:00-07:00, or off")
    start, end = (int(found[hour]) * 60 + int(found[hour + 1]) for hour in (1, 3))
    if start == end or end > _DAY:
        raise ValueError(f"{text!r}: write two different times between 00:00 and 24:00, or off")
    return Hours(start, end)


def parse_hours(value: Any) -> Hours:
    """Read ``"22:00-07:00"`` or ``"off"``; raises ``ValueError`` with the way out."""
    return value if isinstance(value, Hours) else _parse(str(value))


HoursOfDay = Annotated[Hours, PlainValidator(parse_hours), PlainSerializer(str)]
"""An ``Hours`` field of the configuration."""
