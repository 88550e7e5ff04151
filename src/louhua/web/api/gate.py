"""Who may use the API, and how often: tokens, their rates, and addresses that are shut out for guessing.

Pure: times are seconds of a monotonic clock. What is remembered is this process's own.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import msgspec

GUESSES: Final = 10
"""So many wrong tokens from one address within ``GUESSED_WITHIN_S`` shut it out for ``SHUT_OUT_S``."""
GUESSED_WITHIN_S: Final = 300.0
SHUT_OUT_S: Final = 300.0
_ADDRESSES: Final = 10_000
_BURST_S: Final = 30.0


class Refused(Exception):
    """The request is not let in: an HTTP status, the reason in words, and when to come again (0: no matter)."""

    def __init__(self, status: int, why: str, retry_after: float = 0.0) -> None:
        super().__init__(why)
        self.status = status
        self.why = why
        self.retry_after = retry_after


class _Guesser(msgspec.Struct):
    """An address that has shown wrong tokens."""

    since: float
    wrong: int = 0
    out_until: float = 0.0


class _Bucket(msgspec.Struct):
    """What a token may still ask for at once."""

    left: float
    at: float


class Gate:
    """Lets requests in. ``tokens`` are secrets by name, ``rate`` is requests a second and token."""

    def __init__(self, tokens: Mapping[str, str], rate: float) -> None:
        self._digests = {name: _digest(secret) for name, secret in tokens.items()}
        self._rate = rate
        self._burst = max(1.0, _BURST_S * rate)
        self._buckets: dict[str, _Bucket] = {}
        self._guessers: OrderedDict[str, _Guesser] = OrderedDict()

    def enter(self, address: str, authorization: str, now: float) -> str:
        """The name of the token that an Authorization header holds; raises ``Refused``."""
        if not self._digests:
            raise Refused(403, "the API is off: the configuration has no token under [api] tokens")
        guesser = self._guessers.get(address)
        if guesser is not None and now < guesser.out_until:
            raise Refused(429, "too many wrong tokens from this address", guesser.out_until - now)
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Refused(401, "send a token: Authorization: Bearer …")
        name = self._name_of(secret.strip())
        if name is None:
            self._wrong(address, now)
            raise Refused(401, "there is no such token")
        self._take(name, now)
        return name

    def _name_of(self, secret: str) -> str | None:
        """Compared with every token, in a time that does not tell how alike they are."""
        given = _digest(secret)
        found = None
        for name, digest in self._digests.items():
            if hmac.compare_digest(digest, given):
                found = name
        return found

    def _wrong(self, address: str, now: float) -> None:
        guesser = self._guessers.pop(address, None)
        if guesser is None or now - guesser.since > GUESSED_WITHIN_S:
            guesser = _Guesser(now)
        guesser.wrong += 1
        if guesser.wrong >= GUESSES:
            guesser = _Guesser(now, out_until=now + SHUT_OUT_S)
        self._guessers[address] = guesser
        while len(self._guessers) > _ADDRESSES:
            self._guessers.popitem(last=False)

    def _take(self, name: str, now: float) -> None:
        bucket = self._buckets.setdefault(name, _Bucket(self._burst, now))
        bucket.left = min(self._burst, bucket.left + (now - bucket.at) * self._rate)
        bucket.at = now
        if bucket.left < 1:
            raise Refused(429, "too many requests with this token", (1 - bucket.left) / self._rate)
        bucket.left -= 1


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
