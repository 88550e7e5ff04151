"""Numbers as this operator sees them: what is dialled, who is served, who can get texts."""

from louhua.config import Config
from louhua.numbers import abroad, canonical, textable
from louhua.ranges import Ranges
from louhua.subscribers.profiles import Profile


class NumberPlan:
    """The configured number plan. Numbers are canonical, but for what ``dialled`` takes."""

    def __init__(self, config: Config) -> None:
        self._country = config.service.country
        self._texts_abroad = config.alerts.texts_abroad
        self._ranges = Ranges(config.ranges)

    def dialled(self, number: str) -> str:
        """The canonical form of what somebody keyed; empty when it is no number."""
        return canonical(number, self._country)

    def textable(self, number: str) -> bool:
        """Whether a number can get texts: mobiles can, abroad where the operator allows it."""
        return textable(number, self._country) and (self._texts_abroad or not abroad(number, self._country))

    def served(self, number: str) -> bool:
        """Whether calls to a number make alerts."""
        return self._ranges.served(number)

    def why_not_registered(self, number: str) -> str:
        """Why a number cannot be registered; empty when it can."""
        if not self.served(number):
            return f"{number} is in no range that is served"
        return "" if self.textable(number) else f"{number} cannot get texts"

    def stranger(self, number: str) -> Profile:
        """The profile of somebody who is not known; of a withheld caller when empty."""
        return Profile(number=number, textable=self.textable(number), served=self.served(number))
