"""Another number to call back: keyed, ended, read back, confirmed or taken back."""

import pytest
from tests.ivr.caller import HANG_UP, LISTEN, Caller, Move, ends_after, follow, said

from louhua.bus.events import Choice
from louhua.config import Config
from louhua.ivr.number import leave_number
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Language

NUMBER = "01088886666"
CANONICAL = "861088886666"
READ_BACK = ["number-entered", *(f"digit-{digit}" for digit in NUMBER), "number-confirm"]


def ask(*moves: Move, language: Language = Language.ZH_HANS, country: str = "CN") -> Caller:
    caller = Caller(*moves)
    caller.done.append("answer")
    config = Config.model_validate({"service": {"country": country}})
    follow(leave_number(caller, language, NumberPlan(config)))
    return caller


def left(caller: Caller) -> tuple[Choice, str]:
    return caller.result.choice, caller.result.other_number


@pytest.mark.parametrize("language", Language)
def test_a_number_is_read_back_and_confirmed(language: Language) -> None:
    caller = ask(*NUMBER, "#", "1", language=language)
    assert left(caller) == (Choice.CALL_OTHER, CANONICAL)
    assert said(caller) == ["number-enter", *READ_BACK, "goodbye"]
    assert caller.uninterrupted == [f"{language}/goodbye"]
    assert {clip.split("/")[0] for clip in caller.heard} == {language, "silence"}


@pytest.mark.parametrize(
    "moves",
    [
        [*NUMBER, "#", "1"],
        [LISTEN, *NUMBER, "#", "1"],
        [LISTEN, *NUMBER, LISTEN, "1"],
        [*NUMBER, "#", LISTEN, "1"],
    ],
    ids=["into the prompt", "after it", "ended by a pause", "read back to its end"],
)
def test_a_number_may_be_keyed_when_the_caller_likes(moves: list[Move]) -> None:
    assert left(ask(*moves)) == (Choice.CALL_OTHER, CANONICAL)


def test_callers_have_time_to_look_for_the_number() -> None:
    assert ask(LISTEN, *"10086#", "1").waits == [10.0, *[5.0] * 5]


@pytest.mark.parametrize(
    ("keyed", "country", "number"),
    [
        ("13700137000", "CN", "8613700137000"),
        ("10086", "CN", "10086"),
        ("110", "CN", "110"),
        ("0085223456789", "CN", "85223456789"),
        ("02079460000", "GB", "442079460000"),
        ("0*10*88886666", "CN", CANONICAL),
    ],
)
def test_the_number_is_kept_in_its_canonical_form(keyed: str, country: str, number: str) -> None:
    assert left(ask(*keyed, "#", "1", country=country)) == (Choice.CALL_OTHER, number)


@pytest.mark.parametrize("keyed", ["1", "12", "000", "1" * 21])
def test_a_number_that_is_none_is_refused_and_asked_for_again(keyed: str) -> None:
    caller = ask(*keyed, "#", *NUMBER, "#", "1")
    assert said(caller) == ["number-enter", "number-invalid", "number-enter", *READ_BACK, "goodbye"]
    assert left(caller) == (Choice.CALL_OTHER, CANONICAL)


@pytest.mark.parametrize("moves", [["#"], ["*", "#"], [LISTEN, LISTEN]], ids=["#", "*#", "silence"])
def test_who_keys_nothing_is_asked_again(moves: list[Move]) -> None:
    caller = ask(*moves, *NUMBER, "#", "1")
    assert said(caller) == ["number-enter", "no-key", "number-enter", *READ_BACK, "goodbye"]


def test_two_takes_the_number_back_and_asks_again() -> None:
    caller = ask(*NUMBER, "#", "2", *"10086#", "1")
    assert left(caller) == (Choice.CALL_OTHER, "10086")
    assert said(caller)[:-1].count("number-enter") == 2
    assert "number-invalid" not in said(caller)


@pytest.mark.parametrize(
    "moves",
    [[*"12#", *"13#", *"14#"], [LISTEN] * 6, [*NUMBER, "#", "2"] * 3],
    ids=["never a number", "silence", "always taken back"],
)
def test_after_three_tries_nothing_is_kept(moves: list[Move]) -> None:
    caller = ask(*moves)
    assert left(caller) == (Choice.NONE, "")
    assert said(caller).count("number-enter") == 3
    assert said(caller)[-1] == "goodbye"


@pytest.mark.parametrize("move", [LISTEN, "9"], ids=["silence", "another key"])
def test_a_number_that_is_not_taken_back_stands(move: Move) -> None:
    caller = ask(*NUMBER, "#", *[move] * 6)
    assert left(caller) == (Choice.CALL_OTHER, CANONICAL)
    assert said(caller) == ["number-enter", *READ_BACK * 3, "goodbye"]


def test_a_complete_number_counts_wherever_the_caller_hangs_up_after_it() -> None:
    full = [LISTEN, *NUMBER, "#", LISTEN, "9", "1", LISTEN]
    complete = full.index("#") + 1
    for moment, script in enumerate(ends_after(full)):
        number = CANONICAL if moment >= complete else ""
        assert left(ask(*script)) == (Choice.CALL_OTHER if number else Choice.NONE, number), script


def test_a_number_taken_back_does_not_count() -> None:
    assert left(ask(*NUMBER, "#", "2", *"100", HANG_UP)) == (Choice.NONE, "")
