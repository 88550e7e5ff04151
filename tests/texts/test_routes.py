"""Which SMSCs a text may go to, and which takes it now: tables."""

from typing import Any

import pytest

from louhua.config import Config
from louhua.texts.outbox import TextDraft, TextKind
from louhua.texts.routes import Routes, takes


def plan(**config: Any) -> Routes:
    smsc = {"host": "h", "port": 1, "system_id": "x"}
    return Routes(
        Config.model_validate(
            {
                "smsc": [
                    smsc | {"name": "north"},
                    smsc | {"name": "south"},
                    smsc | {"name": "plain", "reachability": "none"},
                    smsc | {"name": "notifies", "reachability": "set_dpf"},
                ],
                "ranges": [
                    {"name": "n", "prefixes": ["86138"], "smsc": ["north", "south"]},
                    {"name": "s", "prefixes": ["86139"], "smsc": ["plain", "south", "notifies"]},
                    {"name": "p", "prefixes": ["86137"], "smsc": ["plain"]},
                    {"name": "free", "prefixes": ["86136"]},
                ],
            }
            | config
        )
    )


def draft(number: str, kind: TextKind = TextKind.ALERT, **fields: Any) -> TextDraft:
    return TextDraft(kind=kind, sender="06001", recipient=number, body="", **fields)


@pytest.mark.parametrize(
    ("number", "route"),
    [
        ("8613800138000", "north,south"),
        ("8613900139000", "plain,south,notifies"),
        ("8613600136000", ""),
        ("8618600186000", ""),
    ],
)
def test_the_recipients_range_decides(number: str, route: str) -> None:
    assert plan().of(draft(number)) == route


@pytest.mark.parametrize(
    ("number", "set_dpf", "route"),
    [
        ("8613800138000", False, "north,south"),
        ("8613900139000", False, "south"),
        ("8613900139000", True, "notifies"),
        ("8613800138000", True, "chosen"),
        ("8613700137000", False, "chosen"),
        ("8618600186000", False, "chosen"),
    ],
)
def test_a_probe_goes_where_it_is_answered(number: str, set_dpf: bool, route: str) -> None:
    probe = draft(number, TextKind.PROBE, set_dpf=set_dpf, smsc="chosen")
    assert plan().of(probe) == route


def test_a_text_for_one_smsc_goes_there() -> None:
    assert plan().of(draft("8613800138000", smsc="south")) == "south"


@pytest.mark.parametrize(
    ("route", "down", "by"),
    [
        ("", "", "abc"),
        ("", "a", "abc"),
        ("a", "", "a"),
        ("a", "a", "a"),
        ("a,b", "", "a"),
        ("a,b", "a", "ab"),
        ("a,b,c", "a", "ab"),
        ("a,b,c", "ab", "abc"),
        ("b,a", "b", "ba"),
        ("gone,b", "gone", "b"),
        ("gone,b", "", ""),
        ("gone", "gone", "abc"),
        ("gone", "", ""),
        ("gone,lost", "gone,lost", "abc"),
    ],
)
def test_the_first_that_is_not_down_takes_it(route: str, down: str, by: str) -> None:
    """``a``, ``b`` and ``c`` are configured. One that is down takes its own when it has a connection again."""
    out = [name for name in (*"abc", "gone", "lost") if name in down]
    assert [name for name in "abc" if takes(name, route, "abc", out)] == sorted(by)


@pytest.mark.parametrize(
    ("away", "waited", "taken"),
    [
        ({"north": 0.0}, 100.0, False),
        ({"north": 29.0}, 100.0, False),
        ({"north": 30.0}, 100.0, True),
        ({"north": 5000.0}, 29.0, False),
        ({"north": 5000.0}, 30.0, True),
    ],
    ids=["up", "not yet", "away", "who has just started waits, too", "and no longer"],
)
def test_a_backup_takes_over_when_an_smsc_is_away(away: dict[str, float], waited: float, taken: bool) -> None:
    assert ("north,south" in plan().taken_by("south", (), away | {"south": 0.0}, waited)) is taken
    assert "north,south" in plan().taken_by("north", (), away, waited)


def test_an_smsc_nobody_knows_any_more_keeps_no_text() -> None:
    queued = ["gone", "gone,south", ""]
    assert "gone" not in plan().taken_by("south", queued, {}, 29.0), "another node may know it"
    taken = plan().taken_by("south", queued, {}, 30.0)
    assert {"gone", "gone,south", ""} <= set(taken)
    assert "gone,south" not in plan().taken_by("north", queued, {"south": 0.0}, 30.0)
    assert "gone" not in plan().taken_by("south", queued, {"gone": 0.0}, 30.0), "another node has it"


@pytest.mark.parametrize(
    ("route", "smsc", "rest"),
    [
        ("north,south", "north", "south"),
        ("north,south", "south", "north"),
        ("south", "south", None),
        ("north,gone", "north", None),
        ("", "north", "notifies,plain,south"),
    ],
)
def test_where_a_refused_text_may_go(route: str, smsc: str, rest: str | None) -> None:
    assert plan().elsewhere(route, smsc) == rest


def test_with_one_smsc_there_is_no_elsewhere() -> None:
    alone = {"name": "a", "host": "h", "port": 1, "system_id": "x"}
    assert plan(smsc=[alone], ranges=[]).elsewhere("", "a") is None


def test_probes_on_their_way_are_counted_on_every_route_of_their_smsc() -> None:
    assert plan().beginning_with("south") == ["south"]
    assert plan().beginning_with("north") == ["north", "north,south"]
