"""Events on the wire: what is written reads back, junk is refused."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.bus.events import (
    SUBJECTS,
    CallEnded,
    Choice,
    Event,
    Outcome,
    PhoneReachable,
    Reason,
    Source,
    TextReceipt,
    TextReceived,
    Treatment,
    decode,
    encode,
)

moments = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))
numbers = st.from_regex(r"[0-9]{0,15}", fullmatch=True)
ids = st.uuids().map(lambda value: value.hex)

calls = st.builds(
    CallEnded,
    id=ids,
    node=st.just("n"),
    trunk=st.just("t"),
    sip_call_id=st.text(max_size=20),
    callee=numbers,
    caller=numbers,
    reason=st.sampled_from(Reason),
    treatment=st.sampled_from(Treatment),
    choice=st.sampled_from(Choice),
    outcome=st.sampled_from(Outcome),
    started_at=moments,
    ended_at=moments,
    answered_at=st.none() | moments,
)


@given(st.lists(calls, max_size=5))
def test_a_batch_reads_back(batch: list[CallEnded]) -> None:
    assert list(decode(CallEnded, encode(batch))) == batch


@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.parametrize("payload", [b"", b"{}", b'[{"id": 1}]', b"[", b"\xff", b'[{"id": "x"}]'])
def test_junk_is_refused(kind: type[Event], payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(kind, payload)


def test_a_later_version_may_add_fields() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    event = PhoneReachable(id="1", number="86138", source=Source.PROBE, at=at)
    grown = encode([event]).replace(b'"id"', b'"new": true, "id"')
    assert decode(PhoneReachable, grown) == (event,)


def test_subjects_are_public_names() -> None:
    assert {
        CallEnded: "call.ended",
        PhoneReachable: "phone.reachable",
        TextReceipt: "text.receipt",
        TextReceived: "text.received",
    } == SUBJECTS
