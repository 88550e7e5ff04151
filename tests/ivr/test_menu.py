"""The menu: every key, silence, wrong keys, three tries, and hanging up at each moment."""

import pytest
from tests.ivr.caller import HANG_UP, LISTEN, Caller, Move, Say, ends_after, follow, said

from louhua.bus.events import Choice
from louhua.config import Config
from louhua.ivr.menu import menu
from louhua.ivr.treatment import KEYS
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Language

PLAN = NumberPlan(Config())
INTRO = ["menu-intro", "beep"]
OPTIONS = ["menu-message", "menu-call-back", "menu-other", "menu-power-on"]
NUMBER = [*"01088886666"]


def offer(*moves: Move, language: Language = Language.ZH_HANS, keys: str = "1234") -> Caller:
    caller = Caller(*moves)
    follow(menu(caller, language, {key: KEYS[key] for key in keys}, PLAN, ask_mobile=False))
    return caller


@pytest.mark.parametrize("language", Language)
def test_the_menu_is_the_intro_two_seconds_a_beep_and_the_options(language: Language) -> None:
    caller = offer("2", language=language)
    assert caller.done == ["answer"]
    assert caller.heard == [
        f"{language}/menu-intro", "silence/2000", "beep", *(f"{language}/{clip}" for clip in OPTIONS),
        f"{language}/goodbye",
    ]  # fmt: skip
    assert caller.uninterrupted == [f"{language}/goodbye"]


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ("3", OPTIONS[2:3]),
        ("23", OPTIONS[1:3]),
        ("234", OPTIONS[1:]),
        ("123", OPTIONS[:3]),
    ],
)
def test_only_what_can_be_kept_is_offered(keys: str, options: list[str]) -> None:
    assert said(offer(HANG_UP, keys=keys)) == [*INTRO, *options]


@pytest.mark.parametrize("after", [(), (LISTEN,)], ids=["into the prompt", "after it"])
@pytest.mark.parametrize(
    ("moves", "choice", "farewell"),
    [
        ([*"1", LISTEN, LISTEN, Say(3000), LISTEN], Choice.MESSAGE, "message-saved"),
        ([*"2"], Choice.CALL_BACK, "goodbye"),
        ([*"3", *NUMBER, "#", "1"], Choice.CALL_OTHER, "goodbye"),
        ([*"4"], Choice.POWER_ON, "power-on-promised"),
    ],
)
def test_each_key_is_its_choice(after: tuple[Move, ...], moves: list[Move], choice: Choice, farewell: str) -> None:
    caller = offer(*after, *moves)
    assert caller.result.choice is choice
    assert caller.heard[-1] == f"zh-hans/{farewell}"
    assert caller.moves == []


@pytest.mark.parametrize(
    ("moves", "choice"),
    [
        ([], Choice.NONE),
        ([LISTEN], Choice.NONE),
        ([LISTEN, LISTEN], Choice.NONE),
        (["9"], Choice.NONE),
        (["2"], Choice.CALL_BACK),
        (["9", "2"], Choice.CALL_BACK),
        (["4"], Choice.POWER_ON),
        (["3"], Choice.NONE),
        (["3", *NUMBER], Choice.NONE),
        (["3", *NUMBER, "#"], Choice.CALL_OTHER),
        (["3", *NUMBER, "#", "2"], Choice.NONE),
        (["3", *NUMBER, "#", "2", *"10086#"], Choice.CALL_OTHER),
        (["1"], Choice.NONE),
        (["1", LISTEN, LISTEN], Choice.NONE),
    ],
)
def test_hanging_up_counts_what_was_chosen_until_then(moves: list[Move], choice: Choice) -> None:
    assert offer(*moves, HANG_UP).result.choice is choice


@pytest.mark.parametrize(
    "moves",
    [
        script
        for full in ([LISTEN] * 7, ["9"] * 4, [LISTEN, "9", "*", LISTEN, LISTEN])
        for script in ends_after(full)
    ],
)
def test_who_never_chooses_has_chosen_nothing(moves: tuple[Move, ...]) -> None:
    assert offer(*moves).result.choice is Choice.NONE


@pytest.mark.parametrize("key", ["2", "4"])
def test_the_choice_is_known_before_the_farewell(key: str) -> None:
    caller = offer(key, HANG_UP)
    assert caller.result.choice is KEYS[key]


@pytest.mark.parametrize("wrong", ["5", "0", "*", "#"])
@pytest.mark.parametrize("when", [(), (LISTEN,)], ids=["into the prompt", "after it"])
def test_a_wrong_key_is_named_and_the_options_are_said_again(wrong: str, when: tuple[Move, ...]) -> None:
    caller = offer(*when, wrong, "2")
    assert said(caller) == [*INTRO, *OPTIONS, "invalid-key", *OPTIONS, "goodbye"]
    assert caller.result.choice is Choice.CALL_BACK


def test_a_key_that_is_not_offered_is_a_wrong_key() -> None:
    caller = offer("1", "4", "2", keys="23")
    assert said(caller).count("invalid-key") == 2
    assert caller.result.choice is Choice.CALL_BACK


def test_silence_is_named_and_the_options_are_said_again() -> None:
    caller = offer(LISTEN, LISTEN, "2")
    assert said(caller) == [*INTRO, *OPTIONS, "no-key", *OPTIONS, "goodbye"]
    assert caller.waits == [5.0]


@pytest.mark.parametrize(
    ("moves", "problem"), [([LISTEN] * 6, "no-key"), (["7"] * 3, "invalid-key")], ids=["silence", "wrong"]
)
def test_after_three_tries_it_says_goodbye(moves: list[Move], problem: str) -> None:
    caller = offer(*moves)
    assert said(caller) == [*INTRO, *OPTIONS, problem, *OPTIONS, problem, *OPTIONS, "goodbye"]
    assert caller.result.choice is Choice.NONE


def test_the_third_try_still_counts() -> None:
    assert offer("7", LISTEN, LISTEN, "4").result.choice is Choice.POWER_ON


def test_a_caller_who_knows_the_menu_keys_everything_at_once() -> None:
    caller = Caller()
    caller.keys = ["3", *NUMBER, "#", "1"]
    follow(menu(caller, Language.EN, {"3": Choice.CALL_OTHER}, PLAN, ask_mobile=False))
    assert caller.result.other_number == "861088886666"
    assert caller.heard == ["en/goodbye"]
