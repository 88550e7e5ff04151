"""Which alerts a forwarded call makes, and how calls merge.

Source: the design's *An alert*; the requirement's 主叫服务, 被叫服务, 开机预约与短信合并, 隐私防护.

Pure: events and profiles in, drafts out. ``store`` merges drafts into the open alerts.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from louhua.alerts.states import Kind, State
from louhua.bus.events import CallEnded, Choice, Reason, Treatment
from louhua.config import Alerts
from louhua.subscribers.profiles import Profile

PHONE_OFF: Final = frozenset({Reason.UNREACHABLE, Reason.UNKNOWN})
"""Reasons after which we wait for the phone. Gateways turn *unavailable* into *unknown*, so it counts."""

PHONE_ON: Final = frozenset({Reason.BUSY, Reason.NO_ANSWER})
"""Reasons that prove that the phone is on: it rang, or it was talking."""

LONGEST_QUIET: Final = 10
"""Calls that follow one another put an alert off, but by this many quiet times at most."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as one call, or several merged ones, would make it.

    ``due_at`` is ``None`` while the phone is awaited; ``latest_at`` is the last moment a quiet time may
    reach.
    """

    callee: str
    caller: str
    kind: Kind
    recipient: str
    state: State
    calls: int
    first_at: datetime
    last_at: datetime
    other_number: str = ""
    watched: bool
    due_at: datetime | None
    latest_at: datetime | None

    @property
    def key(self) -> tuple[str, str, str]:
        """One open alert has it."""
        return self.callee, self.caller, self.kind


def drafts_of(call: CallEnded, callee: Profile, caller: Profile, settings: Alerts) -> list[Draft]:
    """The alerts that a new call makes: none, one, or a teaser with the detail it offers."""
    if not call.callee or not callee.served or callee.suspended:
        return []
    if call.treatment is Treatment.BLOCK or callee.blocks(call.caller):
        return []
    kind = KINDS.get(call.choice)
    if kind is None or not _can_be_kept(kind, call, callee, caller):
        return _missed(call, callee, settings)
    return [_draft(call, kind, settings)]


def _missed(call: CallEnded, callee: Profile, settings: Alerts) -> list[Draft]:
    if not callee.textable:
        return []
    if callee.registered:
        return [_draft(call, Kind.MISSED, settings)]
    return [_draft(call, Kind.TEASER, settings), _draft(call, Kind.DETAIL, settings)]


def _can_be_kept(kind: Kind, call: CallEnded, callee: Profile, caller: Profile) -> bool:
    """Whether what was chosen can be done; a choice that cannot leaves a missed call like any other."""
    match kind:
        case Kind.POWER_ON:
            tellable = (caller.textable and not caller.suspended) or bool(call.other_number)
            return tellable and callee.may_learn_power_on(call.caller)
        case Kind.CALL_BACK:
            return bool(call.caller) and callee.textable
        case _:
            return callee.textable


KINDS: Final = {
    Choice.CALL_BACK: Kind.CALL_BACK,
    Choice.CALL_OTHER: Kind.CALL_OTHER,
    Choice.MESSAGE: Kind.MESSAGE,
    Choice.POWER_ON: Kind.POWER_ON,
}


def _draft(call: CallEnded, kind: Kind, settings: Alerts) -> Draft:
    watched = kind is Kind.POWER_ON or call.reason in PHONE_OFF
    timed = not watched and kind is not Kind.DETAIL
    return Draft(
        callee=call.callee,
        caller="" if kind is Kind.TEASER else call.caller,
        kind=kind,
        recipient=call.other_number or call.caller if kind is Kind.POWER_ON else call.callee,
        state=State.OFFERED if kind is Kind.DETAIL else State.HELD,
        calls=1,
        first_at=call.started_at,
        last_at=call.started_at,
        other_number=call.other_number if kind is Kind.CALL_OTHER else "",
        watched=watched and kind is not Kind.DETAIL,
        due_at=call.ended_at + settings.quiet_time if timed else None,
        latest_at=call.ended_at + LONGEST_QUIET * settings.quiet_time if timed else None,
    )


def merge(drafts: Iterable[Draft]) -> list[Draft]:
    """One draft a key: counts add up, the latest call decides the number, the waiting and the time.

    The result is in the order of its keys, so that workers lock rows in one order.
    """
    merged: dict[tuple[str, str, str], Draft] = {}
    for draft in drafts:
        other = merged.get(draft.key)
        merged[draft.key] = draft if other is None else _merge_two(other, draft)
    return [merged[key] for key in sorted(merged)]


def _merge_two(one: Draft, other: Draft) -> Draft:
    earlier, later = (one, other) if one.last_at <= other.last_at else (other, one)
    due_at, latest_at = later.due_at, later.latest_at
    if due_at is not None and earlier.latest_at is not None:
        latest_at = min(earlier.latest_at, later.latest_at or earlier.latest_at)
        due_at = min(max(due_at, earlier.due_at or due_at), latest_at)
    return msgspec.structs.replace(
        later,
        calls=one.calls + other.calls,
        first_at=min(one.first_at, other.first_at),
        due_at=due_at,
        latest_at=latest_at,
    )


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """A callee's phone is awaited since ``since``; ``last_call_at`` is the last call that found it off."""

    callee: str
    since: datetime
    last_call_at: datetime


def waits_of(drafts: Iterable[Draft]) -> list[Wait]:
    """The watches that merged drafts need, one a callee, in the order of the callees."""
    waits: dict[str, Wait] = {}
    for draft in drafts:
        if draft.watched:
            old = waits.get(draft.callee)
            waits[draft.callee] = Wait(
                callee=draft.callee,
                since=min(draft.first_at, old.since) if old else draft.first_at,
                last_call_at=max(draft.last_at, old.last_call_at) if old else draft.last_at,
            )
    return [waits[callee] for callee in sorted(waits)]


def proofs_of(calls: Iterable[CallEnded]) -> Mapping[str, CallEnded]:
    """For each callee whose phone rang or was busy: the latest such call."""
    proofs: dict[str, CallEnded] = {}
    for call in calls:
        if call.reason in PHONE_ON and call.callee:
            old = proofs.get(call.callee)
            if old is None or old.started_at < call.started_at:
                proofs[call.callee] = call
    return proofs


_LADDER: Final = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))


def retry_after(attempts: int) -> timedelta | None:
    """When an alert whose text failed ``attempts`` times is tried again; ``None``: not any more."""
    return _LADDER[attempts - 1] if attempts <= len(_LADDER) else None
