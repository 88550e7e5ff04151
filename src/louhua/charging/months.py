"""Days and months as they are charged: the calendar's, in the service's time zone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The day of a moment."""
    return at.astimezone(zone).date()


def today_in(zone: ZoneInfo) -> date:
    """The day that it is now."""
    return local_day(datetime.now(UTC), zone)


def midnight_after(at: datetime, zone: ZoneInfo) -> datetime:
    """When the day of a moment ends, in UTC."""
    tomorrow = local_day(at, zone) + timedelta(days=1)
    return datetime.combine(tomorrow, time(0), zone).astimezone(UTC)


def month_of(day: date) -> date:
    """The first day of a day's month: what the month is called by."""
    return day.replace(day=1)


def last_month(day: date) -> date:
    """The month before a day's."""
    return month_of(month_of(day) - timedelta(days=1))


def next_month(day: date) -> date:
    """The month after a day's."""
    return month_of(month_of(day) + timedelta(days=31))


def read_month(text: str, today: date) -> date:
    """``2026-11`` as its first day; raises ``ValueError`` with the way out for what is none, or is to come."""
    try:
        month = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  # a month has no zone
    except ValueError:
        raise ValueError(f"{text!r} is not a month; write it like {today:%Y-%m}") from None
    if month > today:
        raise ValueError(f"{text} has not begun; the latest is {today:%Y-%m}")
    return month
