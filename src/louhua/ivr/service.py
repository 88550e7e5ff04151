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
from louhua.subscribers.profiles import Language

_PHRASES: Final = {404: "Not Found", 480: "Temporarily Unavailable", 486: "Busy Here", 603: "Decline"}
"""Reason phrases of final responses (RFC 3261, section 21); they are for people who read traces."""


def serve(config: Config) -> Dialogue:
    """The dialogue of every call of a node with this configuration."""
    trunks = {trunk.name: trunk for trunk in config.sip.trunks}
    default_language = Language(config.service.language)

    async def dialogue(call: Call) -> None:
        trunk = trunks[call.info.trunk]
        call.result.treatment = treatment_of(call.info.reason, trunk)
        if call.result.treatment is Treatment.RELEASE:
            await call.release(trunk.release_code, _PHRASES.get(trunk.release_code, "Unavailable"))
            return
        caller, callee = await call.profiles()
        language = caller.language or default_language
        if call.result.treatment is Treatment.ANNOUNCE:
            await announce(call, language)
        else:
            options = options_for(call.info.caller, caller, callee)
            await menu(call, language, options, config.service.country)

    return dialogue
