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

A trunk's ``treatments`` go before this table. Before both: a callee who is suspended, or of no served range, is
released; a blocked caller hears busy. Where both have the service and the callee's goes first (主叫优先), the
callee's service speaks: the announcement, or a menu of nothing but the message for who has voicemail.

====  ============  ==================================================================================
key   choice        offered when
====  ============  ==================================================================================
1     message       the callee has voicemail
2     call_back     the caller's number is not withheld
3     call_other    always
4     power_on      the caller is known and can get texts or name a mobile that can, and the callee lets him know
====  ============  ==================================================================================
"""

from typing import Final

from louhua.bus.events import Choice, Reason, Treatment
from louhua.config import Alerts, Trunk
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


def treatment_of(reason: Reason, trunk: Trunk, caller: Profile, callee: Profile, settings: Alerts) -> Treatment:
    """What a call forwarded for ``reason`` is given on ``trunk``."""
    if callee.suspended or not callee.served:
        return Treatment.RELEASE
    if callee.blocks(caller.number):
        return Treatment.BLOCK
    if chosen := trunk.treatments.get(reason.value):
        return Treatment(chosen)
    usual = TREATMENTS[reason]
    if usual is Treatment.MENU and _callee_first(caller, callee, settings) and not callee.voicemail:
        return Treatment.ANNOUNCE
    return usual


def options_for(caller: Profile, callee: Profile, settings: Alerts) -> dict[str, Choice]:
    """The keys that a menu offers; the number of a withheld caller is empty."""
    for_caller = not _callee_first(caller, callee, settings)
    kept = {
        Choice.MESSAGE: callee.voicemail,
        Choice.CALL_BACK: for_caller and bool(caller.number),
        Choice.CALL_OTHER: for_caller,
        Choice.POWER_ON: for_caller
        and (settings.ask_mobile or caller.textable)
        and not caller.suspended
        and callee.may_learn_power_on(caller.number),
    }
    return {key: choice for key, choice in KEYS.items() if kept[choice]}


def _callee_first(caller: Profile, callee: Profile, settings: Alerts) -> bool:
    """Whether only the callee's service speaks, as both have it (主叫优先)."""
    return settings.first == "callee" and caller.registered and callee.registered
