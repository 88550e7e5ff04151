"""The other end of a phone's call: does what a test says, keeps what it got, and plays what it is told."""

import asyncio
import struct
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, cast

from louhua.calls.media.dtmf import KeyReceiver
from louhua.calls.media.rtp import FRAME, Packet
from louhua.calls.media.rtp import parse as parse_rtp
from louhua.sip import Message, parse

LIMIT_S = 8.0
_COPIED = {"Via", "From", "To", "Call-ID", "CSeq"}


class _Wire(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self.came: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.came.put_nowait((data, addr))

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])

    def send(self, data: bytes, peer: Any) -> None:
        assert self.transport is not None
        self.transport.sendto(data, peer)


class FarEnd:
    """``datagrams`` are the SIP messages as they came, ``packets`` the RTP with its sequence numbers."""

    def __init__(self, sip: _Wire, rtp: _Wire) -> None:
        self._sip, self._rtp = sip, rtp
        self._peer: Any = None
        self._sequence, self._keys = 65530, KeyReceiver()
        self.datagrams: list[bytes] = []
        self.packets: list[tuple[int, Packet]] = []
        self.invite = Message("", ())
        self.extra: tuple[tuple[str, str], ...] = ()

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._sip.port

    async def next(self, method: str) -> Message:
        """The next request of this method (or any other message that is no repeated INVITE)."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                data, self._peer = await self._sip.came.get()
                self.datagrams.append(data)
                message = parse(data)
                assert message is not None, data
                if message.method == "INVITE" and not message.status:
                    self.invite = message
                if message.method == method:
                    return message

    def answer(self, request: Message, status: str, *, sdp: bool = False, events: int = 101) -> None:
        body = (
            "v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self._rtp.port} RTP/AVP 8 {events}\r\na=rtpmap:{events} telephone-event/8000\r\n"
        )
        copied = [(name, value + (";tag=far" if name == "To" and "tag=" not in value else ""))
                  for name, value in request.headers if name in _COPIED]  # fmt: skip
        contact = ("Contact", f"<sip:far@127.0.0.1:{self._sip.port}>")
        answer = Message(f"SIP/2.0 {status}", (*copied, contact, *self.extra), body if sdp else "")
        self._sip.send(answer.encode(), self._peer)

    def request(self, method: str, call_id: str = "") -> None:
        """A request in the call's dialog."""
        headers = (
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self._sip.port};branch=z9hG4bKfar{method}"),
            ("From", self.invite.header("To") + ";tag=far"),
            ("To", self.invite.header("From")),
            ("Call-ID", call_id or self.invite.header("Call-ID")),
            ("CSeq", f"7 {method}"),
        )
        self._sip.send(Message(f"{method} sip:x@127.0.0.1 SIP/2.0", headers).encode(), self._peer)

    async def connect(self, **how: Any) -> Message:
        """Take the call and answer it; the INVITE."""
        invite = await self.next("INVITE")
        self.answer(invite, "200 OK", sdp=True, **how)
        await self.next("ACK")
        return invite

    async def hang_up(self) -> None:
        self.request("BYE")
        await self.next("BYE")

    async def is_hung_up(self) -> Message:
        bye = await self.next("BYE")
        self.answer(bye, "200 OK")
        return bye

    def play(self, audio: bytes, *, lost: Collection[int] = (), swap: int | None = None, ssrc: int = 7) -> None:
        """Send audio, all at once: without the frames ``lost``; frame ``swap`` after the one that follows it."""
        host, port = "127.0.0.1", int(self.invite.body.partition("m=audio ")[2].split()[0])
        packets = []
        for number in range(len(audio) // FRAME):
            self._sequence = (self._sequence + 1) & 0xFFFF
            head = struct.pack("!BBHII", 0x80, 8 | (0x80 if number == 0 else 0), self._sequence, 0, ssrc)
            packets.append(head + audio[number * FRAME : (number + 1) * FRAME])
        if swap is not None:
            packets[swap : swap + 2] = packets[swap + 1], packets[swap]
        for number, packet in enumerate(packets):
            if number not in lost:
                self._rtp.send(packet, (host, port))

    def jam(self) -> None:
        """Send what is no RTP that a phone can hear."""
        port = int(self.invite.body.partition("m=audio ")[2].split()[0])
        for datagram in (b"", b"noise", bytes(172), struct.pack("!BBHII", 0x80, 0, 1, 1, 1) + bytes(160)):
            self._rtp.send(datagram, ("127.0.0.1", port))

    async def packet(self) -> Packet:
        """The next packet of RTP."""
        async with asyncio.timeout(LIMIT_S):
            data, _ = await self._rtp.came.get()
        packet = parse_rtp(data)
        assert packet is not None
        self.packets.append((struct.unpack_from("!H", data, 2)[0], packet))
        return packet

    async def key(self) -> str:
        """The next key that is pressed."""
        while True:
            key = self._keys.receive(await self.packet())
            if key is not None:
                return key


@asynccontextmanager
async def far_end(port: int = 0) -> AsyncIterator[FarEnd]:
    loop = asyncio.get_running_loop()
    sip, first = await loop.create_datagram_endpoint(_Wire, local_addr=("127.0.0.1", port))
    rtp, second = await loop.create_datagram_endpoint(_Wire, local_addr=("127.0.0.1", 0))
    try:
        yield FarEnd(first, second)
    finally:
        sip.close()
        rtp.close()
