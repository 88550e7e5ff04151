"""How fast a connection may send: a token bucket that an SMSC's refusals slow down.

A refusal for throughput (``status.SLOW_DOWN``) sets the rate to four fifths of what the SMSC accepted in the
second before and stops sending for a moment; each second without one raises the rate by a tenth, up to the
configured one. Pure: times are arguments, in seconds.
"""

import math
from typing import Final

_BURST_S: Final = 0.1
"""A bucket holds one message and a tenth of a second's worth: SMSCs count in seconds and dislike bursts."""
_HOLD_S: Final = 0.5
_SLOWER: Final = 0.8
_FASTER: Final = 1.1
_SLOWEST: Final = 1.0
_NO_LIMIT: Final = 50_000.0
"""Above this rate an unlimited connection is unlimited again."""


class Pace:
    """The pace of one connection; ``rate`` is messages a second, 0 without limit."""

    def __init__(self, rate: float, now: float) -> None:
        self._most = rate or math.inf
        self._rate = self._most
        self._tokens = 1.0
        self._filled_at = now
        self._hold_until = now
        self._second_began = now
        self._accepted = 0
        self._accepted_before = 0
        self._refused = False

    @property
    def rate(self) -> float:
        """Messages a second at present; infinite without limit."""
        return self._rate

    def take(self, wanted: int, now: float) -> int:
        """How many of ``wanted`` messages may be sent now; they count as sent."""
        self._advance(now)
        if now < self._hold_until:
            return 0
        if self._rate == math.inf:
            return wanted
        capacity = 1.0 + self._rate * _BURST_S
        self._tokens = min(capacity, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        taken = min(wanted, int(self._tokens + 1e-9))
        self._tokens -= taken
        return taken

    def give_back(self, count: int) -> None:
        """Messages that were taken and not sent after all."""
        self._tokens += count

    def wait(self, now: float) -> float:
        """Seconds until ``take`` gives something again."""
        held = max(0.0, self._hold_until - now)
        if self._rate == math.inf:
            return held
        missing = 1.0 - self._tokens - (now - self._filled_at) * self._rate
        return max(held, missing / self._rate, 0.0)

    def accepted(self, count: int = 1) -> None:
        """The SMSC took messages."""
        self._accepted += count

    def refused(self, now: float) -> bool:
        """The SMSC refused a message because there were too many; true if that makes the pace slower."""
        self._advance(now)
        if self._refused:
            return False
        self._refused = True
        taken = max(self._accepted, self._accepted_before)
        self._rate = max(_SLOWEST, min(self._rate, float(taken)) * _SLOWER)
        self._hold_until = now + _HOLD_S
        self._tokens = 0.0
        self._filled_at = self._hold_until
        return True

    def _advance(self, now: float) -> None:
        """Close the second that is over; a quiet one makes the pace faster."""
        while now - self._second_began >= 1.0:
            if not self._refused and self._rate < self._most:
                self._rate = min(self._rate * _FASTER + 1.0, self._most)
                if self._rate > _NO_LIMIT:
                    self._rate = self._most
            self._accepted_before, self._accepted = self._accepted, 0
            self._refused = False
            self._second_began += 1.0
            if now - self._second_began > 60.0 and self._rate == self._most:
                self._second_began = now
