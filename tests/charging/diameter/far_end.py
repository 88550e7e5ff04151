"""A Diameter peer that says what a test wants: capabilities as they should be, the rest by a function."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from diameter.message import Message
from diameter.message.avp.grouped import CcMoney, GrantedServiceUnit, MultipleServicesCreditControl, UnitValue
from diameter.message.commands import CapabilitiesExchangeRequest, CreditControlRequest

Say = Callable[[Any], bytes | None]


class FarEnd:
    """Listens; ``heard`` are the messages of all connections but their capabilities, in order."""

    def __init__(self, say: Say, capabilities: Callable[[Any], Any]) -> None:
        self.heard: list[Any] = []
        self.port = 0
        self.connections = 0
        self.say = say
        self._capabilities = capabilities
        self._writer: asyncio.StreamWriter | None = None
        self._news = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection (asyncio calls this)."""
        self._writer = writer
        try:
            while True:
                front = await reader.readexactly(4)
                message = Message.from_bytes(front + await reader.readexactly(int.from_bytes(front[1:]) - 4))
                if isinstance(message, CapabilitiesExchangeRequest):
                    writer.write(self._capabilities(message).as_bytes())
                    self.connections += 1
                else:
                    self.heard.append(message)
                    writer.write(self.say(message) or b"")
                async with self._news:
                    self._news.notify_all()
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    def send(self, data: bytes) -> None:
        """Say something unasked on the last connection."""
        assert self._writer is not None
        self._writer.write(data)

    def close(self) -> None:
        """End the last connection."""
        assert self._writer is not None
        self._writer.close()

    async def until(self, true: Callable[[], Any]) -> None:
        """Wait until something heard makes it true."""
        async with self._news, asyncio.timeout(20):
            await self._news.wait_for(true)


def welcome(request: Any) -> Any:
    """Capabilities of a server for credit control."""
    answer = request.to_answer()
    answer.result_code = 2001
    answer.origin_host, answer.origin_realm = b"ocs.ocs.example", b"ocs.example"
    answer.host_ip_address, answer.vendor_id, answer.product_name = ["127.0.0.1"], 0, "far end"
    answer.auth_application_id = [4]
    return answer


def nothing(_: Any) -> None:
    """Never answer."""


def answer(request: Any, code: int | None = 2001, service: Any = None) -> bytes:
    """A credit-control answer; nothing to any other message."""
    if not isinstance(request, CreditControlRequest):
        return b""
    said = request.to_answer()
    said.session_id = request.session_id
    said.result_code = code
    said.origin_host, said.origin_realm = b"ocs.ocs.example", b"ocs.example"
    said.cc_request_type, said.cc_request_number = request.cc_request_type, request.cc_request_number
    if service is not None:
        said.multiple_services_credit_control = [service]
    return bytes(said.as_bytes())


def granted(digits: int, exponent: int | None = -3, currency: int | None = 156, code: int | None = None) -> Any:
    """A service that money was granted for."""
    money = CcMoney(UnitValue(value_digits=digits, exponent=exponent), currency)
    return MultipleServicesCreditControl(granted_service_unit=GrantedServiceUnit(cc_money=money), result_code=code)


@asynccontextmanager
async def far_end(say: Say, capabilities: Callable[[Any], Any] = welcome) -> AsyncIterator[FarEnd]:
    """It listens within."""
    end = FarEnd(say, capabilities)
    server = await asyncio.start_server(end.serve, "127.0.0.1", 0)
    end.port = server.sockets[0].getsockname()[1]
    try:
        yield end
    finally:
        server.close()
