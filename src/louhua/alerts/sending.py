"""What becomes of due alerts: told now, in a text of their own or a digest; put off; or never told.

Source: the requirement's 短信合并 and 隐私防护; limits as operators sell them (20 texts a person and day, up to
nine numbers in up to three messages). Pure: the worker asks the database and stores the result.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Final

import msgspec

from louhua.alerts.states import Kind
from louhua.alerts.store import Due
from louhua.config import Alerts
from louhua.subscribers.profiles import Profile, Sender

DIGEST_AT: Final = time(8, 0)
"""When people are told of what was beyond yesterday's limit."""

ABOUT_CALLERS: Final = frozenset({Kind.MISSED, Kind.CALL_BACK, Kind.CALL_OTHER, Kind.MESSAGE})
"""Kinds that tell a callee of one caller: several fit a digest."""

ASKED_FOR: Final = frozenset({Kind.DETAIL})
"""Kinds somebody asked for a moment ago: no hours are too quiet for them."""

UNCOUNTED: Final = ASKED_FOR | {Kind.POWER_ON}
"""Kinds that the daily limit is not for: their recipients asked, and tomorrow the phone may be off again."""

NAMES_CALLER: Final = ABOUT_CALLERS | {Kind.DETAIL}

ProfileOf = Callable[[str], Profile]


class Delay(msgspec.Struct, frozen=True):
    """An alert that is judged again at ``due_at``; ``digest``: it is told with others then."""

    id: int
    due_at: datetime
    digest: bool


class Judged(msgspec.Struct, frozen=True):
    """Due alerts: those that may be told now, those never (by id), those later."""

    told: list[Due]
    forbidden: list[int]
    delayed: list[Delay]


class Telling(msgspec.Struct, frozen=True):
    """Alerts that go into one text; several are a digest."""

    recipient: str
    alerts: tuple[Due, ...]

    @property
    def counted(self) -> bool:
        """Whether the daily limit is for it."""
        return self.alerts[0].kind not in UNCOUNTED


def judge(
    due: Sequence[Due],
    profile_of: ProfileOf,
    messages: Collection[tuple[str, str]],
    settings: Alerts,
    local: datetime,
) -> Judged:
    """Who may be told now.

    ``messages``: (callee, caller) with a message of late; ``local``: now, in the service's zone.
    """
    judged = Judged([], [], [])
    for alert in due:
        if not _may_be_told(alert, profile_of, messages, settings, local):
            judged.forbidden.append(alert.id)
            continue
        own = profile_of(alert.recipient).quiet_hours
        quiet = settings.quiet_hours if own is None else own
        if alert.kind not in ASKED_FOR and local in quiet:
            judged.delayed.append(Delay(alert.id, quiet.over(local), False))
        else:
            judged.told.append(alert)
    return judged


def _may_be_told(
    alert: Due,
    profile_of: ProfileOf,
    messages: Collection[tuple[str, str]],
    settings: Alerts,
    local: datetime,
) -> bool:
    callee = profile_of(alert.callee)
    if callee.suspended or profile_of(alert.recipient).suspended or callee.blocks(alert.caller):
        return False
    if alert.kind is Kind.POWER_ON:
        return callee.may_learn_power_on(alert.caller, local)
    if alert.kind is Kind.MISSED and not settings.missed_after_message:
        return not alert.caller or (alert.callee, alert.caller) not in messages
    return True


def tellings(told: Sequence[Due], profile_of: ProfileOf) -> list[Telling]:
    """One text an alert, but for those who want digests and alerts that the daily limit put off."""
    single: list[Telling] = []
    together: dict[str, list[Due]] = {}
    for alert in told:
        if alert.kind in ABOUT_CALLERS and (alert.digest or profile_of(alert.recipient).digest):
            together.setdefault(alert.recipient, []).append(alert)
        else:
            single.append(Telling(alert.recipient, (alert,)))
    return single + [Telling(recipient, tuple(alerts)) for recipient, alerts in together.items()]


def limit_of(profile: Profile, settings: Alerts) -> int:
    """Texts a day for somebody; 0 is without limit."""
    return settings.daily_limit if profile.daily_limit is None else profile.daily_limit


def wanted(texts: Sequence[Telling], profile_of: ProfileOf, settings: Alerts) -> dict[str, int]:
    """How many texts each limited recipient would get."""
    return Counter(
        text.recipient for text in texts if text.counted and limit_of(profile_of(text.recipient), settings)
    )


def within_limits(
    texts: Sequence[Telling], totals: Mapping[str, int], profile_of: ProfileOf, settings: Alerts
) -> tuple[list[Telling], list[Telling]]:
    """The texts that may go out today, and those beyond the limits, which are the last ones.

    ``totals``: today's texts to each recipient, with all of these.
    """
    excess = {
        number: total - limit_of(profile_of(number), settings)
        for number, total in totals.items()
        if total > limit_of(profile_of(number), settings)
    }
    within: list[Telling] = []
    beyond: list[Telling] = []
    for text in reversed(texts):
        if text.counted and excess.get(text.recipient, 0) > 0:
            excess[text.recipient] -= 1
            beyond.append(text)
        else:
            within.append(text)
    return within[::-1], beyond[::-1]


def put_off(texts: Sequence[Telling], local: datetime) -> list[Delay]:
    """What is beyond today's limit is told tomorrow, in one digest."""
    morning = datetime.combine(local.date() + timedelta(days=1), DIGEST_AT, local.tzinfo)
    return [Delay(alert.id, morning, True) for text in texts for alert in text.alerts]


def caller_as_sender(text: Telling, profile: Profile, settings: Alerts) -> bool:
    """Whether a text comes from the caller's number, so that the phone shows the contact."""
    (first, *others) = text.alerts
    wish = profile.sender or settings.sender
    return wish == Sender.CALLER and not others and first.kind in NAMES_CALLER and bool(first.caller)
