"""An SMSC that means harm, or knows no better: an error answer or a closed connection, a counter, and the
neighbour in the same process goes on.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.texts.smpp.fuzz_target import PDUS
from tests.texts.smpp.harness import Harness, esme, numbered

from louhua.sandbox.smsc import SandboxSmsc
from louhua.texts.smpp import link
from louhua.texts.smpp.codec import decode, encode
from louhua.texts.smpp.frames import FrameDecoder
from louhua.texts.smpp.pdu import (
    BindTransceiverResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    GenericNack,
    Pdu,
    SubmitSm,
    SubmitSmResp,
    Unbind,
)
from louhua.texts.smpp.session import Faults
from louhua.texts.smpp.status import Outcome, Status
from louhua.texts.smpp.tlv import Tag


def frame(number: int, body: bytes = b"", sequence: int = 7, length: int | None = None) -> bytes:
    return struct.pack(">IIII", 16 + len(body) if length is None else length, number, 0, sequence) + body


@dataclass
class Hostile:
    """A server that binds whoever comes, sends its octets once, and keeps what it is answered."""

    octets: bytes
    before_bind: bool = False
    reads: bool = True
    answers: list[Pdu] = field(default_factory=list)
    connections: int = 0
    attacked: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        first = self.connections == 1
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        await reader.readexactly(length - 4)
        if first and self.before_bind:
            writer.write(self.octets)
        writer.write(encode(BindTransceiverResp(1)))
        if first and not self.before_bind:
            writer.write(self.octets)
        self.attacked = True
        frames = FrameDecoder()
        while data := await reader.read(1 << 16):
            while first and not self.reads:
                writer.write(encode(EnquireLink(1)) * 1000)
                await writer.drain()
            self.answers += [decode(answer) for answer in frames.feed(data)[0]]
            if any(isinstance(pdu, Unbind) for pdu in self.answers):
                break
        writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await self.serve(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError):
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()


@asynccontextmanager
async def both(hostile: Hostile) -> AsyncIterator[tuple[Harness, Harness, SandboxSmsc]]:
    """A client of the hostile SMSC, one of an honest one, and that."""
    honest = SandboxSmsc()
    port = await honest.start()
    try:
        async with (
            hostile.listening() as hostile_port,
            esme(hostile_port, bound=False, response_timeout=timedelta(seconds=2)) as victim,
            esme(port) as neighbour,
        ):
            yield victim, neighbour, honest
    finally:
        await honest.stop()


async def goes_on(neighbour: Harness) -> None:
    results = await neighbour.submit(numbered(50))
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}
    await neighbour.until(lambda: len(neighbour.receipts) == 50)


DELIVER = encode(DeliverSm(5, source_addr="13800138000", short_message=b"D"))


@pytest.mark.parametrize(
    ("octets", "faults", "answers"),
    [
        (frame(0x99), Faults(malformed=1), [GenericNack(7, Status.ESME_RINVCMDID)]),
        (frame(0x80000099), Faults(malformed=1), []),
        (frame(0x99) * 500, Faults(malformed=500), [GenericNack(7, Status.ESME_RINVCMDID)] * 500),
        (frame(5, b"\0\1\1no NUL at all"), Faults(malformed=1), [DeliverSmResp(7, Status.ESME_RINVCMDLEN)]),
        (frame(5, DELIVER[16:-3]), Faults(malformed=1), [DeliverSmResp(7, Status.ESME_RINVCMDLEN)]),
        (frame(5, DELIVER[16:-2] + b"\xff!"), Faults(malformed=1), [DeliverSmResp(7, Status.ESME_RINVMSGLEN)]),
        (
            frame(5, DELIVER[16:] + struct.pack(">HH", Tag.MESSAGE_PAYLOAD, 0xFFFF) + b"x"),
            Faults(malformed=1),
            [DeliverSmResp(7, Status.ESME_RINVOPTPARSTREAM)],
        ),
        (encode(SubmitSmResp(99)) * 3, Faults(strays=3), []),
        (encode(GenericNack(99, 3)), Faults(strays=1), []),
        (encode(BindTransceiverResp(1)) * 2, Faults(strays=2), []),
        (encode(SubmitSm(3)), Faults(misplaced=1), [SubmitSmResp(3, Status.ESME_RINVBNDSTS)]),
        (DELIVER * 2, Faults(), [DeliverSmResp(5)]),
        (frame(5, length=15), Faults(broken=1), [GenericNack(0, Status.ESME_RINVCMDLEN)]),
        (frame(5, length=0xFFFFFFFF), Faults(broken=1), [GenericNack(0, Status.ESME_RINVCMDLEN)]),
        (b"GET / HTTP/1.1\r\n\r\n", Faults(broken=1), [GenericNack(0, Status.ESME_RINVCMDLEN)]),
    ],
    ids=[
        "unknown command", "unknown response", "many", "no NUL", "cut", "sm_length lies", "a giant TLV",
        "responses to nothing", "nack to nothing", "bound again", "a submit to us", "a number twice",
        "too short", "too long", "not SMPP",
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_answered_and_counted(octets: bytes, faults: Faults, answers: list[Pdu]) -> None:
    async def run() -> None:
        hostile = Hostile(octets)
        async with both(hostile) as (victim, neighbour, _):
            await victim.until(lambda: victim.client.counters.faults == faults)
            await victim.until(lambda: len(hostile.answers) >= len(answers))
            assert hostile.answers == answers
            await victim.until(lambda: victim.client.health().bound)
            assert hostile.connections == (2 if faults.broken else 1), (
                "it is left only when nothing else is possible"
            )
            await goes_on(neighbour)

    asyncio.run(run())


def test_a_flood_before_the_bind_is_refused() -> None:
    async def run() -> None:
        hostile = Hostile(DELIVER * 2000, before_bind=True)
        async with both(hostile) as (victim, neighbour, _):
            await victim.bound()
            await goes_on(neighbour)
            assert victim.client.counters.faults == Faults(misplaced=2000)
            assert victim.inbound == []
            await victim.until(lambda: len(hostile.answers) == 2000)
            assert {answer.status for answer in hostile.answers} == {Status.ESME_RINVBNDSTS}

    asyncio.run(run())


def test_what_is_well_formed_and_makes_no_sense_is_read_as_far_as_it_goes() -> None:
    odd = [
        DeliverSm(1, source_addr="13800138000", esm_class=0x40, short_message=b"\xff\0\3D"),
        DeliverSm(2, source_addr="13800138000", esm_class=0x40, short_message=b""),
        DeliverSm(3, source_addr="13800138000", data_coding=8, short_message=b"\xd8\x3d\x00"),
        DeliverSm(4, source_addr="13800138000", data_coding=0xEE, short_message=b"D"),
        DeliverSm(5, source_addr="\xff" * 20, source_addr_ton=255, short_message=b"\xff" * 140),
        DeliverSm(6, esm_class=4, short_message=b"id: stat: err:"),
    ]

    async def run() -> None:
        hostile = Hostile(b"".join(map(encode, odd)))
        async with both(hostile) as (victim, neighbour, _):
            await victim.until(lambda: len(victim.inbound) == len(odd))
            await victim.until(lambda: len(hostile.answers) == len(odd))
            assert {answer.status for answer in hostile.answers} == {0}
            assert victim.client.counters.faults == Faults()
            await goes_on(neighbour)

    asyncio.run(run())


def test_who_asks_and_never_reads_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "UNREAD", 200_000)

    async def run() -> None:
        hostile = Hostile(encode(EnquireLink(1)), reads=False)
        async with both(hostile) as (_, neighbour, __):
            await neighbour.until(lambda: hostile.connections == 2)
            await goes_on(neighbour)

    asyncio.run(run())


@st.composite
def nuisance(draw: st.DrawFn) -> bytes:
    """PDUs, some of them spoilt, in any order."""
    octets = b""
    for pdu in draw(st.lists(st.sampled_from(PDUS), min_size=1, max_size=6)):
        spoilt = bytearray(encode(pdu))
        for _ in range(draw(st.integers(0, 3))):
            spoilt[draw(st.integers(4, len(spoilt) - 1))] = draw(st.integers(0, 255))
        octets += bytes(spoilt)
    return octets


@settings(max_examples=10)
@given(st.lists(nuisance() | st.binary(max_size=60), min_size=8, max_size=8))
def test_the_neighbour_never_notices(attacks: list[bytes]) -> None:
    """Eight hostile SMSCs at once in one process with an honest one."""

    async def run() -> None:
        trouble: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: trouble.append(context))
        honest = SandboxSmsc()
        async with AsyncExitStack() as stack:
            port = await honest.start()
            stack.push_async_callback(honest.stop)
            enemies = [Hostile(attack) for attack in attacks]
            for enemy in enemies:
                enemy_port = await stack.enter_async_context(enemy.listening())
                await stack.enter_async_context(
                    esme(enemy_port, bound=False, response_timeout=timedelta(seconds=1))
                )
            neighbour = await stack.enter_async_context(esme(port))
            await neighbour.until(lambda: all(enemy.attacked for enemy in enemies))
            results = await neighbour.submit(numbered(20))
            assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert trouble == []

    asyncio.run(run())
