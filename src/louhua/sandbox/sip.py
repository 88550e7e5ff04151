"""As much SIP as a sandbox phone needs: a dialog and a UDP socket (RFC 3261), on asyncio.

sippy's event loop belongs to a process's main thread, and a sandbox has many phones beside an SMSC in one
process; see ``docs/decisions/0003-sandbox-phone.md``.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import cast

import msgspec

from louhua.sip import GIVE_UP_S, T1_S, T2_S, Headers, Message, branch, parse, uri_of


class Dialog(msgspec.Struct):
    """What stays the same in one call's requests, and what the peer's answer adds.

    ``local`` and ``remote`` are the values of From and To.
    """

    target: str
    local: str
    remote: str
    contact: str
    via: str
    call_id: str
    routes: tuple[str, ...] = ()

    def request(self, method: str, cseq: int, body: str = "", extra: Headers = ()) -> Message:
        """A request of this call, in a transaction of its own."""
        return Message(
            f"{method} {self.target} SIP/2.0",
            (
                ("Via", f"SIP/2.0/UDP {self.via};branch={branch()};rport"),
                *(("Route", route) for route in self.routes),
                ("Max-Forwards", "70"),
                ("From", self.local),
                ("To", self.remote),
                ("Call-ID", self.call_id),
                ("CSeq", f"{cseq} {method}"),
                ("Contact", f"<{self.contact}>"),
                *extra,
            ),
            body,
        )

    def follow(self, response: Message) -> None:
        """Take tag, target and routes from a response that makes the dialog (RFC 3261, section 12.1.2)."""
        self.remote = response.header("To")
        contact = response.header("Contact")
        if contact:
            self.target = uri_of(contact)
        self.routes = tuple(reversed(response.addresses("Record-Route")))


class Transport(asyncio.DatagramProtocol):
    """A connected UDP socket that repeats requests until they are answered.

    That nobody listens on the other side (ICMP) is not the end: whoever should may be about to start.
    """

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        self._on_message = on_message
        self._wire: asyncio.DatagramTransport | None = None
        self._repeating: dict[str, asyncio.Task[None]] = {}

    @property
    def local(self) -> tuple[str, int]:
        """Our address, as the peer sees it."""
        assert self._wire is not None
        host, port = self._wire.get_extra_info("sockname")[:2]
        return str(host), int(port)

    @property
    def repeating(self) -> set[str]:
        """What is being repeated."""
        return {key for key, task in self._repeating.items() if not task.done()}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket (asyncio calls this)."""
        self._wire = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """Read a datagram (asyncio calls this)."""
        message = parse(data)
        if message is not None:
            self._on_message(message)

    def send(self, message: Message) -> None:
        """Send once."""
        if self._wire is not None:
            self._wire.sendto(message.encode())

    def repeat(self, key: str, message: Message, *, slow: bool) -> None:
        """Send, and again until ``settle`` or for 32 s.

        RFC 3261, section 17.1: timers A and B, or where ``slow`` E and F, which is for what is no INVITE.
        """
        self._repeating[key] = asyncio.create_task(self._repeat(message, slow=slow))

    def settle(self, key: str) -> None:
        """Stop repeating."""
        task = self._repeating.pop(key, None)
        if task is not None:
            task.cancel()

    async def _repeat(self, message: Message, *, slow: bool) -> None:
        wait = T1_S
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GIVE_UP_S):
                while True:
                    self.send(message)
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, T2_S) if slow else 2 * wait

    def close(self) -> None:
        """Close the socket."""
        for key in list(self._repeating):
            self.settle(key)
        if self._wire is not None:
            self._wire.close()
