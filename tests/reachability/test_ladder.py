"""What probes say, and when the next one goes."""

from datetime import timedelta

import pytest

from louhua.bus.events import ReceiptState
from louhua.reachability.ladder import PROBE_VALIDITY, VERDICTS, Verdict, next_probe_after, verdict_of
from louhua.texts.receipts import FINAL_STATES

DAY = timedelta(hours=24)


@pytest.mark.parametrize(
    ("outcome", "verdict", "wait"),
    [
        ("delivered", Verdict.REACHABLE, None),
        ("undeliverable", Verdict.TRY_LATER, timedelta(minutes=1)),
        ("rejected", Verdict.GIVE_UP, None),
        ("expired", Verdict.WAIT, timedelta(minutes=1)),
        ("deleted", Verdict.WAIT, timedelta(minutes=1)),
        ("outcome unknown", Verdict.TRY_LATER, timedelta(minutes=1)),
        ("ESME_RTHROTTLED", Verdict.TRY_LATER, timedelta(minutes=1)),
        ("ESME_RSYSERR", Verdict.TRY_LATER, timedelta(minutes=1)),
        ("ESME_RINVDSTADR", Verdict.GIVE_UP, None),
        ("0x00000401", Verdict.GIVE_UP, None),
    ],
)
def test_table(outcome: str, verdict: Verdict, wait: timedelta | None) -> None:
    assert verdict_of(outcome) is verdict
    assert next_probe_after(outcome, 1, timedelta(0)) == wait


@pytest.mark.parametrize("state", ReceiptState)
def test_every_state_of_a_receipt_means_something(state: ReceiptState) -> None:
    """What is no news (ENROUTE, ACCEPTED, UNKNOWN) does not end a probe; the others are in the table."""
    assert (state in VERDICTS) == (state in FINAL_STATES)


def test_busy_with_another_message_is_on() -> None:
    assert verdict_of("undeliverable", "3:31") is Verdict.REACHABLE
    assert verdict_of("undeliverable", "3:27") is Verdict.TRY_LATER, "absent subscriber"
    assert verdict_of("undeliverable", "031") is Verdict.TRY_LATER, "a vendor's own number"


def test_undeliverable_probes_become_rare() -> None:
    waits = [next_probe_after("undeliverable", probes, timedelta(0)) for probes in (1, 5, 7, 10, 14, 15, 40)]
    assert waits[:5] == [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 60)]
    assert waits[5:] == [PROBE_VALIDITY, PROBE_VALIDITY]


@pytest.mark.parametrize(
    ("outcome", "watched", "notified", "wait"),
    [
        ("expired", DAY, False, timedelta(minutes=1)),
        ("expired", 2 * DAY, False, timedelta(minutes=1)),
        ("expired", 3 * DAY, False, None),
        ("expired", DAY, True, DAY - timedelta(minutes=1)),
        ("expired", 2 * DAY + timedelta(hours=1), True, None),
        ("undeliverable", 3 * DAY - timedelta(seconds=30), False, None),
    ],
)
def test_probes_are_resent_daily_and_given_up_after_three_days(
    outcome: str, watched: timedelta, notified: bool, wait: timedelta | None
) -> None:
    assert next_probe_after(outcome, 1, watched, notified=notified) == wait
