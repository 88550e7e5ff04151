"""What becomes of a text when its payer's money was asked for: a table of the answer and the operator's policy."""

from datetime import timedelta
from typing import Final

import msgspec

from louhua.charging.credit import Verdict
from louhua.charging.plans import Item
from louhua.charging.rating import Why
from louhua.creditors import Charging
from louhua.texts.outbox import CREDIT_AWAY, NO_CREDIT
from louhua.texts.smpp.status import Retry


class Fate(msgspec.Struct, frozen=True):
    """Whether a text goes; ``given`` is why nothing is charged for it.

    One that does not go fails with ``error``, and ``retry`` says whether what it tells is tried again. ``unsure``:
    its money, or some of it, may be reserved all the same, and is given back.
    """

    goes: bool
    given: Why | None = None
    error: str = ""
    retry: Retry | None = None
    unsure: bool = False


_GRANTED: Final = Fate(goes=True)
_FREE: Final = Fate(goes=True, given=Why.FREE_OF_CHARGE)
_REFUSED: Final = {
    "free": Fate(goes=True, given=Why.NO_CREDIT),
    "hold": Fate(goes=False, error=NO_CREDIT, retry=Retry.LATER),
    "drop": Fate(goes=False, error=NO_CREDIT, retry=Retry.FINAL),
}
_AWAY: Final = {
    "free": Fate(goes=True, given=Why.CREDIT_AWAY),
    "hold": Fate(goes=False, error=CREDIT_AWAY, retry=Retry.LATER, unsure=True),
}


def fate_of(verdict: Verdict, item: Item, settings: Charging) -> Fate:
    """What becomes of a text. Details are not held for want of money: who asked for them is told to ask again."""
    if verdict is Verdict.GRANTED:
        return _GRANTED
    if verdict is Verdict.FREE:
        return _FREE
    if verdict is Verdict.AWAY:
        return _AWAY[settings.away]
    asked_for = item is Item.DETAIL and settings.refused == "hold"
    fate = _REFUSED["drop" if asked_for else settings.refused]
    return msgspec.structs.replace(fate, unsure=verdict is Verdict.LESS and not fate.goes)


_LONGEST_WAIT: Final = timedelta(minutes=5)
TELL_ANEW_AFTER: Final = timedelta(minutes=1)
"""How long to wait before something is settled that nobody was there for."""


def settle_again_after(attempts: int) -> timedelta:
    """How long to wait before somebody who did not answer ``attempts`` times is told again."""
    return min(timedelta(seconds=2 ** min(attempts, 10)), _LONGEST_WAIT)
