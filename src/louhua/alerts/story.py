"""The story of one number, told from its records: what happened and why, and what is awaited next.

Pure: records, profiles and the time in, sentences out. Why a call made which alert is judged by the rules and the
profiles of now; the records do not say what they were then.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from louhua.alerts import rules
from louhua.alerts.history import Alert, History, Text, Watch
from louhua.alerts.states import Kind, State
from louhua.bus.events import CallEnded, Treatment
from louhua.config import Alerts
from louhua.subscribers.profiles import Profile

WHY: Final[Mapping[Kind, str]] = {
    Kind.MISSED: "the caller chose nothing that could be kept; the callee is registered",
    Kind.TEASER: "the caller chose nothing that could be kept; the callee is not registered",
    Kind.DETAIL: "who called, told when the callee sends D",
    Kind.CALL_BACK: "key 2: the caller's own number",
    Kind.CALL_OTHER: "key 3: another number",
    Kind.MESSAGE: "key 1: a message",
    Kind.POWER_ON: "key 4: the caller is told when the phone is on",
}

_OF_MISSED_CALLS: Final = frozenset({Kind.MISSED, Kind.TEASER, Kind.DETAIL})
_DROPPED: Final = "not sent: forbidden by now (block list, privacy, suspension, a message left), or answered by D"
_NO_END_YET: Final = "without an end until its teaser's text has come to its own"
_REFUSED: Final = "the SMSC gave it up or refused it"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened: ``what`` it was, the sentence, and lines that belong to it."""

    at: datetime
    what: str
    told: str
    more: tuple[str, ...] = ()


class Teller:
    """Tells stories. ``moment`` writes a time, ``name`` a number, as the operator's staff read them."""

    def __init__(
        self,
        history: History,
        profile_of: Callable[[str], Profile],
        settings: Alerts,
        now: datetime,
        moment: Callable[[datetime], str],
        name: Callable[[str], str],
    ) -> None:
        self._history = history
        self._profile_of = profile_of
        self._settings = settings
        self._now = now
        self._moment = moment
        self._name = name
        self._texts = {text.id: text for text in history.texts}
        self._watches = {watch.callee: watch for watch in history.watches}

    def story(self) -> list[Entry]:
        """What happened, oldest first."""
        of_calls = {call.id: self._alerts_of(call) for call in self._history.calls}
        told = {alert.id for alerts in of_calls.values() for alert in alerts}
        entries = [self._call(call, of_calls[call.id]) for call in self._history.calls]
        entries += [self._alert(alert) for alert in self._history.alerts if alert.id not in told]
        entries += [self._watch(watch) for watch in self._history.watches]
        entries += [self._text(text) for text in self._history.texts]
        return sorted(entries, key=lambda entry: entry.at)

    def endings(self) -> list[tuple[Alert, str]]:
        """What became of each alert or is awaited next, oldest first."""
        return [(alert, self.ending(alert)) for alert in sorted(self._history.alerts, key=lambda a: a.first_at)]

    def ending(self, alert: Alert) -> str:
        """What became of an alert, or is awaited next and until when."""
        match State(alert.state):
            case State.HELD:
                return self._held(alert)
            case State.OFFERED:
                until = f"until {self._at(alert.expires_at)}" if alert.expires_at else _NO_END_YET
                return f"waits for D {until}{_last(alert)}"
            case State.DUE:
                return self._due(alert)
            case State.SENDING | State.SENT:
                return self._on_its_way(alert)
            case over:
                why = _why_over(alert)
                return f"{over} at {self._at(alert.updated_at)}" + (f": {why}" if why else "")

    def _held(self, alert: Alert) -> str:
        if not alert.watched:
            return (
                f"waits for the callers to be quiet, until {self._at(alert.due_at)} at the latest if nobody calls"
            )
        watch = self._watches.get(alert.callee)
        if watch is None:
            return "waits for the phone, but nothing watches it: this is a fault, report it"
        if alert.kind == Kind.POWER_ON or self._settings.when_watch_ends == "drop":
            return f"waits for the phone: {self._awaited(watch)} (then dropped)"
        return f"waits for the phone: {self._awaited(watch)} (then sent anyway)"

    def _awaited(self, watch: Watch) -> str:
        probe = (
            f"next probe {self._at(watch.next_probe_at)}"
            if watch.next_probe_at
            else "no probe is due: other news only"
        )
        return (
            f"watched since {self._at(watch.since)}, {_count(watch.probes, 'probe')} so far, {probe};"
            f" given up {self._at(watch.limit_at)}"
        )

    def _due(self, alert: Alert) -> str:
        error = _last(alert)
        if alert.due_at is None or alert.due_at <= self._now:
            return f"due since {self._at(alert.due_at)}: waits for room at an SMSC{error}"
        if alert.digest:
            return f"put off by the daily limit: told in a digest at {self._at(alert.due_at)}"
        reason = "tried again" if alert.attempts else "put off by quiet hours: judged again"
        return f"{reason} at {self._at(alert.due_at)} after {_count(alert.attempts, 'attempt')}{error}"

    def _on_its_way(self, alert: Alert) -> str:
        text = self._texts.get(alert.text_id or 0)
        return f"text {alert.text_id} {self._fate(text)}" if text else f"text {alert.text_id} is no longer kept"

    def _fate(self, text: Text) -> str:
        match text.state:
            case "reserving" | "queued":
                return self._waits(text)
            case "sending":
                return "is being submitted"
            case "submitted":
                asked = f": asked at {self._at(text.ask_at)}," if text.ask_at else ";"
                return (
                    f"sent at {self._at(text.submitted_at)} by {text.smsc}, no receipt yet{asked}"
                    f" given up {self._at(text.expires_at)}"
                )
            case "delivered":
                return f"delivered at {self._at(text.final_at)} by {text.smsc}"
            case _:
                return f"failed at {self._at(text.final_at)}: {text.error or _REFUSED}"

    def _waits(self, text: Text) -> str:
        if text.state == "reserving":
            return f"waits for its payer's money since {self._at(text.due_at)}"
        if text.due_at > self._now:
            return f"is tried again at {self._at(text.due_at)}" + (f"; last: {text.error}" if text.error else "")
        return f"waits for {text.smsc or 'any SMSC'} since {self._at(text.due_at)}"

    def _call(self, call: CallEnded, alerts: list[Alert]) -> Entry:
        caller, callee = self._name(call.caller) or "somebody withheld", self._name(call.callee) or "nobody known"
        named = f" ({self._name(call.other_number)})" if call.other_number else ""
        how = ", ".join((call.reason, call.treatment, f"chose {call.choice}{named}", call.outcome))
        told = f"{caller} called {callee}: {how}"
        more = tuple(
            f"alert {alert.id} {alert.kind}, {self._role(call, alert)}: {WHY[Kind(alert.kind)]}"
            for alert in alerts
        )
        return Entry(at=call.started_at, what="call", told=told, more=more or (self._why_none(call),))

    def _role(self, call: CallEnded, alert: Alert) -> str:
        """Whether a call made an alert or merged into one."""
        return "made" if alert.first_at == call.started_at else f"merged, {_count(alert.calls, 'call')}"

    def _alerts_of(self, call: CallEnded) -> list[Alert]:
        """The alerts that count a call: those of its key whose time it is in; what was chosen, if it was kept."""
        alerts = [
            alert
            for alert in self._history.alerts
            if alert.callee == call.callee
            and (alert.caller == call.caller or alert.kind == Kind.TEASER)
            and alert.first_at <= call.started_at <= alert.last_at
            and alert.kind in {rules.KINDS.get(call.choice), *_OF_MISSED_CALLS}
        ]
        chosen = [alert for alert in alerts if alert.kind not in _OF_MISSED_CALLS]
        return alerts if self._settings.missed_after_message else chosen or alerts

    def _why_none(self, call: CallEnded) -> str:
        callee, caller = self._profile_of(call.callee), self._profile_of(call.caller)
        reasons = {
            "the callee is not known": not call.callee,
            "the callee's number is not served": not callee.served,
            "the callee's service is suspended": callee.suspended,
            "the caller is blocked": call.treatment is Treatment.BLOCK or callee.blocks(call.caller),
            "the callee cannot get texts": not callee.textable,
        }
        if rules.drafts_of(call, callee, caller, self._settings):
            return "no alert of it is kept: its time is over, or it was handled before the profile changed"
        return "no alert: " + next((why for why, so in reasons.items() if so), "by the rules")

    def _alert(self, alert: Alert) -> Entry:
        who = self._name(alert.caller) or "all callers"
        calls = f"{_count(alert.calls, 'call')} of {who} to {self._name(alert.callee)}"
        told = f"alert {alert.id} {alert.kind} on {calls}"
        return Entry(at=alert.first_at, what="alert", told=told, more=(WHY[Kind(alert.kind)],))

    def _watch(self, watch: Watch) -> Entry:
        told = f"{self._name(watch.callee)} is waited for; last call {self._at(watch.last_call_at)}"
        return Entry(at=watch.since, what="watch", told=told, more=(self._awaited(watch),))

    def _text(self, text: Text) -> Entry:
        of = f" of {_list('alert', text.alert_ids)}" if text.alert_ids else ""
        told = f"{text.id}{of} to {self._name(text.recipient)}: {self._fate(text)}"
        again = ("sent once more, as it was not known whether the SMSC had it",) if text.resent else ()
        tries = (f"{text.attempts} attempts",) if text.attempts > 1 else ()
        parts = tuple(
            f"part {part.seq + 1}, {part.smsc_id or 'no id'} at {text.smsc}: {part.state} {part.error}".rstrip()
            for part in text.parts
        )
        return Entry(
            at=text.created_at,
            what="probe" if text.kind == "probe" else "text",
            told=told,
            more=again + tries + parts,
        )

    def _at(self, at: datetime | None) -> str:
        return self._moment(at) if at else "no time"


def _last(alert: Alert) -> str:
    """Why its last text failed, if one did."""
    return f"; last: {alert.error}" if alert.error else ""


def _why_over(alert: Alert) -> str:
    """Why a final alert ended; nothing more is to be said of a delivered one."""
    match alert.state:
        case State.FAILED:
            return alert.error or _REFUSED
        case State.EXPIRED:
            waited = "no D came in time" if alert.kind == Kind.DETAIL else "the phone was off until the limit"
            return f"nothing was sent: {waited}{_last(alert)}"
        case State.DROPPED:
            return _DROPPED
        case _:
            return ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _list(what: str, ids: tuple[int, ...]) -> str:
    return f"{what if len(ids) == 1 else what + 's'} {', '.join(map(str, ids))}"
