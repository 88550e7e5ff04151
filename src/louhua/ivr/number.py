"""Another number to call back: keyed in, read back, confirmed.

A complete number counts from the moment it was keyed, so that a caller who hangs up while it is read back has
left it; one who says that it is wrong takes it back.
"""

from typing import Final

from louhua.bus.events import Choice
from louhua.calls.call import Call
from louhua.ivr import phrases
from louhua.numbers import canonical
from louhua.subscribers.profiles import Language

TRIES: Final = 3
"""How often a number may be entered, and how often it is read back."""

FIRST_KEY_S: Final = 10.0
"""How long a caller may look for the number."""

NEXT_KEY_S: Final = 5.0
"""The pause that ends a number like #."""

_IS_RIGHT: Final = {"1": True, "2": False}


async def leave_number(call: Call, language: Language, country: str) -> None:
    """Ask for a number until there is a valid one that the caller does not take back, then say goodbye.

    ``country`` is where numbers without an international prefix belong.
    """
    prompt = phrases.enter_number(language)
    for _ in range(TRIES):
        keyed = await _collect(call, prompt)
        number = canonical(keyed, country)
        if number:
            call.result.choice, call.result.other_number = Choice.CALL_OTHER, number
            if await _confirmed(call, language, keyed):
                break
            call.result.choice, call.result.other_number = Choice.NONE, ""
        prompt = (*_problem(language, keyed, number), *phrases.enter_number(language))
    await call.play(phrases.goodbye(language), barge_in=False)


async def _collect(call: Call, prompt: phrases.Clips) -> str:
    """The digits up to # or a pause; * is not part of a number."""
    keyed = ""
    key = await call.play(prompt) or await call.key(FIRST_KEY_S)
    while key not in (None, "#"):
        keyed += key if key != "*" else ""
        key = await call.key(NEXT_KEY_S)
    return keyed


async def _confirmed(call: Call, language: Language, keyed: str) -> bool:
    """Whether the caller lets the number stand: only 2 takes it back, saying nothing does not."""
    for _ in range(TRIES):
        key = await call.play(phrases.confirm_number(language, keyed)) or await call.key(NEXT_KEY_S)
        if key in _IS_RIGHT:
            return _IS_RIGHT[key]
    return True


def _problem(language: Language, keyed: str, number: str) -> phrases.Clips:
    """Why the number has to be entered again; nothing where the caller wants to."""
    if number:
        return ()
    return phrases.number_invalid(language) if keyed else phrases.no_key(language)
