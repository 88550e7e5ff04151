"""What a caller hears whose call found the phone on."""

import pytest
from tests.ivr.caller import HANG_UP, LISTEN, Caller, follow

from louhua.bus.events import Choice
from louhua.ivr.announce import announce
from louhua.subscribers.profiles import Language


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(("number", "clip"), [("8613900139000", "announce"), ("", "announce-withheld")])
def test_only_a_caller_who_shows_the_number_hears_that_it_will_be_sent(
    language: Language, number: str, clip: str
) -> None:
    caller = Caller(LISTEN, caller=number)
    follow(announce(caller, language))
    assert caller.heard == [f"{language}/{clip}"]
    assert caller.uninterrupted == caller.heard
    assert caller.done == ["answer"]


@pytest.mark.parametrize("move", ["2", "#", HANG_UP])
def test_neither_keys_nor_hanging_up_are_a_choice(move: str) -> None:
    caller = Caller(move)
    follow(announce(caller, Language.EN))
    assert caller.heard == ["en/announce"]
    assert caller.result.choice is Choice.NONE
