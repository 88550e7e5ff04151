"""Treatments and options: the tables, and the pages that show them."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from louhua.bus.events import Choice, Reason, Treatment
from louhua.config import Alerts, Trunk
from louhua.ivr import treatment
from louhua.ivr.treatment import KEYS, TREATMENTS, options_for, treatment_of
from louhua.subscribers.profiles import Privacy, Profile, Status

PAGE = Path(__file__).parents[2] / "docs/ivr.md"
TRUNK = Trunk(name="msc", peers=("10.0.0.0/8",))
CALLER = Profile(number="8613900139000")
CALLEE = Profile(number="8613800138000")
SETTINGS = Alerts()
CALLEE_FIRST = Alerts(first="callee")


def registered(profile: Profile, **changes: Any) -> Profile:
    return structs.replace(profile, status=Status.REGISTERED, **changes)


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
    assert treatment_of(reason, TRUNK, CALLER, CALLEE, SETTINGS) is expected


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("chosen", ["release", "announce", "menu"])
def test_a_trunk_goes_before_the_table(reason: Reason, chosen: str) -> None:
    trunk = Trunk.model_validate({"name": "t", "peers": ["10.0.0.0/8"], "treatments": {reason.value: chosen}})
    for other in Reason:
        expected = Treatment(chosen) if other is reason else TREATMENTS[other]
        assert treatment_of(other, trunk, CALLER, CALLEE, SETTINGS) is expected


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("chosen", ["release", "announce", "menu", None])
@pytest.mark.parametrize(
    ("callee", "expected"),
    [
        (structs.replace(CALLEE, status=Status.SUSPENDED), Treatment.RELEASE),
        (structs.replace(CALLEE, served=False), Treatment.RELEASE),
        (structs.replace(CALLEE, served=False, blocked=frozenset({CALLER.number})), Treatment.RELEASE),
        (registered(CALLEE, blocked=frozenset({CALLER.number})), Treatment.BLOCK),
    ],
)
def test_who_is_not_served_or_blocked_goes_before_all(
    reason: Reason, chosen: str | None, callee: Profile, expected: Treatment
) -> None:
    treatments = {reason.value: chosen} if chosen else {}
    trunk = Trunk.model_validate({"name": "t", "peers": ["10.0.0.0/8"], "treatments": treatments})
    assert treatment_of(reason, trunk, CALLER, callee, SETTINGS) is expected


@pytest.mark.parametrize(
    ("caller", "callee", "settings", "expected", "keys"),
    [
        (registered(CALLER), registered(CALLEE), SETTINGS, Treatment.MENU, "234"),
        (registered(CALLER), registered(CALLEE), CALLEE_FIRST, Treatment.ANNOUNCE, ""),
        (registered(CALLER), registered(CALLEE, voicemail=True), CALLEE_FIRST, Treatment.MENU, "1"),
        (CALLER, registered(CALLEE), CALLEE_FIRST, Treatment.MENU, "234"),
        (registered(CALLER), CALLEE, CALLEE_FIRST, Treatment.MENU, "234"),
    ],
)
def test_whose_service_speaks_when_both_have_it(
    caller: Profile, callee: Profile, settings: Alerts, expected: Treatment, keys: str
) -> None:
    assert treatment_of(Reason.UNREACHABLE, TRUNK, caller, callee, settings) is expected
    assert "".join(options_for(caller, callee, settings)) == keys


@pytest.mark.parametrize("voicemail", [False, True])
@pytest.mark.parametrize("caller", ["", "8613900139000"])
@pytest.mark.parametrize("textable", [False, True])
@pytest.mark.parametrize("ask_mobile", [False, True])
@pytest.mark.parametrize("tells", [False, True])
def test_options_are_those_that_can_be_kept(
    voicemail: bool, caller: str, textable: bool, ask_mobile: bool, tells: bool
) -> None:
    of_caller = Profile(number=caller, textable=textable)
    of_callee = Profile(voicemail=voicemail, power_on=Privacy.EVERYBODY if tells else Privacy.NOBODY)
    told = caller != "" and (textable or ask_mobile) and tells
    offered = {"1": voicemail, "2": caller != "", "3": True, "4": told}
    expected = {key: choice for key, choice in KEYS.items() if offered[key]}
    assert options_for(of_caller, of_callee, Alerts(ask_mobile=ask_mobile)) == expected


@pytest.mark.parametrize(("allowed", "offered"), [(frozenset(), False), (frozenset({CALLER.number}), True)])
def test_power_on_is_promised_to_those_on_the_list_only(allowed: frozenset[str], offered: bool) -> None:
    callee = registered(CALLEE, power_on=Privacy.LIST, allowed=allowed)
    assert ("4" in options_for(CALLER, callee, SETTINGS)) is offered


def test_power_on_is_not_promised_to_who_is_suspended() -> None:
    caller = structs.replace(CALLER, status=Status.OWING)
    assert "".join(options_for(caller, CALLEE, SETTINGS)) == "23"


def test_somebody_unknown_is_offered_all_but_the_message() -> None:
    options = options_for(CALLER, CALLEE, SETTINGS)
    assert [*options.values()] == [Choice.CALL_BACK, Choice.CALL_OTHER, Choice.POWER_ON]


@pytest.mark.parametrize("text", [treatment.__doc__, PAGE.read_text("utf-8")], ids=["module", "page"])
def test_what_is_written_is_what_is_done(text: str) -> None:
    rows = [[cell.strip("`") for cell in line.replace("|", " ").split()][:2] for line in text.splitlines()]
    for reason, expected in TREATMENTS.items():
        assert [reason.value, expected.value] in rows
    for key, choice in KEYS.items():
        assert [key, choice.value] in rows
