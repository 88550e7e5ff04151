"""A small online charging system to try prepaid charging on: a Diameter server with balances in memory.

It is the library's own node, so that Louhua's connection is spoken to by another implementation.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from diameter.message.avp.grouped import CcMoney, GrantedServiceUnit, MultipleServicesCreditControl, UnitValue
from diameter.message.constants import APP_DIAMETER_CREDIT_CONTROL_APPLICATION, CMD_CREDIT_CONTROL
from diameter.node import Node
from diameter.node.application import Application

from louhua.config import split_address
from louhua.sandbox.ocs_ledger import EVENT, INITIAL, TERMINATION, Ledger, Reply, Request

logging.getLogger("diameter").addHandler(logging.NullHandler())  # it speaks of every connection that ends

_COMMAND_UNSUPPORTED: Final = 3001
_EXPONENT: Final = -3
_WHAT: Final = {INITIAL: "reserve", TERMINATION: "settle", EVENT: "debit"}


class _Desk(Application):  # type: ignore[misc]  # the library has no types
    def __init__(self, ledger: Ledger, tell: Callable[[Request, Reply, int], None]) -> None:
        super().__init__(APP_DIAMETER_CREDIT_CONTROL_APPLICATION, is_auth_application=True)
        self._ledger = ledger
        self._tell = tell
        self._one_at_a_time = threading.Lock()

    def handle_request(self, message: Any) -> None:
        """Answer one request; the library calls this in a thread of the connection."""
        if message.header.command_code != CMD_CREDIT_CONTROL:
            self.send_answer(self.generate_answer(message, _COMMAND_UNSUPPORTED))
            return
        request = _read(message)
        with self._one_at_a_time:
            reply = self._ledger.take(request, time.monotonic())
            self._tell(request, reply, self._ledger.balance(request.payer))
        self.send_answer(_write(self.generate_answer(message, reply.code), message, reply))


class Ocs:
    """Listens from ``start`` to ``stop`` for ``clients``, who are named by their Origin-Host."""

    def __init__(
        self, listen: str, realm: str, clients: Sequence[str], ledger: Ledger, tell: Callable[[str], None]
    ) -> None:
        self._address = split_address(listen)
        host, port = self._address
        self._node = Node(f"ocs.{realm}", realm, ip_addresses=[host], tcp_port=port)
        self._node.wakeup_interval = 1
        desk = _Desk(ledger, lambda *news: tell(describe(*news)))
        peers = [self._node.add_peer(f"aaa://{client}", realm) for client in clients]
        self._node.add_application(desk, peers, realms=[realm])

    def start(self) -> None:
        """Listen. Raises ``OSError`` where the port is taken."""
        with socket.socket() as probe:  # the library would leave its own open
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(self._address)
        self._node.start()

    def stop(self) -> None:
        """Close everything."""
        self._node.stop(force=True)


def describe(request: Request, reply: Reply, balance: int) -> str:
    """A line about one request."""
    what = _WHAT.get(request.kind, f"type {request.kind}")
    again = " (again)" if reply.repeated else ""
    return (
        f"{what:<7} {request.amount / 1000:.3f} of {request.payer}: {reply.code}{again},"
        f" balance {balance / 1000:.3f}, session {request.session}"
    )


def _read(message: Any) -> Request:
    """Who pays and how much; a request that names no money wants none."""
    amount = 0
    for money in _moneys(message):
        value = money.unit_value
        amount += int(value.value_digits * 10.0 ** ((value.exponent or 0) - _EXPONENT))
    payers = [given.subscription_id_data for given in message.subscription_id or []]
    return Request(
        session=message.session_id, number=message.cc_request_number, kind=message.cc_request_type,
        payer=payers[0] if payers else "", amount=amount,
    )  # fmt: skip


def _moneys(message: Any) -> list[Any]:
    services = message.multiple_services_credit_control or []
    units = [unit for given in services for unit in (given.requested_service_unit, *given.used_service_unit)]
    return [unit.cc_money for unit in units if unit is not None and unit.cc_money is not None]


def _write(answer: Any, message: Any, reply: Reply) -> Any:
    answer.cc_request_type = message.cc_request_type
    answer.cc_request_number = message.cc_request_number
    moneys = _moneys(message)
    if reply.granted is not None and moneys:
        value = UnitValue(value_digits=reply.granted, exponent=_EXPONENT)
        granted = GrantedServiceUnit(cc_money=CcMoney(value, moneys[0].currency_code))
        answer.multiple_services_credit_control = [
            MultipleServicesCreditControl(granted_service_unit=granted, result_code=reply.code)
        ]
    return answer
