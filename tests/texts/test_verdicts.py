"""What submit results mean for the outbox: a table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from louhua.config import Config, Smsc
from louhua.texts.retries import Retries
from louhua.texts.routes import Routes
from louhua.texts.smpp.messages import SubmitResult
from louhua.texts.smpp.status import Outcome, Retry, outcome
from louhua.texts.store import Failed
from louhua.texts.verdicts import InHand, Verdict, accepted, judge

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OK, UNKNOWN, UNSENT, NACK = -1, -2, -3, 0
LATER, ELSEWHERE, NEVER = 0x58, 0x0B, 0x01


def smsc(name: str = "s", **keys: Any) -> Smsc:
    return Smsc.model_validate({"name": name, "host": "h", "port": 1, "system_id": "x"} | keys)


def result(what: int) -> SubmitResult:
    """A result: a command_status, or one of those above."""
    verdict = {OK: Outcome.ACCEPTED, UNKNOWN: Outcome.UNKNOWN, UNSENT: Outcome.RETRY_LATER}.get(what)
    if what == NACK:
        verdict = Outcome.PERMANENT
    status = None if what < OK else max(what, 0)
    return SubmitResult(None, 0, verdict or outcome(what), status=status, detail="why")


def verdict(*results: int, attempts: int = 1, route: str = "s,t", **keys: Any) -> Verdict:
    config = Config(smsc=(smsc(**keys), smsc("t")))
    text = InHand(7, route, attempts, 0, [result(what) for what in results])
    return judge([text], "s", Routes(config), Retries(config.smsc), NOW)


@pytest.mark.parametrize(
    ("results", "submitted", "failed", "postponed"),
    [
        ([OK], 1, 0, 0),
        ([], 1, 0, 0),
        ([OK, OK, OK], 1, 0, 0),
        ([LATER], 0, 0, 1),
        ([ELSEWHERE], 0, 0, 1),
        ([OK, LATER], 0, 0, 1),
        ([NEVER], 0, 1, 0),
        ([NACK], 0, 1, 0),
        ([OK, NEVER, LATER], 0, 1, 0),
        ([UNKNOWN], 0, 0, 0),
        ([UNKNOWN, NEVER], 0, 0, 0),
        ([OK, UNKNOWN], 0, 0, 0),
    ],
)
def test_the_worst_part_decides(results: list[int], submitted: int, failed: int, postponed: int) -> None:
    found = verdict(*results)
    assert (len(found.submitted), len(found.failed), len(found.postponed)) == (submitted, failed, postponed)


def test_a_throttled_text_climbs_the_ladder_where_it_is() -> None:
    (later,) = verdict(LATER, attempts=5).postponed
    assert (later.due_at, later.route, later.counts) == (NOW + timedelta(minutes=5), "s,t", True)


def test_at_the_ladders_end_it_fails_for_now() -> None:
    assert verdict(LATER, attempts=15).failed == [Failed(7, "why", Retry.LATER)]


def test_what_was_never_sent_is_tried_soon_and_does_not_count() -> None:
    (later,) = verdict(UNSENT, attempts=15).postponed
    assert (later.due_at, later.route, later.counts) == (NOW + timedelta(seconds=1), "s,t", False)


@pytest.mark.parametrize(("route", "rest"), [("s,t", "t"), ("t,s", "t"), ("", "t")])
def test_what_one_smsc_does_not_do_another_may(route: str, rest: str) -> None:
    (again,) = verdict(ELSEWHERE, LATER, attempts=15, route=route).postponed
    assert (again.due_at, again.route, again.counts) == (NOW, rest, False)


def test_without_another_it_is_over() -> None:
    assert verdict(ELSEWHERE, route="s").failed == [Failed(7, "why", Retry.FINAL)]


@pytest.mark.parametrize(
    ("retry", "status", "expected"),
    [
        ({"0x0000000B": "later"}, 0x0B, Retry.LATER),
        ({"0x401": "later"}, 0x401, Retry.LATER),
        ({"0x58": "final"}, 0x58, Retry.FINAL),
        ({"0x45": "wait"}, 0x45, Retry.WAIT),
        ({"0x401": "later"}, 0x402, Retry.FINAL),
    ],
)
def test_an_smsc_may_mean_something_else(retry: dict[str, str], status: int, expected: Retry) -> None:
    found = verdict(status, attempts=15, retry=retry)
    assert found.failed == [Failed(7, "why", expected)]
    assert bool(verdict(status, retry=retry).postponed) is (expected is Retry.LATER)


def test_ids_are_kept_in_comparable_form_and_as_written() -> None:
    part = accepted(7, 0, SubmitResult(None, 0, Outcome.ACCEPTED, "010", 0), smsc(receipt_ids="hex"))
    assert (part.message_id, part.smsc_id) == ("10", "010")


def test_what_no_column_holds_is_cut() -> None:
    part = accepted(1, 0, SubmitResult(None, 0, Outcome.ACCEPTED, "7\0" + "8" * 90, 0), smsc())
    assert part.smsc_id == part.message_id == "7" + "8" * 69
    refused = SubmitResult(None, 0, Outcome.PERMANENT, status=0x401, detail="why " * 50)
    config = Config(smsc=(smsc(),))
    found = judge([InHand(2, "s", 1, 0, [refused])], "s", Routes(config), Retries(()), NOW)
    assert found.failed == [Failed(2, ("why " * 50)[:60], Retry.FINAL)]
