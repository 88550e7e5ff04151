"""Lengths of time as people write them in a configuration: ``30s``, ``10m``, ``72h``, ``7d``."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_S: Final = 366 * 86400
_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")


def parse_duration(value: Any) -> timedelta:
    """Read ``"90s"``, ``"1h 30m"`` or a number of seconds; raise ``ValueError`` with the way out."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and 0 <= value <= _LONGEST_S:
        return timedelta(seconds=value)
    text = str(value).strip()
    parts = _FORM.findall(text)
    if not parts or _FORM.sub("", text).strip():
        raise ValueError(f"{value!r} is not a duration; write it like 30s, 10m, 72h or 7d")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST_S:
        raise ValueError(f"{value!r} is too long; a year is the longest")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """Write a duration with the largest unit that divides it."""
    seconds = value.total_seconds()
    for unit, size in reversed(_UNITS.items()):
        if seconds and seconds % size == 0:
            return f"{int(seconds / size)}{unit}"
    return f"{seconds:g}s"


Duration = Annotated[timedelta, PlainValidator(parse_duration), PlainSerializer(format_duration)]
"""A ``timedelta`` field of the configuration."""
