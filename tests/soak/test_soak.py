"""The soak itself, short: every fault once, in the order that the seed gives, and nothing differs."""

from io import StringIO

import pytest
from rich.console import Console

from louhua.soak import plan
from louhua.soak.command import show
from louhua.soak.difference import Difference
from louhua.soak.reckoning import LOST_CALL, Reckoning
from louhua.soak.run import Outcome, Terms, run

SHORT = Terms(seconds=20, seed=1, per_second=4, every_s=1.3, longest_s=3, settle_limit_s=75)


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_nothing_is_lost_and_nothing_is_doubled() -> None:
    lines: list[str] = []
    outcome = run(SHORT, lines.append)
    assert outcome.well, (outcome.reckoning.differences, outcome.left, outcome.kept)
    assert set(outcome.faults) == {f"{how} {target}" for how, target in plan.FAULTS}
    assert outcome.reckoning.recorded >= outcome.reckoning.taken > SHORT.seconds * SHORT.per_second / 4
    assert outcome.reckoning.texts > 10
    taken = outcome.reckoning.takings
    assert taken.texts > 10
    assert 0 < taken.prepaid < taken.amount
    assert max(map(len, lines)) <= 80


def test_what_differs_is_shown_in_eighty_columns() -> None:
    differences = [Difference(LOST_CALL, f"c{number}@soak from somebody to somebody") for number in range(25)]
    outcome = Outcome(
        reckoning=Reckoning(calls=12345, differences=differences),
        faults={"kill smsc": 2},
        died_alone=1,
        settled_s=3.2,
        left="2 alerts",
        kept="/data",
    )
    paper = StringIO()
    show(outcome, Console(file=paper, width=80))
    shown = paper.getvalue()
    assert all(
        word in shown for word in ("12,345", LOST_CALL, "c0@soak", "and 5 more", "2 alerts", "kept in /data")
    )
    assert "c20@soak" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    assert not outcome.well
