"""What a caller is given, and which options a menu offers: pure, from the reason, the trunk and the profiles.

A phone that is off or out of cover gets the menu, since its owner learns of the call later; a phone that is
on gets the announcement, since the text follows at once. A menu offers only what can be kept.

===============  =============  =================================================
reason           treatment      because
===============  =============  =================================================
unreachable      menu           the phone is off or out of cover
unknown          menu           "not reachable" is lost on the way in some networks
unconditional    menu           nothing is known of the phone
no-answer        announce       the phone rang
busy             announce       the phone is in a call
deflection       announce       the user sent the call away
===============  =============  =================================================

A trunk's ``treatments`` go before this table.

====  ============  ==================================================================================
key   choice        offered when
====  ============  ==================================================================================
1     message       the callee has voicemail
2     call_back     the caller's number is not withheld
3     call_other    always
4     power_on      the caller is known and can get texts, and the callee lets others know the phone is on
====  ============  ==================================================================================
"""

from typing import Final

from louhua.bus.events import Choice, Reason, Treatment
from louhua.config import Trunk
from louhua.subscribers.profiles import Profile

TREATMENTS: Final = {
    Reason.UNREACHABLE: Treatment.MENU,
    Reason.UNKNOWN: Treatment.MENU,
    Reason.UNCONDITIONAL: Treatment.MENU,
    Reason.NO_ANSWER: Treatment.ANNOUNCE,
    Reason.BUSY: Treatment.ANNOUNCE,
    Reason.DEFLECTION: Treatment.ANNOUNCE,
}
"""The treatment of each reason where the trunk does not say otherwise."""

KEYS: Final = {
    "1": Choice.MESSAGE,
    "2": Choice.CALL_BACK,
    "3": Choice.CALL_OTHER,
    "4": Choice.POWER_ON,
}
"""The key of each choice, in the order in which a menu says them."""


def treatment_of(reason: Reason, trunk: Trunk) -> Treatment:
    """What a call forwarded for ``reason`` is given on ``trunk``."""
    chosen = trunk.treatments.get(reason.value)
    return Treatment(chosen) if chosen else TREATMENTS[reason]


def options_for(caller: str, caller_profile: Profile, callee_profile: Profile) -> dict[str, Choice]:
    """The keys that a menu offers; ``caller`` is empty when the number is withheld."""
    kept = {
        Choice.MESSAGE: callee_profile.voicemail,
        Choice.CALL_BACK: bool(caller),
        Choice.CALL_OTHER: True,
        Choice.POWER_ON: caller_profile.textable and callee_profile.may_learn_power_on(caller),
    }
    return {key: choice for key, choice in KEYS.items() if kept[choice]}
