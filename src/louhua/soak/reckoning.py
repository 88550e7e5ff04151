"""The reckoning: what the load generator knows, against what was recorded and what the phones got. Pure.

Calls first: each call that the platform took is recorded once, as what its caller may have chosen. Then texts:
each recorded call is counted once over the texts that tell of its kind, no text came twice unless the outbox says
that it was sent again, none tells of calls to a phone that has been off ever since, and nobody hears of a phone
whose owner tells nobody. Then money.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from louhua.alerts.states import Kind
from louhua.bus.events import Choice, Reason
from louhua.soak import money
from louhua.soak.difference import Difference
from louhua.soak.inbox import Phones, Saying, Text, saying, texts
from louhua.soak.ledger import Call, Person, must_be_recorded, possible_choices
from louhua.soak.money import Books, Takings
from louhua.soak.smsc import JournalLine

LOST_CALL: Final = "call lost"
DOUBLED_CALL: Final = "call recorded twice"
UNKNOWN_CALL: Final = "call that nobody made"
WRONG_CALL: Final = "call recorded wrongly"
LOST_TEXT: Final = "text lost"
DOUBLED_TEXT: Final = "text doubled"
UNKNOWN_TEXT: Final = "text that nobody wrote"
PHONE_OFF: Final = "told while the phone was off"
FORBIDDEN: Final = "power-on text that is forbidden"

_ON_ITS_WAY_S: Final = 60.0
"""So long an INVITE may be on its way: it is repeated for half a minute, and a frozen process finds it later."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A call as the platform recorded it."""

    id: str
    sip_call_id: str
    caller: str
    callee: str
    choice: Choice


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A text in the outbox, and how many calls its alert counts."""

    id: int
    recipient: str
    resent: bool
    alert_id: int
    alert_calls: int


class Reckoning(msgspec.Struct, kw_only=True):
    """What was found. ``marked`` are the texts that were sent again as nobody knew whether the SMSC had them,
    ``resent`` the messages that came twice because of it. ``late`` are the texts that were sent to a phone which
    was off, because a call that had met it on reached the platform after it went off.
    """

    calls: int = 0
    answered: int = 0
    taken: int = 0
    recorded: int = 0
    texts: int = 0
    told: int = 0
    owed: int = 0
    marked: int = 0
    resent: int = 0
    late: int = 0
    takings: Takings = Takings()
    differences: list[Difference] = []

    @property
    def well(self) -> bool:
        """Whether all is as it must be."""
        return not self.differences


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to judge by."""

    people: Sequence[Person]
    calls: Sequence[Call]
    records: Sequence[Record]
    outbox: Sequence[Written]
    journal: Sequence[JournalLine]
    books: Books


class _Key(msgspec.Struct, frozen=True):
    """Texts of one kind on one phone about one number: over them each call counts once."""

    recipient: str
    about: str
    kind: Kind

    @property
    def phone(self) -> str:
        """Whose phone is awaited."""
        return self.about if self.kind is Kind.POWER_ON else self.recipient


class _Told(msgspec.Struct, frozen=True):
    """A text, what it says, and its row in the outbox."""

    text: Text
    calls: int
    row: Written


def reckon(evidence: Evidence) -> Reckoning:
    """Compare; pure."""
    people = {person.number: person for person in evidence.people}
    phones = Phones(evidence.journal)
    got = texts(evidence.journal)
    owed = _owed(evidence, people)
    told, unknown = _told(got, evidence.outbox)
    resent, late, differences = _texts(evidence, people, owed, told, phones)
    differences = [*_calls(evidence), *unknown, *differences]
    differences += [
        Difference(PHONE_OFF, f"{text.recipient} got a text at {_clock(at)}")
        for text in got
        for at in text.got_at
        if (since := phones.off_since(text.recipient, at)) is not None and since < at
    ]
    differences += money.differences(evidence.books, got, people)
    return Reckoning(
        calls=len(evidence.calls),
        answered=sum(call.ended is not None and call.ended.status == 200 for call in evidence.calls),
        taken=sum(map(must_be_recorded, evidence.calls)),
        recorded=len(evidence.records),
        texts=sum(text.copies for text in got),
        told=sum(_count(items) for items in told.values()),
        owed=sum(map(len, owed.values())),
        marked=sum(row.resent for row in evidence.outbox),
        resent=resent,
        late=late,
        takings=money.takings(evidence.books, got),
        differences=differences,
    )


def _texts(
    evidence: Evidence,
    people: Mapping[str, Person],
    owed: Mapping[_Key, Sequence[float]],
    told: Mapping[_Key, Sequence[_Told]],
    phones: Phones,
) -> tuple[int, int, list[Difference]]:
    """Judge the texts: how many came again, how many were sent on late news, and what is wrong."""
    proofs = _proofs(evidence.calls)
    differences: list[Difference] = []
    resent = late = 0
    for key in sorted(owed.keys() | told.keys(), key=lambda key: (key.recipient, key.about, key.kind)):
        if key in told and key.kind is Kind.POWER_ON and not _tells(people.get(key.about)):
            differences.append(Difference(FORBIDDEN, _name(key)))
            continue
        again, found = _judge(key, owed.get(key, []), told.get(key, []))
        resent += again
        for off_since, difference in _while_off(key, owed.get(key, []), told.get(key, []), phones):
            if _was_late(proofs.get(key.phone, []), off_since):
                late += 1
            else:
                found.append(difference)
        differences += found
    return resent, late, differences


def _tells(person: Person | None) -> bool:
    """Whether others may learn that this phone is on."""
    return person is None or person.tells_power_on


def _calls(evidence: Evidence) -> Iterator[Difference]:
    """Each call that was taken is recorded once, and as it was."""
    by_id: dict[str, list[Record]] = {}
    for record in evidence.records:
        by_id.setdefault(record.sip_call_id, []).append(record)
    for call in evidence.calls:
        records = by_id.pop(call.dialled.call_id, [])
        if not records and must_be_recorded(call):
            yield Difference(LOST_CALL, _describe(call))
        elif len(records) > 1:
            yield Difference(
                DOUBLED_CALL, f"{_describe(call)}: records {', '.join(record.id for record in records)}"
            )
        elif records and (why := _wrong(call, records[0])):
            yield Difference(WRONG_CALL, f"{_describe(call)}: record {records[0].id} {why}")
    for call_id, records in by_id.items():
        yield Difference(UNKNOWN_CALL, f"{call_id}: records {', '.join(record.id for record in records)}")


def _wrong(call: Call, record: Record) -> str:
    """What a record says that its caller does not; empty when all is well."""
    if (record.caller, record.callee) != (call.dialled.caller, call.dialled.callee):
        return f"is of a call from {record.caller} to {record.callee}"
    if record.choice not in possible_choices(call):
        return f"has the choice {record.choice}"
    return ""


def _owed(evidence: Evidence, people: Mapping[str, Person]) -> dict[_Key, list[float]]:
    """What each phone is to be told of: when the calls were made."""
    dialled = {call.dialled.call_id: call.dialled.at for call in evidence.calls}
    owed: dict[_Key, list[float]] = {}
    for record in evidence.records:
        if record.callee in people and record.sip_call_id in dialled:
            key = _key_of(record, people[record.callee])
            owed.setdefault(key, []).append(dialled[record.sip_call_id])
    return owed


_TOLD_OF: Final = {
    Choice.CALL_BACK: Kind.CALL_BACK,
    Choice.CALL_OTHER: Kind.CALL_OTHER,
    Choice.MESSAGE: Kind.MESSAGE,
}


def _key_of(record: Record, callee: Person) -> _Key:
    """Who is to be told what of a call. A promise that its callee forbids leaves a missed call."""
    if record.choice is Choice.POWER_ON and callee.tells_power_on:
        return _Key(record.caller, record.callee, Kind.POWER_ON)
    if kind := _TOLD_OF.get(record.choice):
        return _Key(record.callee, record.caller, kind)
    if callee.registered:
        return _Key(record.callee, record.caller, Kind.MISSED)
    return _Key(record.callee, "", Kind.TEASER)


def _told(got: Sequence[Text], outbox: Sequence[Written]) -> tuple[dict[_Key, list[_Told]], list[Difference]]:
    """The texts by what they are about, and those that cannot be understood."""
    rows = {(row.recipient, row.id & 0xFFFF): row for row in outbox}
    told: dict[_Key, list[_Told]] = {}
    unknown: list[Difference] = []
    for text in got:
        said, row = saying(text.body), rows.get((text.recipient, text.reference))
        if said is None or row is None:
            unknown.append(Difference(UNKNOWN_TEXT, f"{text.recipient} at {_clock(text.taken_at)}: {text.body}"))
        else:
            key = _Key(text.recipient, said.about, said.kind)
            told.setdefault(key, []).append(_Told(text, _calls_of(said, row), row))
    return told, unknown


def _calls_of(said: Saying, row: Written) -> int:
    """How many calls a text tells of; one that does not say is asked for in the outbox."""
    return said.calls or row.alert_calls


def _judge(key: _Key, owed: Sequence[float], told: Sequence[_Told]) -> tuple[int, list[Difference]]:
    """Judge the texts of one kind on one phone about one number: how many came again, and what is wrong."""
    again, differences = _copies(key, told)
    count = _count(told)
    if count != len(owed):
        what = LOST_TEXT if count < len(owed) else DOUBLED_TEXT
        calls = ", ".join(_clock(at) for at in sorted(owed))
        came = ", ".join(f"{_clock(item.text.taken_at)} ({item.calls})" for item in told)
        differences.append(
            Difference(
                what, f"{_name(key)}: {len(owed)} calls at {calls or '-'}; told of {count} at {came or '-'}"
            )
        )
    return again, differences


def _count(told: Sequence[_Told]) -> int:
    """Over how many calls the texts count; an alert whose text was written again counts once."""
    return sum({item.row.alert_id: item.calls for item in told}.values())


def _copies(key: _Key, told: Sequence[_Told]) -> tuple[int, list[Difference]]:
    """What came more than once: allowed where the outbox says that nobody knew whether it had been sent."""
    again, differences = 0, []
    last = {item.row.alert_id: item for item in told}
    for item in told:
        surplus = item.text.copies - (1 if item is last[item.row.alert_id] else 0)
        if surplus and item.row.resent:
            again += surplus
        elif surplus:
            detail = f"{_name(key)}: text {item.row.id}, taken at {_clock(item.text.taken_at)}"
            differences.append(Difference(DOUBLED_TEXT, f"{detail}, came {item.text.copies} times"))
    return again, differences


def _while_off(
    key: _Key, owed: Sequence[float], told: Sequence[_Told], phones: Phones
) -> list[tuple[float, Difference]]:
    """Texts that must be about calls which found the phone off, and were sent before it was back: since when."""
    seen: Counter[int] = Counter()
    early = []
    for item in told:
        seen[item.row.alert_id] = item.calls
        since = phones.off_since(key.phone, item.text.taken_at)
        if since is not None and seen.total() > sum(at < since for at in owed):
            detail = (
                f"text {item.row.id} at {_clock(item.text.taken_at)}; {key.phone} is off since {_clock(since)}"
            )
            early.append((since, Difference(PHONE_OFF, f"{_name(key)}: {detail}")))
    return early


def _proofs(calls: Sequence[Call]) -> dict[str, list[Call]]:
    """By callee, the calls that met a phone which was on."""
    proofs: dict[str, list[Call]] = {}
    for call in calls:
        if call.dialled.reason is not Reason.UNREACHABLE:
            proofs.setdefault(call.dialled.callee, []).append(call)
    return proofs


def _was_late(proofs: Sequence[Call], since: float) -> bool:
    """Whether a call that met the phone on was answered, if at all, when it was off: such news nobody can date."""
    return any(
        since - _ON_ITS_WAY_S < call.dialled.at < since
        and (call.ended is None or call.ended.answered_at is None or call.ended.answered_at > since)
        for call in proofs
    )


def _name(key: _Key) -> str:
    return f"{key.kind} to {key.recipient}" + (f" about {key.about}" if key.about else "")


def _describe(call: Call) -> str:
    dialled, ended = call.dialled, call.ended
    how = f"status {ended.status}, heard {', '.join(ended.heard) or 'nothing'}" if ended else "never over"
    return (
        f"{dialled.call_id} at {_clock(dialled.at)} from {dialled.caller} to {dialled.callee},"
        f" wants {dialled.wants}: {how}"
    )


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:-3]
