"""What submit results mean for the outbox: a table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from louhua.config import Smsc
from louhua.texts.sender import Verdict, _InHand, judge
from louhua.texts.smpp.messages import SubmitResult
from louhua.texts.smpp.status import Outcome

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OK, LATER, NEVER, UNKNOWN = Outcome.ACCEPTED, Outcome.RETRY_LATER, Outcome.PERMANENT, Outcome.UNKNOWN


def verdict(*outcomes: Outcome, attempts: int = 1, status: int | None = 0x58, **smsc: Any) -> Verdict:
    config = Smsc.model_validate({"name": "s", "host": "h", "port": 1, "system_id": "x"} | smsc)
    results = [
        (
            seq,
            SubmitResult(
                key=None, part=seq, outcome=outcome, message_id=f"0{seq + 10}", status=status, detail="why"
            ),
        )
        for seq, outcome in enumerate(outcomes)
    ]
    return judge([(7, _InHand(attempts, 0, results))], config, NOW)


@pytest.mark.parametrize(
    ("outcomes", "submitted", "failed", "postponed", "accepted"),
    [
        ([OK], 1, 0, 0, 1),
        ([OK, OK, OK], 1, 0, 0, 3),
        ([LATER], 0, 0, 1, 0),
        ([OK, LATER], 0, 0, 1, 1),
        ([NEVER], 0, 1, 0, 0),
        ([OK, NEVER, LATER], 0, 1, 0, 1),
        ([UNKNOWN], 0, 0, 0, 0),
        ([UNKNOWN, NEVER], 0, 0, 0, 0),
        ([OK, UNKNOWN], 0, 0, 0, 1),
    ],
)
def test_the_worst_part_decides(
    outcomes: list[Outcome], submitted: int, failed: int, postponed: int, accepted: int
) -> None:
    found = verdict(*outcomes)
    assert len(found.submitted) == submitted
    assert len(found.failed) == failed
    assert len(found.postponed) == postponed
    assert len(found.accepted) == accepted


def test_a_throttled_text_climbs_the_ladder() -> None:
    (later,) = verdict(LATER, attempts=5).postponed
    assert later.due_at == NOW + timedelta(minutes=5)
    assert later.counts


def test_at_the_ladders_end_it_fails() -> None:
    assert verdict(LATER, attempts=15).failed == [(7, "why")]


def test_what_was_never_sent_is_tried_soon_and_does_not_count() -> None:
    (later,) = verdict(LATER, attempts=15, status=None).postponed
    assert later.due_at == NOW + timedelta(seconds=1)
    assert not later.counts


def test_ids_are_kept_in_comparable_form_and_as_written() -> None:
    (part,) = verdict(OK, receipt_ids="hex").accepted
    assert (part.message_id, part.smsc_id) == ("10", "010")


def test_what_no_column_holds_is_cut() -> None:
    config = Smsc.model_validate({"name": "s", "host": "h", "port": 1, "system_id": "x"})
    accepted = SubmitResult(key=None, part=0, outcome=OK, message_id="7\0" + "8" * 90, status=0)
    refused = SubmitResult(key=None, part=0, outcome=NEVER, status=0x401, detail="why " * 50)
    found = judge([(1, _InHand(1, 0, [(0, accepted)])), (2, _InHand(1, 0, [(0, refused)]))], config, NOW)
    assert found.accepted[0].smsc_id == found.accepted[0].message_id == "7" + "8" * 69
    assert found.failed == [(2, ("why " * 50)[:60])]
