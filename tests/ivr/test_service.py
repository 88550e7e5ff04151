"""From who calls whom and why to what is heard."""

import pytest
from tests.ivr.caller import CALLEE, CALLER, HANG_UP, Caller, follow, said

from louhua.bus.events import Choice, Reason, Treatment
from louhua.config import Config
from louhua.ivr.service import serve
from louhua.subscribers.profiles import Language, Privacy, Profile, Status

PEERS, QUIET = ["10.1.0.0/16"], {"busy": "release"}
CONFIG = Config.model_validate(
    {
        "service": {"language": "zh-hans", "country": "CN"},
        "sip": {
            "trunks": [
                {"name": "msc", "peers": PEERS},
                {
                    "name": "quiet",
                    "peers": PEERS,
                    "treatments": {"busy": "release"},
                    "release_code": 486,
                },
                {"name": "odd", "peers": PEERS, "treatments": QUIET, "release_code": 499},
            ]
        },
    }
)


def serve_to(caller: Caller, config: Config = CONFIG) -> Caller:
    follow(serve(config)(caller))
    return caller


@pytest.mark.parametrize(
    ("reason", "treatment", "first"),
    [
        (Reason.UNREACHABLE, Treatment.MENU, "menu-intro"),
        (Reason.UNKNOWN, Treatment.MENU, "menu-intro"),
        (Reason.UNCONDITIONAL, Treatment.MENU, "menu-intro"),
        (Reason.NO_ANSWER, Treatment.ANNOUNCE, "announce"),
        (Reason.BUSY, Treatment.ANNOUNCE, "announce"),
        (Reason.DEFLECTION, Treatment.ANNOUNCE, "announce"),
    ],
)
def test_the_reason_decides_what_is_heard(reason: Reason, treatment: Treatment, first: str) -> None:
    caller = serve_to(Caller(HANG_UP, reason=reason))
    assert caller.result.treatment is treatment
    assert said(caller)[0] == first


@pytest.mark.parametrize(
    ("trunk", "released"),
    [("quiet", "release 486 Busy Here"), ("odd", "release 499 Unavailable")],
)
def test_a_trunk_that_releases_hears_nothing(trunk: str, released: str) -> None:
    caller = serve_to(Caller(reason=Reason.BUSY, trunk=trunk))
    assert caller.result.treatment is Treatment.RELEASE
    assert caller.done == [released]
    assert caller.heard == []


@pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.BUSY])
@pytest.mark.parametrize(
    ("of_caller", "of_service", "spoken"),
    [
        (None, "zh-hans", "zh-hans"),
        (None, "en", "en"),
        (Language.EN, "zh-hans", "en"),
        (Language.ZH_HANS, "en", "zh-hans"),
    ],
)
def test_callers_hear_their_own_language(
    reason: Reason, of_caller: Language | None, of_service: str, spoken: str
) -> None:
    config = CONFIG.model_copy(update={"service": CONFIG.service.model_copy(update={"language": of_service})})
    profiles = Profile(number=CALLER, language=of_caller), Profile(number=CALLEE, language=None)
    caller = serve_to(Caller("2", reason=reason, profiles=profiles), config)
    languages = {clip.split("/")[0] for clip in caller.heard if "/" in clip} - {"silence"}
    assert languages == {spoken}


def test_a_callee_with_voicemail_can_be_left_a_message() -> None:
    profiles = Profile(number=CALLER), Profile(number=CALLEE, voicemail=True)
    assert "menu-message" in said(serve_to(Caller(HANG_UP, profiles=profiles)))
    assert "menu-message" not in said(serve_to(Caller(HANG_UP)))


def test_a_withheld_caller_can_only_leave_another_number() -> None:
    caller = serve_to(Caller("2", "4", *"3", *"13700137000#", "1", caller=""))
    assert said(caller)[:3] == ["menu-intro", "beep", "menu-other"]
    assert said(caller).count("invalid-key") == 2
    assert (caller.result.choice, caller.result.other_number) == (Choice.CALL_OTHER, "8613700137000")


def test_privacy_and_land_lines_take_the_power_on_option_away() -> None:
    silent = Profile(number=CALLER), Profile(number=CALLEE, power_on=Privacy.NOBODY)
    land_line = Profile(number=CALLER, textable=False), Profile(number=CALLEE)
    for profiles in (silent, land_line):
        assert "menu-power-on" not in said(serve_to(Caller(HANG_UP, profiles=profiles)))


def test_numbers_belong_to_the_service_country() -> None:
    config = CONFIG.model_copy(update={"service": CONFIG.service.model_copy(update={"country": "GB"})})
    caller = serve_to(Caller("3", *"02079460000#", "1"), config)
    assert caller.result.other_number == "442079460000"


def test_a_blocked_caller_hears_busy() -> None:
    callee = Profile(number=CALLEE, status=Status.REGISTERED, blocked=frozenset({CALLER}))
    caller = serve_to(Caller(profiles=(Profile(number=CALLER), callee)))
    assert caller.done == ["release 486 Busy Here"]
    assert caller.result.treatment is Treatment.BLOCK


@pytest.mark.parametrize("callee", [Profile(number=CALLEE, served=False), Profile(status=Status.SUSPENDED)])
def test_calls_to_who_is_not_served_are_released(callee: Profile) -> None:
    caller = serve_to(Caller(profiles=(Profile(number=CALLER), callee)))
    assert caller.done == ["release 480 Temporarily Unavailable"]


def asking() -> Config:
    return CONFIG.model_copy(update={"alerts": CONFIG.alerts.model_copy(update={"ask_mobile": True})})


def test_a_land_line_names_the_mobile_that_is_to_be_told() -> None:
    profiles = Profile(number=CALLER, textable=False), Profile(number=CALLEE)
    caller = serve_to(Caller("4", *"13700137000#", "1", profiles=profiles), asking())
    assert (caller.result.choice, caller.result.other_number) == (Choice.POWER_ON, "8613700137000")
    assert {"mobile-enter", "number-confirm", "power-on-promised"} <= set(said(caller))


def test_a_mobile_is_not_asked_for_another() -> None:
    caller = serve_to(Caller("4"), asking())
    assert (caller.result.choice, caller.result.other_number) == (Choice.POWER_ON, "")
    assert "mobile-enter" not in said(caller)


@pytest.mark.parametrize("keyed", ["01088886666#", "10086#", "12#"])
def test_a_number_that_cannot_get_texts_will_not_do(keyed: str) -> None:
    profiles = Profile(number=CALLER, textable=False), Profile(number=CALLEE)
    caller = serve_to(Caller("4", *keyed, *keyed, *keyed, profiles=profiles), asking())
    assert said(caller).count("number-invalid") == 2
    assert (caller.result.choice, caller.result.other_number) == (Choice.NONE, "")
