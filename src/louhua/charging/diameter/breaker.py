"""When nobody answers any more, requests are held back, and one each second tries whether that is over; pure.

Without it a system that hangs behind a relay, which answers for itself, would hold up each text for as long as an
answer may take.
"""

import math
from typing import Final

TRY_EVERY_S: Final = 1.0


class Breaker:
    """Opens after ``limit`` requests in a row without answer; any answer closes it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._silent = 0
        self._tried_at = -math.inf

    @property
    def open(self) -> bool:
        """Whether requests are to be held back."""
        return self._silent >= self._limit

    def timed_out(self, now: float) -> bool:
        """A request was not answered; whether this opened it."""
        self._silent += 1
        opened = self._silent == self._limit
        if opened:
            self._tried_at = now
        return opened

    def answered(self) -> bool:
        """A request was answered; whether this closed it."""
        closed, self._silent = self.open, 0
        return closed

    def may_try(self, now: float) -> bool:
        """Whether one request may go although it is open: then no other for a second."""
        may = now - self._tried_at >= TRY_EVERY_S
        if may:
            self._tried_at = now
        return may
