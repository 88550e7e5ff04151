"""The service as one dialogue: who calls whom and why decides which dialogue a caller gets.

This is what the call role runs for every call; it works with default profiles where the database is away.
"""

from typing import Final

from louhua.bus.events import Treatment
from louhua.calls.call import Call, Dialogue
from louhua.config import Config
from louhua.ivr.announce import announce
from louhua.ivr.menu import menu
from louhua.ivr.treatment import options_for, treatment_of
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Language

_BUSY: Final = 486
_PHRASES: Final = {404: "Not Found", 480: "Temporarily Unavailable", _BUSY: "Busy Here", 603: "Decline"}
"""Reason phrases of final responses (RFC 3261, section 21); they are for people who read traces."""


def serve(config: Config) -> Dialogue:
    """The dialogue of every call of a node with this configuration."""
    trunks = {trunk.name: trunk for trunk in config.sip.trunks}
    default_language = Language(config.service.language)
    plan = NumberPlan(config)

    async def dialogue(call: Call) -> None:
        trunk = trunks[call.info.trunk]
        caller, callee = await call.profiles()
        treatment = treatment_of(call.info.reason, trunk, caller, callee, config.alerts)
        call.result.treatment = treatment
        language = caller.language or default_language
        match treatment:
            case Treatment.BLOCK:
                await call.release(_BUSY, _PHRASES[_BUSY])
            case Treatment.RELEASE:
                await call.release(trunk.release_code, _PHRASES.get(trunk.release_code, "Unavailable"))
            case Treatment.ANNOUNCE:
                await announce(call, language)
            case Treatment.MENU:
                options = options_for(caller, callee, config.alerts)
                await menu(call, language, options, plan, ask_mobile=not caller.textable)

    return dialogue
