"""Treatments and options: the tables, and the pages that show them."""

from pathlib import Path

import pytest

from louhua.bus.events import Choice, Reason, Treatment
from louhua.config import Trunk
from louhua.ivr import treatment
from louhua.ivr.treatment import KEYS, TREATMENTS, options_for, treatment_of
from louhua.subscribers.profiles import Privacy, Profile

PAGE = Path(__file__).parents[2] / "docs/ivr.md"
TRUNK = Trunk(name="msc", peers=("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason.UNREACHABLE, Treatment.MENU),
        (Reason.UNKNOWN, Treatment.MENU),
        (Reason.UNCONDITIONAL, Treatment.MENU),
        (Reason.NO_ANSWER, Treatment.ANNOUNCE),
        (Reason.BUSY, Treatment.ANNOUNCE),
        (Reason.DEFLECTION, Treatment.ANNOUNCE),
    ],
)
def test_each_reason_has_its_treatment(reason: Reason, expected: Treatment) -> None:
    assert treatment_of(reason, TRUNK) is expected


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("chosen", ["release", "announce", "menu"])
def test_a_trunk_goes_before_the_table(reason: Reason, chosen: str) -> None:
    trunk = Trunk.model_validate({"name": "t", "peers": ["10.0.0.0/8"], "treatments": {reason.value: chosen}})
    for other in Reason:
        expected = Treatment(chosen) if other is reason else TREATMENTS[other]
        assert treatment_of(other, trunk) is expected


@pytest.mark.parametrize("voicemail", [False, True])
@pytest.mark.parametrize("caller", ["", "8613900139000"])
@pytest.mark.parametrize("textable", [False, True])
@pytest.mark.parametrize("tells", [False, True])
def test_options_are_those_that_can_be_kept(voicemail: bool, caller: str, textable: bool, tells: bool) -> None:
    of_caller = Profile(number=caller, textable=textable)
    of_callee = Profile(voicemail=voicemail, power_on=Privacy.EVERYBODY if tells else Privacy.NOBODY)
    offered = {"1": voicemail, "2": caller != "", "3": True, "4": caller != "" and textable and tells}
    expected = {key: choice for key, choice in KEYS.items() if offered[key]}
    assert options_for(caller, of_caller, of_callee) == expected


def test_somebody_unknown_is_offered_all_but_the_message() -> None:
    options = options_for("8613900139000", Profile(), Profile())
    assert [*options.values()] == [Choice.CALL_BACK, Choice.CALL_OTHER, Choice.POWER_ON]


@pytest.mark.parametrize("text", [treatment.__doc__, PAGE.read_text("utf-8")], ids=["module", "page"])
def test_what_is_written_is_what_is_done(text: str) -> None:
    rows = [[cell.strip("`") for cell in line.replace("|", " ").split()][:2] for line in text.splitlines()]
    for reason, expected in TREATMENTS.items():
        assert [reason.value, expected.value] in rows
    for key, choice in KEYS.items():
        assert [key, choice.value] in rows
