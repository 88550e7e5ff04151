"""An SMSC that is killed forgets nothing that it has said."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from louhua.sandbox.platform import free_port
from louhua.soak.inbox import Phones, texts
from louhua.soak.journal import Journal, read
from louhua.soak.network import Network
from louhua.soak.smsc import Got, JournalLine, KeptSmsc, Switched, Taken
from louhua.texts.smpp.pdu import DeliverSm, SubmitSm, SubmitSmResp
from louhua.texts.smpp.tlv import Tag, short

PHONE = "8613800138000"


def submit(reference: int) -> SubmitSm:
    return SubmitSm(
        reference, 0, "", 0, 1, "06001", 1, 1, PHONE, 0, 0, 0, "", "", 1, 0, 0, 0, b"hello",
        (short(Tag.USER_MESSAGE_REFERENCE, reference),),
    )  # fmt: skip


def take(smsc: KeptSmsc, reference: int) -> str:
    """Have a message taken as a connection does; its id."""
    response, effects = smsc.answer(submit(reference), "louhua")
    assert isinstance(response, SubmitSmResp)
    smsc.apply(effects)
    return response.message_id


def kept(path: Path) -> list[JournalLine]:
    return list(read(path, JournalLine))


def in_a_loop(story: Callable[[], Awaitable[None]]) -> None:
    async def told() -> None:
        await story()

    asyncio.run(told())


def test_what_waits_for_a_phone_waits_on(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    async def story() -> None:
        smsc = KeptSmsc({}, path)
        smsc.phone_off(PHONE)
        take(smsc, 1)
        again = KeptSmsc({}, path)
        assert not again.is_on(PHONE)
        assert again.waiting(PHONE) == 1
        assert texts(kept(path)) == []
        again.phone_on(PHONE)
        KeptSmsc({}, path)
        assert [(text.reference, text.copies) for text in texts(kept(path))] == [(1, 1)]

    in_a_loop(story)


def test_what_was_taken_and_not_yet_delivered_is_delivered(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    async def story() -> None:
        KeptSmsc({}, path).answer(submit(1), "louhua")
        assert [type(line) for line in kept(path)] == [Taken]
        KeptSmsc({}, path)
        assert [type(line) for line in kept(path)] == [Taken, Got]

    in_a_loop(story)


def test_receipts_come_again_until_they_are_answered(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    def unanswered(smsc: KeptSmsc) -> list[DeliverSm]:
        system = smsc._systems.get("louhua")
        return [pdu for pdu in system.outbox if isinstance(pdu, DeliverSm)] if system else []

    async def story() -> None:
        smsc = KeptSmsc({}, path)
        take(smsc, 1)
        take(smsc, 2)
        again = KeptSmsc({}, path)
        assert len(unanswered(again)) == 2
        again.safe(unanswered(again)[0])
        assert unanswered(KeptSmsc({}, path)) == unanswered(again)[1:]

    in_a_loop(story)


def test_half_a_line_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal[JournalLine](path).write(Switched(PHONE, False, 1.0))
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(whole[:10])
    Journal[JournalLine](path).write(Switched(PHONE, True, 2.0))
    assert kept(path) == [Switched(PHONE, False, 1.0), Switched(PHONE, True, 2.0)]


def test_phones_are_off_since_the_first_time_they_were_said_to_be() -> None:
    phones = Phones([Switched(PHONE, False, 10), Switched(PHONE, False, 12), Switched(PHONE, True, 20)])
    assert [phones.off_since(PHONE, at) for at in (9, 10, 15, 20, 30)] == [None, 10, 10, None, None]
    assert phones.off_since("8613800138001", 15) is None


@pytest.mark.timeout(60)
def test_orders_outlive_the_process_that_got_them(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    async def story() -> None:
        network = Network(path, free_port(socket.SOCK_STREAM))
        await network.start()
        try:
            for on in (False, True, False):
                process = network.process
                assert process is not None
                process.kill()
                await network.switch(PHONE, on=on)
        finally:
            await network.stop()
        switches = [line.on for line in kept(path) if isinstance(line, Switched)]
        assert switches[-1] is False
        assert True in switches

    in_a_loop(story)
