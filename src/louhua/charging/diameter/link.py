"""The connection to one Diameter peer: capabilities, watchdog, requests and their answers (RFC 6733).

The library's own node is not used: it takes a thread for each request that waits, keeps a trace of each one for
ever, tells peers by Origin-State-Id that our sessions are lost whenever we start (RFC 6733, 8.16), and spins on a
message of length 0.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final

import msgspec
import structlog
from diameter.message import Message
from diameter.message.commands import (
    CapabilitiesExchangeAnswer,
    CapabilitiesExchangeRequest,
    DeviceWatchdogRequest,
    DisconnectPeerRequest,
)
from diameter.message.constants import (
    APP_DIAMETER_CREDIT_CONTROL_APPLICATION,
    APP_RELAY,
    CMD_DEVICE_WATCHDOG,
    CMD_DISCONNECT_PEER,
    E_DISCONNECT_CAUSE_REBOOTING,
    E_RESULT_CODE_DIAMETER_COMMAND_UNSUPPORTED,
    E_RESULT_CODE_DIAMETER_SUCCESS,
    VENDOR_TGPP,
)

from louhua.charging.diameter.metrics import PEER_UP, STRAY
from louhua.config import split_address
from louhua.creditors import Diameter
from louhua.together import run_together

log = structlog.get_logger()

RETRY_S: Final = 2.0
"""From the end of a connection to the next one."""
_SENT_AWAY_S: Final = 30.0
"""The same where the peer said that it does not want us (RFC 6733, 5.4.3; Tc of 2.1)."""
_IDLE_S: Final = 30.0
"""Silence after which the peer is asked whether it is there (Tw of RFC 3539, 3.4.1)."""
_ANSWER_S: Final = 5.0
"""How long a connection, a CEA and a DWA may take."""
BREATH: Final = 16
"""Messages written or read before others have their turn: some milliseconds."""
_FRONT: Final = 4
"""Bytes of a message that tell its length."""
_LEAST: Final = 20
_MOST: Final = 65536
"""Bytes of a message; an answer to us has some hundreds."""

_SUCCESS: Final = E_RESULT_CODE_DIAMETER_SUCCESS


class Silence(StrEnum):
    """Why there is no answer."""

    NO_PEER = "no peer"
    LOST = "lost"
    """The connection ended meanwhile."""
    TIMEOUT = "timeout"
    NO_TURN = "no turn"
    """It was not sent: too many others wait for their answers."""
    HELD_BACK = "held back"
    """Nobody answers any more: it was not sent, or is a reservation that tried and is not waited for."""


class PeerFault(Exception):
    """The peer said what it may not, or refuses us; the text is for the operator."""


class _Waiting(msgspec.Struct, frozen=True):
    future: asyncio.Future[Any]
    timer: asyncio.TimerHandle


class Link:
    """One peer, connected again whenever it is away. ``run`` keeps it; ``send`` asks it."""

    def __init__(
        self, address: str, config: Diameter, numbers: Iterator[int], changed: Callable[[], None]
    ) -> None:
        self.address = address
        self.why = "not yet connected"
        """Why it is away."""
        self.name = ""
        """Origin-Host of the peer."""
        self._config = config
        self._numbers = numbers
        self._changed = changed
        self._up = False
        self._wire: asyncio.StreamWriter | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._pause = RETRY_S
        self._heard_at = 0.0
        self._doubted = asyncio.Event()

    @property
    def up(self) -> bool:
        """Whether it takes requests. One that was reset is closed some turns of the loop before it ends."""
        return self._up and self._wire is not None and not self._wire.is_closing()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            self._pause = RETRY_S
            try:
                await self._connection()
            except EOFError:
                self._away("the peer closed the connection")
            except (OSError, TimeoutError, PeerFault) as error:
                self._away(str(error) or "no answer")
            except Exception as error:  # whatever else a peer's bytes, or its name, lead the libraries to
                log.exception("diameter.fault", peer=self.address)
                self.why = repr(error)
            await asyncio.sleep(self._pause)

    def _away(self, why: str) -> None:
        if why != self.why:
            log.warning("diameter.away", peer=self.address, why=why)
        self.why = why

    async def _connection(self) -> None:
        """Connect, and serve the connection until it ends."""
        async with asyncio.timeout(_ANSWER_S):
            host, port = split_address(self.address)
            reader, self._wire = await asyncio.open_connection(host.strip("[]"), port)
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._introduce(reader)
            self._heard_at = asyncio.get_running_loop().time()
            self.why = ""
            log.info("diameter.up", peer=self.address, name=self.name)
            self._turn(up=True)
            await run_together(self._serve(reader), self._watch())
        except asyncio.CancelledError:
            if self.up:
                self._post(_disconnection(self._config))
            raise
        except Exception:
            self._wire.transport.abort()  # what is still to be sent would wait for a peer that does not read
            raise
        finally:
            self._turn(up=False)
            self._give_up_all()
            self._wire.close()
            self._wire = None

    def _turn(self, *, up: bool) -> None:
        if up != self._up:
            PEER_UP.labels(self.address).set(int(up))
        self._up = up
        self._changed()

    async def _introduce(self, reader: asyncio.StreamReader) -> None:
        """Exchange capabilities (RFC 6733, 5.3)."""
        assert self._wire is not None
        self._post(_capabilities(self._config, self._wire.get_extra_info("sockname")[0]))
        answer = await _read(reader)
        if not isinstance(answer, CapabilitiesExchangeAnswer):
            raise PeerFault("no Capabilities-Exchange-Answer came")
        if answer.result_code != _SUCCESS:
            raise PeerFault(f"refuses us: Result-Code {answer.result_code} {answer.error_message or ''}".strip())
        offered = set(answer.auth_application_id)
        for given in answer.vendor_specific_application_id:
            offered.add(given.auth_application_id)
        if not offered & {APP_DIAMETER_CREDIT_CONTROL_APPLICATION, APP_RELAY}:
            raise PeerFault("does neither credit control (application 4) nor relay")
        self.name = (answer.origin_host or b"").decode(errors="replace")

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        """Take what comes until the peer asks for the end."""
        code = taken = 0
        while code != CMD_DISCONNECT_PEER:
            taken += 1
            if taken % BREATH == 0:
                await asyncio.sleep(0)
            message = await _read(reader)
            self._heard_at = asyncio.get_running_loop().time()
            if message is None:
                log.warning("diameter.unreadable", peer=self.address)
            elif message.header.is_request:
                code = message.header.command_code
                self._answer(message)
            else:
                self._take(message)

    def _take(self, answer: Any) -> None:
        waiting = self._waiting.pop(answer.header.hop_by_hop_identifier, None)
        if waiting is None:
            STRAY.labels(self.address).inc()
            return
        waiting.timer.cancel()
        _settle(waiting.future, answer)

    def _answer(self, request: Any) -> None:
        """Answer a request of the peer."""
        answer = _introduced(request.to_answer(), self._config)
        answer.result_code = _SUCCESS
        code = request.header.command_code
        if code == CMD_DISCONNECT_PEER:
            self._away(f"the peer disconnected (cause {request.disconnect_cause})")
            self._pause = RETRY_S if request.disconnect_cause == E_DISCONNECT_CAUSE_REBOOTING else _SENT_AWAY_S
        elif code != CMD_DEVICE_WATCHDOG:
            # A server may ask for the end of a session (RFC 8506, 5.5); ours end when the text's fate is known.
            answer.session_id = getattr(request, "session_id", None)
            answer.proxy_info = getattr(request, "proxy_info", [])  # proxies find their way by it (RFC 6733, 6.2)
            answer.header.is_error = True
            answer.result_code = E_RESULT_CODE_DIAMETER_COMMAND_UNSUPPORTED
        self._post(answer)

    async def _watch(self) -> None:
        """Ask whether the peer is there, after silence and whenever a request was not answered (RFC 3539, 3.4)."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_S):
                    await self._doubted.wait()
            quiet = loop.time() - self._heard_at >= _IDLE_S
            if not quiet and not self._doubted.is_set():
                continue
            self._doubted.clear()
            if isinstance(await self.send(_watchdog(self._config), _ANSWER_S), Silence):
                raise PeerFault("does not answer the watchdog")

    def send(self, request: Any, timeout_s: float) -> asyncio.Future[Any]:
        """Send a request; the future is its answer, or a ``Silence``."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self.up:
            future.set_result(Silence.NO_PEER)
            return future
        self._post(request)
        number = request.header.hop_by_hop_identifier
        timer = loop.call_later(timeout_s, self._too_late, number, loop.time())
        self._waiting[number] = _Waiting(future, timer)
        return future

    def _post(self, message: Any) -> None:
        if message.header.is_request:
            number = next(self._numbers)
            message.header.hop_by_hop_identifier = message.header.end_to_end_identifier = number
        assert self._wire is not None
        if not self._wire.is_closing():  # else uvloop raises, and the end of the connection is on its way
            self._wire.write(message.as_bytes())

    def _too_late(self, number: int, sent_at: float) -> None:
        _settle(self._waiting.pop(number).future, Silence.TIMEOUT)
        if self._heard_at <= sent_at:  # the loop's clock has steps
            self._doubted.set()

    def _give_up_all(self) -> None:
        for waiting in self._waiting.values():
            waiting.timer.cancel()
            _settle(waiting.future, Silence.LOST)
        self._waiting.clear()


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


async def _read(reader: asyncio.StreamReader) -> Any | None:
    """The next message, or ``None`` where it is whole and cannot be read.

    Raises ``PeerFault`` where no further message can be found, ``EOFError`` at the end.
    """
    front = await reader.readexactly(_FRONT)
    length = int.from_bytes(front[1:])
    if front[0] != 1 or length % 4 or not _LEAST <= length <= _MOST:
        raise PeerFault("sent what is not Diameter")
    data = front + await reader.readexactly(length - _FRONT)
    try:
        return Message.from_bytes(data)
    except Exception:  # whatever the library meets in somebody else's bytes
        return None


def _introduced(message: Any, config: Diameter) -> Any:
    message.origin_host = config.origin_host.encode()
    message.origin_realm = config.origin_realm.encode()
    return message


def _capabilities(config: Diameter, own_address: str) -> Any:
    request = _introduced(CapabilitiesExchangeRequest(), config)
    request.host_ip_address = [own_address]
    request.vendor_id = 0
    request.product_name = "Louhua"
    request.supported_vendor_id = [VENDOR_TGPP]
    request.auth_application_id = [APP_DIAMETER_CREDIT_CONTROL_APPLICATION]
    return request


def _watchdog(config: Diameter) -> Any:
    return _introduced(DeviceWatchdogRequest(), config)


def _disconnection(config: Diameter) -> Any:
    request = _introduced(DisconnectPeerRequest(), config)
    request.disconnect_cause = E_DISCONNECT_CAUSE_REBOOTING
    return request
