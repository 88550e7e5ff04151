"""The life of an alert: the table is whole, and the page shows the same one."""

import re
from pathlib import Path

from louhua.alerts.states import FINAL, OPEN, TRANSITIONS, Happened, State, after

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"


def test_the_page_shows_the_table() -> None:
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| (\w+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    shown = {
        (State(start), Happened(what.strip())): State(end) for start, what, end in rows if start in set(State)
    }
    assert shown == TRANSITIONS


def test_nothing_leaves_a_final_state() -> None:
    assert not [start for start, _ in TRANSITIONS if start in FINAL]
    assert after(State.DELIVERED, Happened.TRY_AGAIN) is State.DELIVERED


def test_every_state_can_be_reached_and_left() -> None:
    reached = {State.HELD, State.OFFERED} | set(TRANSITIONS.values())
    assert reached == set(State)
    assert {start for start, _ in TRANSITIONS} | FINAL == set(State)


def test_every_open_state_takes_another_call() -> None:
    for state in OPEN:
        for happened in (Happened.CALLED, Happened.CALLED_WHILE_OFF):
            assert TRANSITIONS[state, happened] in OPEN
