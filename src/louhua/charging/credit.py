"""Where the money of prepaid subscribers is: what Louhua asks of it, whoever keeps it.

Reserve before the text is sent; settle when it was delivered (the amount that is charged) or was not (zero).
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec


class Verdict(StrEnum):
    """An answer to a reservation or a debit."""

    GRANTED = "granted"
    FREE = "free"
    """Whoever keeps the money takes none for this. No answer to a debit."""
    REFUSED = "refused"
    LESS = "less"
    """Refused, and yet something may be reserved: it is settled with 0. No answer to a debit."""
    AWAY = "away"
    """Nobody answered: whether the money is reserved is not known; the same is asked again, or settled with 0."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Money wanted of somebody: ``amount`` in thousandths of a yuan, for one ``item`` of his plan.

    ``session`` is the same for everything about one text, and of nothing else ever; ``again``: it may have been
    asked before, and must not be granted twice.
    """

    session: str
    payer: str
    item: str
    amount: int
    at: datetime
    again: bool = False


class Settled(StrEnum):
    """What is known of a settlement."""

    DONE = "done"
    AGAIN = "again"
    """Whether it was heard is not known: the same is told again later."""
    UNSENT = "unsent"
    """Nobody was there to be told, and nothing was sent: told again later, as if for the first time."""
    LATE = "late"
    """The reservation was over, with nothing taken, and nobody answered who was then asked for the money itself:
    told again later, as ``late``."""


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a reservation: ``used`` thousandths of a yuan are charged (never more than were reserved),
    the rest is free again; 0 gives everything back. ``late``: it is known that the reservation is over and nothing
    was taken, so that the money is taken without one.
    """

    session: str
    payer: str
    item: str
    used: int
    at: datetime
    again: bool = False
    late: bool = False


class Credit(Protocol):
    """Who keeps prepaid subscribers' money. Nothing raises for a refusal or for a system that is away."""

    async def reserve(self, asks: Sequence[Ask]) -> list[Verdict]:
        """Set money aside, all or nothing for each; answers in the order of the questions."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[Settled]:
        """End reservations; answers in the order of the settlements."""


class Debits(Credit, Protocol):
    """Who keeps the money elsewhere, and takes a rental of it when we say so."""

    async def debit(self, asks: Sequence[Ask]) -> list[Verdict]:
        """Take money at once, all or nothing for each: a rental."""
