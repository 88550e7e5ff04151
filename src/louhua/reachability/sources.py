"""Who is asked whether a phone is back: by number range, and the next where one cannot tell.

Source: the requirement's *Reachability*. A source stands in a watch's row as ``probe:<SMSC>`` or
``reg:<registrar>``; whoever answers, the answer is the one event ``phone.reachable``.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from louhua.config import Config, NumberRange, Smsc
from louhua.db.pool import Connection
from louhua.ranges import Ranges

NOBODY: Final = ""
"""Stands for a source where nobody is asked: the watch ends by other news, or by its limit."""

AWAY_FOR: Final = timedelta(minutes=1)
"""A source that is away is asked again so much later at least, where there is no other."""


_NEWS_TRAVELS: Final = timedelta(seconds=5)
"""So long the event that ends a watch may need, before it is taken for one that must go on."""


class Source(Protocol):
    """Asks about watched phones. Its answers are events, not results: they may come days later."""

    async def ask(self, connection: Connection, now: datetime) -> int:
        """Ask about this source's watches that are due; how many were asked."""
        ...


class Ask(msgspec.Struct, frozen=True):
    """Who is to ask about a phone, and when; ``at`` is ``None`` for nobody."""

    source: str
    at: datetime | None


class Step(msgspec.Struct, frozen=True):
    """A watch goes on: ``asked`` was asked, ``then`` says who is next.

    ``gave_up``: ``asked`` will never tell about this phone.
    """

    callee: str
    asked: str
    then: Ask
    gave_up: bool = False


def after(order: Sequence[str], asked: str, given_up: Collection[str]) -> str:
    """Who is asked when ``asked`` cannot tell: the next of ``order``, and around, that has not given up.

    That is ``asked`` itself where there is no other, and nobody where all have given up.
    """
    start = order.index(asked) + 1 if asked in order else 0
    around = (*order[start:], *order[:start])
    return next((source for source in around if source not in given_up), NOBODY)


class Sources:
    """The configured sources and their orders."""

    def __init__(self, config: Config) -> None:
        self._ranges = Ranges(config.ranges)
        self._smscs = config.smsc
        self._hold_off = config.alerts.probe_hold_off
        self._orders = {given.name: self._order_in(given) for given in config.ranges}
        self._elsewhere = self._order_in(None)

    @property
    def known(self) -> frozenset[str]:
        """Every source that some number's order names."""
        return frozenset(source for order in (self._elsewhere, *self._orders.values()) for source in order)

    def order(self, number: str) -> tuple[str, ...]:
        """The sources for a canonical number, the first first."""
        given = self._ranges.of(number)
        return self._elsewhere if given is None else self._orders[given.name]

    def first(self, callees: Sequence[str], now: datetime) -> list[Ask]:
        """Who asks about new watches, and when."""
        orders = (self.order(callee) for callee in callees)
        return [Ask(order[0], now + self._hold_off) if order else Ask(NOBODY, None) for order in orders]

    def away(
        self, callee: str, asked: str, given_up: Collection[str], now: datetime, wait: timedelta = AWAY_FOR
    ) -> Step:
        """``asked`` cannot tell at present; where there is no other it is asked again after ``wait``."""
        source = after(self.order(callee), asked, given_up)
        return Step(callee, asked, _ask(source, now + max(wait, AWAY_FOR) if source == asked else now))

    def again(self, callee: str, asked: str, now: datetime) -> Step:
        """``asked`` has told; who is watched all the same was called since."""
        return Step(callee, asked, Ask(asked, now + max(self._hold_off, _NEWS_TRAVELS)))

    def gave_up(self, callee: str, asked: str, given_up: Collection[str], now: datetime) -> Step:
        """``asked`` will not tell about this phone."""
        source = after(self.order(callee), asked, {asked, *given_up})
        return Step(callee, asked, _ask(source, now), gave_up=True)

    def _order_in(self, given: NumberRange | None) -> tuple[str, ...]:
        probing = _probing(self._smscs, given)
        probe = (f"probe:{probing.name}",) if probing else ()
        named = given.reachability if given and given.reachability else ("probe",)
        return tuple(source for name in named for source in (probe if name == "probe" else (f"reg:{name}",)))


def _ask(source: str, at: datetime) -> Ask:
    return Ask(source, at if source else None)


def _probing(smscs: Sequence[Smsc], given: NumberRange | None) -> Smsc | None:
    """The SMSC that can tell of a range's phones: the first of its own, or of all, that is not set to none."""
    by_name = {smsc.name: smsc for smsc in smscs}
    own = [by_name[name] for name in given.smsc] if given and given.smsc else smscs
    return next((smsc for smsc in own if smsc.reachability != "none"), None)
