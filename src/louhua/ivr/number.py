"""A number the caller leaves: another one to call back, or a mobile to be texted. Keyed in, read back, confirmed.

A complete number counts from the moment it was keyed, so that a caller who hangs up while it is read back has
left it; one who says that it is wrong takes it back.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from louhua.bus.events import Choice
from louhua.calls.call import Call
from louhua.ivr import phrases
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Language

TRIES: Final = 3
"""How often a number may be entered, and how often it is read back."""

FIRST_KEY_S: Final = 10.0
"""How long a caller may look for the number."""

NEXT_KEY_S: Final = 5.0
"""The pause that ends a number like #."""

_IS_RIGHT: Final = {"1": True, "2": False}


class _Wanted(msgspec.Struct, frozen=True):
    """What a number is for, how it is asked for, and its canonical form, empty where it will not do."""

    choice: Choice
    enter: Callable[[Language], phrases.Clips]
    farewell: Callable[[Language], phrases.Clips]
    number: Callable[[str], str]


async def leave_number(call: Call, language: Language, plan: NumberPlan) -> None:
    """Ask for a number to call back until there is one that the caller does not take back, then say goodbye."""
    await _leave(call, language, _Wanted(Choice.CALL_OTHER, phrases.enter_number, phrases.goodbye, plan.dialled))


async def leave_mobile(call: Call, language: Language, plan: NumberPlan) -> None:
    """Ask for a number that can be texted when the phone is on, likewise."""

    def texted(keyed: str) -> str:
        number = plan.dialled(keyed)
        return number if plan.textable(number) else ""

    await _leave(call, language, _Wanted(Choice.POWER_ON, phrases.enter_mobile, phrases.power_on_promised, texted))


async def _leave(call: Call, language: Language, wanted: _Wanted) -> None:
    prompt = wanted.enter(language)
    for _ in range(TRIES):
        keyed = await _collect(call, prompt)
        number = wanted.number(keyed)
        if number:
            call.result.choice, call.result.other_number = wanted.choice, number
            if await _confirmed(call, language, keyed):
                await call.play(wanted.farewell(language), barge_in=False)
                return
            call.result.choice, call.result.other_number = Choice.NONE, ""
        prompt = (*_problem(language, keyed, number), *wanted.enter(language))
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
