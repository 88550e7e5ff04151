"""The menu for a phone that cannot be reached: the caller chooses what should happen, or hangs up.

Hanging up without a choice is a choice too: the callee is told of the call all the same. A choice that needs
nothing more is in the call's result before another word is said, so that who hangs up at once is served.
"""

from collections.abc import Mapping
from typing import Final

from louhua.bus.events import Choice
from louhua.calls.call import Call
from louhua.ivr import phrases
from louhua.ivr.message import leave_message
from louhua.ivr.number import leave_mobile, leave_number
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Language

TRIES: Final = 3
"""How often the options are said before we give up."""

KEY_WAIT_S: Final = 5.0
"""How long a caller may think after the last option."""


async def menu(
    call: Call, language: Language, options: Mapping[str, Choice], plan: NumberPlan, *, ask_mobile: bool
) -> None:
    """Offer ``options`` (choices by key) and do what is chosen.

    ``ask_mobile``: the caller cannot get a text, and is asked for a number that can.
    """
    await call.answer()
    choice = await _choose(call, language, options)
    if choice is Choice.MESSAGE:
        await leave_message(call, language)
    elif choice is Choice.CALL_OTHER:
        await leave_number(call, language, plan)
    elif choice is Choice.POWER_ON and ask_mobile:
        await leave_mobile(call, language, plan)
    else:
        call.result.choice = choice
        await call.play(_farewell(language, choice), barge_in=False)


async def _choose(call: Call, language: Language, options: Mapping[str, Choice]) -> Choice:
    """The caller's choice; ``NONE`` after ``TRIES`` wrong keys or none."""
    prompt = phrases.menu(language, options.values())
    for _ in range(TRIES):
        key = await call.play(prompt) or await call.key(KEY_WAIT_S)
        choice = options.get(key or "")
        if choice:
            return choice
        problem = phrases.invalid_key(language) if key else phrases.no_key(language)
        prompt = (*problem, *phrases.menu_options(language, options.values()))
    return Choice.NONE


def _farewell(language: Language, choice: Choice) -> phrases.Clips:
    return phrases.power_on_promised(language) if choice is Choice.POWER_ON else phrases.goodbye(language)
