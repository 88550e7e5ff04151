"""What probes say, and when the next one goes."""

from datetime import timedelta

import pytest

from louhua.reachability.ladder import PROBE_VALIDITY, Verdict, next_probe_after, verdict_of


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
    assert next_probe_after(outcome, 1) == wait


def test_undeliverable_probes_become_rare_and_never_end() -> None:
    waits = [next_probe_after("undeliverable", probes) for probes in (1, 5, 7, 10, 14, 15, 40)]
    assert waits[:5] == [timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 60)]
    assert waits[5:] == [PROBE_VALIDITY, PROBE_VALIDITY]
