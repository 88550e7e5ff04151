"""The money in the sandbox's online charging system, and what is answered; pure. Money is in thousandths."""

import math
from typing import Final

import msgspec

INITIAL: Final = 1
TERMINATION: Final = 3
EVENT: Final = 4
"""CC-Request-Type (RFC 8506, 8.3)."""

SUCCESS: Final = 2001
CREDIT_LIMIT_REACHED: Final = 4012
UNKNOWN_SESSION_ID: Final = 5002
INVALID_AVP_VALUE: Final = 5004


class Request(msgspec.Struct, frozen=True):
    """A credit-control request: ``amount`` is wanted, or was used."""

    session: str
    number: int
    kind: int
    payer: str
    amount: int


class Reply(msgspec.Struct, frozen=True):
    """What is answered; ``repeated``: the same was asked before, and nothing was done now."""

    code: int
    granted: int | None = None
    repeated: bool = False


class _Held(msgspec.Struct, frozen=True):
    payer: str
    amount: int
    until: float


class Ledger:
    """Balances by number. Whoever is not known has ``balance``.

    A reservation that is not settled within ``forget_s`` is given back, and its session forgotten, as by Tcc of
    RFC 8506, 13.
    """

    def __init__(self, balance: int, forget_s: float = math.inf) -> None:
        self._balance = balance
        self._forget_s = forget_s
        self._balances: dict[str, int] = {}
        self._reserved: dict[str, _Held] = {}
        self._said: dict[tuple[str, int], Reply] = {}

    def put(self, payer: str, balance: int) -> None:
        """Give somebody another balance."""
        self._balances[payer] = balance

    def balance(self, payer: str) -> int:
        """What he can still spend: reserved money is not in it."""
        return self._balances.get(payer, self._balance)

    def take(self, request: Request, now: float = 0.0) -> Reply:
        """Do what is asked, once for each session and number (RFC 8506, 8.2); ``now`` in seconds of any clock."""
        self._forget(now)
        key = (request.session, request.number)
        before = self._said.get(key)
        if before is not None:
            return msgspec.structs.replace(before, repeated=True)
        reply = self._do(request, now)
        self._said[key] = reply
        return reply

    def _forget(self, now: float) -> None:
        for session in [session for session, held in self._reserved.items() if held.until <= now]:
            held = self._reserved.pop(session)
            self._balances[held.payer] = self.balance(held.payer) + held.amount

    def _do(self, request: Request, now: float) -> Reply:
        if request.kind not in {INITIAL, TERMINATION, EVENT} or request.amount < 0:
            return Reply(INVALID_AVP_VALUE)
        return self._end(request) if request.kind == TERMINATION else self._spend(request, now)

    def _end(self, request: Request) -> Reply:
        held = self._reserved.pop(request.session, None)
        if held is None:
            return Reply(UNKNOWN_SESSION_ID)
        self._balances[request.payer] = self.balance(request.payer) + held.amount - request.amount
        return Reply(SUCCESS)

    def _spend(self, request: Request, now: float) -> Reply:
        balance = self.balance(request.payer)
        if balance < request.amount:
            return Reply(CREDIT_LIMIT_REACHED)
        self._balances[request.payer] = balance - request.amount
        if request.kind == INITIAL:
            self._reserved[request.session] = _Held(request.payer, request.amount, now + self._forget_s)
        return Reply(SUCCESS, granted=request.amount)
