"""The money in the sandbox's online charging system, and what is answered; pure. Money is in thousandths."""

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


class Ledger:
    """Balances by number. Whoever is not known has ``balance``."""

    def __init__(self, balance: int) -> None:
        self._balance = balance
        self._balances: dict[str, int] = {}
        self._reserved: dict[str, int] = {}
        self._said: dict[tuple[str, int], Reply] = {}

    def put(self, payer: str, balance: int) -> None:
        """Give somebody another balance."""
        self._balances[payer] = balance

    def balance(self, payer: str) -> int:
        """What he can still spend: reserved money is not in it."""
        return self._balances.get(payer, self._balance)

    def take(self, request: Request) -> Reply:
        """Do what is asked, once for each session and number (RFC 8506, 8.2)."""
        key = (request.session, request.number)
        before = self._said.get(key)
        if before is not None:
            return msgspec.structs.replace(before, repeated=True)
        reply = self._do(request)
        self._said[key] = reply
        return reply

    def _do(self, request: Request) -> Reply:
        if request.kind not in {INITIAL, TERMINATION, EVENT} or request.amount < 0:
            return Reply(INVALID_AVP_VALUE)
        return self._end(request) if request.kind == TERMINATION else self._spend(request)

    def _end(self, request: Request) -> Reply:
        reserved = self._reserved.pop(request.session, None)
        if reserved is None:
            return Reply(UNKNOWN_SESSION_ID)
        self._balances[request.payer] = self.balance(request.payer) + reserved - request.amount
        return Reply(SUCCESS)

    def _spend(self, request: Request) -> Reply:
        balance = self.balance(request.payer)
        if balance < request.amount:
            return Reply(CREDIT_LIMIT_REACHED)
        self._balances[request.payer] = balance - request.amount
        if request.kind == INITIAL:
            self._reserved[request.session] = request.amount
        return Reply(SUCCESS, granted=request.amount)
