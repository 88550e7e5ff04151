"""The sandbox's SMSC over SMPP: with our client, and with one that is not ours (npm's smpp)."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.peers.node import NodePeer, node_peer
from tests.texts.smpp.harness import PHONE, Harness, esme, handles, numbered, text

from louhua.bus.events import ReceiptState
from louhua.sandbox.handsets import Delivered
from louhua.sandbox.smsc import HandsetOff, SandboxSmsc
from louhua.texts.smpp import tlv
from louhua.texts.smpp.codec import decode, encode
from louhua.texts.smpp.errors import Refused
from louhua.texts.smpp.frames import FrameDecoder
from louhua.texts.smpp.messages import PhoneAvailable
from louhua.texts.smpp.pdu import (
    BindTransceiver,
    BindTransceiverResp,
    DeliverSm,
    DeliverSmResp,
    SubmitSm,
    SubmitSmResp,
)
from louhua.texts.smpp.status import Outcome, Status
from louhua.texts.smpp.tlv import Tag

SERVICE = "06001"
LIMIT_S = 10.0
Story = Callable[[SandboxSmsc, Harness], Awaitable[None]]
ForeignStory = Callable[[SandboxSmsc, NodePeer], Awaitable[None]]


async def with_smsc(story: Callable[[SandboxSmsc, int], Awaitable[None]], **options: Any) -> None:
    smsc = SandboxSmsc(**options)
    port = await smsc.start()
    try:
        async with asyncio.timeout(30):
            await story(smsc, port)
    finally:
        await smsc.stop()


def play(story: Story, smsc: dict[str, Any] | None = None, **options: Any) -> None:
    """Run a story with our client, bound."""

    async def with_client(centre: SandboxSmsc, port: int) -> None:
        async with esme(port, **options) as harness:
            await story(centre, harness)

    asyncio.run(with_smsc(with_client, **(smsc or {})))


def play_foreign(story: ForeignStory, smsc: dict[str, Any] | None = None, **options: Any) -> None:
    """Run a story with npm's client."""

    async def with_client(centre: SandboxSmsc, port: int) -> None:
        async with node_peer("esme.js", port=port, system_id="foreign", **options) as peer:
            await story(centre, peer)

    asyncio.run(with_smsc(with_client, **(smsc or {})))


def test_a_text_waits_for_a_phone_that_is_off() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        smsc.phone_off("13800138000")
        (result,) = await harness.submit([text(1, "hello")])
        assert result.outcome is Outcome.ACCEPTED
        assert (smsc.is_on(PHONE), smsc.waiting(PHONE), smsc.inbox(PHONE)) == (False, 1, [])
        assert (await harness.client.query(result.message_id, SERVICE)).state is ReceiptState.ENROUTE
        smsc.phone_on("+86 138 0013 8000")
        await harness.until(lambda: len(harness.receipts) == 1)
        (receipt,) = [one.receipt for one in harness.receipts]
        assert (receipt.message_id, receipt.state) == (result.message_id, ReceiptState.DELIVERED)
        assert receipt.number == PHONE
        (got,) = smsc.inbox("13800138000")
        assert (got.sender, got.body) == (SERVICE, "hello")
        answer = await harness.client.query(result.message_id, SERVICE)
        assert answer.state is ReceiptState.DELIVERED
        assert answer.final_date

    play(story)


def test_a_long_text_is_read_whole() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        body = "13900139000号码于11月23日9时5分前呼叫过您2次,正在期待您的回电,请您与他联系。" * 5
        results = await harness.submit([text(1, body)])
        assert len(results) == 4
        assert [one.body for one in smsc.inbox(PHONE)] == [body]
        await harness.until(lambda: len(harness.receipts) == 4)

    play(story)


def test_a_probe_tells_when_the_phone_is_back_and_shows_nothing() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        smsc.phone_off(PHONE)
        reference = (tlv.short(Tag.USER_MESSAGE_REFERENCE, 4711),)
        await harness.submit([text(1, "", protocol_id=0x40, registered_delivery=0x11, tlvs=reference)])
        await harness.until(lambda: len(harness.receipts) == 1)
        absent = harness.receipts[0].receipt
        assert (absent.state, absent.intermediate, absent.error) == (ReceiptState.ENROUTE, True, "3:6")
        smsc.phone_on(PHONE)
        await harness.until(lambda: len(harness.receipts) == 2)
        back = harness.receipts[1].receipt
        assert (back.state, back.intermediate, back.reference) == (ReceiptState.DELIVERED, False, 4711)
        assert smsc.inbox(PHONE) == []
        assert [one.message.protocol_id for one in smsc.delivered] == [0x40]

    play(story)


def test_set_dpf_leads_to_an_alert() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        smsc.phone_off(PHONE)
        dpf = (tlv.octet(Tag.SET_DPF, 1),)
        await harness.submit([text(1, tlvs=dpf, registered_delivery=0), text(2, tlvs=dpf, registered_delivery=0)])
        smsc.phone_on(PHONE)
        await harness.until(lambda: len(harness.alerts) == 1)
        assert harness.alerts == [PhoneAvailable(PHONE, True)]
        assert harness.receipts == []

    play(story)


def test_validity_ends() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        smsc.phone_off(PHONE)
        (result,) = await harness.submit([text(1, validity=timedelta(seconds=1))])
        await harness.until(lambda: len(harness.receipts) == 1)
        receipt = harness.receipts[0].receipt
        assert (receipt.message_id, receipt.state) == (result.message_id, ReceiptState.EXPIRED)
        smsc.phone_on(PHONE)
        assert smsc.inbox(PHONE) == []

    play(story)


def test_receipts_come_again_until_they_are_answered() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        results = await harness.submit(numbered(5))
        await harness.until(lambda: len(harness.receipts) == 5)
        harness.client.respond_many(handles(harness.inbound[:2]))
        await harness.until(lambda: harness.client.health().links[0].outstanding == 0)
        harness.client.respond_many(handles(harness.inbound[2:3]), Status.ESME_RX_T_APPN)
        harness.client.respond_many(handles(harness.inbound[3:4]), Status.ESME_RX_P_APPN)
        await harness.until(lambda: len(harness.receipts) == 6)
        assert harness.receipts[5].receipt.message_id == results[2].message_id, "refused for now"
        smsc.drop_connections()
        await harness.until(lambda: not harness.client.health().bound)
        await harness.bound()
        await harness.until(lambda: len(harness.receipts) == 8)
        again = {one.receipt.message_id for one in harness.receipts[6:]}
        assert again == {results[2].message_id, results[4].message_id}, "not answered at all"

    play(story, answers=False)


def test_receipts_wait_for_a_system_that_is_away() -> None:
    async def story(smsc: SandboxSmsc, port: int) -> None:
        smsc.phone_off(PHONE)
        async with esme(port) as first:
            await first.submit(numbered(3))
        smsc.phone_on(PHONE)
        smsc.send("13900139000", SERVICE, "D")
        async with esme(port) as second:
            await second.until(lambda: len(second.receipts) == 3 and len(second.texts) == 1)
            assert second.texts[0].sender == "8613900139000"

    asyncio.run(with_smsc(story))


def test_a_phone_sends_texts_whole_and_in_parts() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        smsc.send("13800138000", SERVICE, "D")
        smsc.send("13800138000", SERVICE, "漏" * 100)
        await harness.until(lambda: len(harness.texts) == 3)
        whole, first, second = harness.texts
        assert (whole.sender, whole.recipient, whole.text, whole.part) == (PHONE, SERVICE, "D", None)
        assert first.text + second.text == "漏" * 100
        assert first.part is not None
        assert second.part is not None
        assert (first.part.number, second.part.number, first.part.total) == (1, 2, 2)

    play(story)


def test_a_phone_that_is_off_sends_nothing() -> None:
    async def story(smsc: SandboxSmsc, _: Harness) -> None:
        smsc.phone_off(PHONE)
        with pytest.raises(HandsetOff):
            smsc.send(PHONE, SERVICE, "D")

    play(story)


def test_cancel_and_replace() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        smsc.phone_off(PHONE)
        first, second, third = await harness.submit([text(1, "a"), text(2, "b"), text(3, "c")])
        await harness.client.cancel(first.message_id, SERVICE, PHONE)
        await harness.until(lambda: len(harness.receipts) == 1)
        assert harness.receipts[0].receipt.state is ReceiptState.DELETED
        await harness.client.replace(second.message_id, SERVICE, b"B", length=timedelta(hours=1))
        for gone in ("12345", first.message_id):
            with pytest.raises(Refused):
                await harness.client.cancel(gone, SERVICE, PHONE)
            with pytest.raises(Refused):
                await harness.client.replace(gone, SERVICE, b"x")
        with pytest.raises(Refused):
            await harness.client.query("12345", SERVICE)
        smsc.phone_on(PHONE)
        assert [one.body for one in smsc.inbox(PHONE)] == ["B", "c"]
        smsc.phone_off(PHONE)
        await harness.submit([text(4, "d"), text(5, "e")])
        await harness.client.cancel("", SERVICE, PHONE)
        assert smsc.waiting(PHONE) == 0
        assert third.outcome is Outcome.ACCEPTED

    play(story)


def test_a_system_s_messages_are_its_own() -> None:
    async def story(smsc: SandboxSmsc, port: int) -> None:
        smsc.phone_off(PHONE)
        async with esme(port) as owner, esme(port, system_id="other") as other:
            (result,) = await owner.submit([text(1, "a")])
            with pytest.raises(Refused):
                await other.client.cancel(result.message_id, SERVICE, PHONE)
            with pytest.raises(Refused):
                await other.client.replace(result.message_id, SERVICE, b"b")
            smsc.phone_on(PHONE)
            await owner.until(lambda: len(owner.receipts) == 1)
            assert [one.body for one in smsc.inbox(PHONE)] == ["a"]
            assert other.receipts == []

    asyncio.run(with_smsc(story))


def test_accounts() -> None:
    async def refused(port: int, problem: str, **fields: Any) -> None:
        async with esme(port, bound=False, **fields) as harness:
            await harness.until(lambda: problem in harness.client.health().links[0].problem)

    async def story(_: SandboxSmsc, port: int) -> None:
        async with esme(port, password="right"):
            pass
        await refused(port, "ESME_RINVPASWD", password="wrong")
        await refused(port, "ESME_RINVSYSID", system_id="nobody")

    asyncio.run(with_smsc(story, accounts={"louhua": "right"}))


def test_whoever_listens_hears_of_each_delivery() -> None:
    heard: list[Delivered] = []

    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        await harness.submit(numbered(3))
        await asyncio.wait_for(smsc.until(lambda: len(smsc.inbox(PHONE)) == 3), LIMIT_S)
        assert [one.message.text for one in heard] == ["text 0", "text 1", "text 2"]
        assert heard == list(smsc.delivered)
        assert [one.at for one in heard] == sorted(one.at for one in heard)

    play(story, {"on_delivered": heard.append})


def test_receipts_are_shared_by_the_connections_of_a_system() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        await harness.submit(numbered(400))
        await harness.until(lambda: len(harness.receipts) == 400)
        assert len({one.receipt.message_id for one in harness.receipts}) == 400

    play(story, connections=2)


def test_a_foreign_client_submits_and_gets_its_receipts() -> None:
    async def story(smsc: SandboxSmsc, peer: NodePeer) -> None:
        bound = await peer.event("bound")
        assert (bound["command_status"], bound["system_id"], bound["sc_interface_version"]) == (0, "sandbox", 0x34)
        smsc.phone_off(PHONE)
        fields = {
            "source_addr": SERVICE,
            "destination_addr": PHONE,
            "dest_addr_ton": 1,
            "registered_delivery": 0x11,
            "user_message_reference": 99,
            "short_message": "漏话 €",
        }
        peer.do("submit_sm", fields=fields, tag="submit")
        response = await peer.event("response")
        assert (response["command"], response["command_status"]) == ("submit_sm_resp", 0)
        absent = await peer.event("deliver_sm")
        assert (absent["esm_class"], absent["message_state"], absent["network_error_code"]) == (0x20, 1, "030006")
        smsc.phone_on(PHONE)
        receipt = await peer.event("deliver_sm")
        assert receipt["esm_class"] == 0x04
        assert (receipt["receipted_message_id"], receipt["message_state"]) == (response["message_id"], 2)
        assert (receipt["source_addr"], receipt["destination_addr"]) == (PHONE, SERVICE)
        assert receipt["user_message_reference"] == 99
        assert receipt["short_message"].startswith(f"id:{response['message_id']} sub:001 dlvrd:001 submit date:")
        assert "stat:DELIVRD err:000" in receipt["short_message"]
        assert [one.body for one in smsc.inbox(PHONE)] == ["漏话 €"]

    play_foreign(story)


def test_a_foreign_client_uses_every_operation() -> None:
    async def story(smsc: SandboxSmsc, peer: NodePeer) -> None:
        async def ask(command: str, **fields: Any) -> dict[str, Any]:
            peer.do(command, fields=fields)
            return await peer.event("response")

        await peer.event("bound")
        smsc.phone_off(PHONE)
        addresses = {"source_addr": SERVICE, "destination_addr": PHONE}
        payload = await ask("data_sm", **addresses, data_coding=8, message_payload="漏话", set_dpf=1)
        assert (payload["command"], payload["command_status"]) == ("data_sm_resp", 0)
        state = await ask("query_sm", message_id=payload["message_id"], source_addr=SERVICE)
        assert (state["command"], state["message_state"]) == ("query_sm_resp", 1)
        other = await ask("submit_sm", **addresses, short_message="a")
        replaced = await ask("replace_sm", message_id=other["message_id"], short_message="b")
        assert (replaced["command"], replaced["command_status"]) == ("replace_sm_resp", 0)
        third = await ask("submit_sm", **addresses, short_message="c")
        cancelled = await ask("cancel_sm", message_id=third["message_id"], **addresses)
        assert (cancelled["command"], cancelled["command_status"]) == ("cancel_sm_resp", 0)
        again = await ask("cancel_sm", message_id=third["message_id"], **addresses)
        assert again["command_status"] == Status.ESME_RCANCELFAIL
        assert (await ask("enquire_link"))["command"] == "enquire_link_resp"
        smsc.phone_on(PHONE)
        alert = await peer.event("alert_notification")
        assert (alert["source_addr"], alert["esme_addr"], alert["ms_availability_status"]) == (PHONE, SERVICE, 0)
        assert [one.body for one in smsc.inbox(PHONE)] == ["漏话", "b"]
        smsc.send(PHONE, SERVICE, "D")
        arrived = await peer.event("deliver_sm")
        assert (arrived["source_addr"], arrived["short_message"], arrived["esm_class"]) == (PHONE, "D", 0)
        assert (await ask("unbind"))["command"] == "unbind_resp"
        await peer.event("closed")

    play_foreign(story)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"destination_addr": ""}, Status.ESME_RINVDSTADR),
        ({"destination_addr": "nobody", "dest_addr_ton": 5}, Status.ESME_RINVDSTADR),
        ({"destination_addr": "000"}, Status.ESME_RINVDSTADR),
        ({"destination_addr": PHONE, "validity_period": "tomorrow"}, Status.ESME_RINVEXPIRY),
    ],
)
def test_what_cannot_be_sent_is_refused(fields: dict[str, Any], status: Status) -> None:
    async def story(_: SandboxSmsc, peer: NodePeer) -> None:
        await peer.event("bound")
        peer.do("submit_sm", fields={"source_addr": SERVICE, "short_message": "x", **fields})
        assert (await peer.event("response"))["command_status"] == status

    play_foreign(story)


def test_a_foreign_client_that_binds_wrongly_is_turned_away() -> None:
    async def story(_: SandboxSmsc, peer: NodePeer) -> None:
        assert (await peer.event("bound"))["command_status"] == Status.ESME_RINVSYSID
        await peer.event("closed")

    play_foreign(story, {"accounts": {"louhua": "x"}})


def test_what_a_foreign_client_did_not_answer_comes_again_when_it_is_back() -> None:
    async def story(smsc: SandboxSmsc, port: int) -> None:
        options = {"port": port, "system_id": "foreign"}
        async with node_peer("esme.js", hold=True, **options) as first:
            await first.event("bound")
            smsc.send(PHONE, SERVICE, "D")
            await first.event("deliver_sm")
            first.do("cut")
            await first.event("closed")
        async with node_peer("esme.js", **options) as second:
            assert (await second.event("deliver_sm"))["short_message"] == "D"

    asyncio.run(with_smsc(story))


def resize(buffers: socket.socket, size: int) -> None:
    """Set what the kernel keeps for a connection."""
    for kind in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        buffers.setsockopt(socket.SOL_SOCKET, kind, size)


def test_an_esme_that_does_not_read_is_waited_for() -> None:
    """Its receipts stay in the centre, which reads no more from it until it reads again."""
    count = 5_000

    async def story(smsc: SandboxSmsc, port: int) -> None:
        ours = socket.create_connection(("127.0.0.1", port))
        resize(ours, 32_768)
        reader, writer = await asyncio.open_connection(sock=ours, limit=1024)
        await smsc.until(lambda: len(smsc._connections) == 1)
        (link,) = smsc._connections
        assert link._transport is not None
        theirs = link._transport.get_extra_info("socket")
        resize(theirs, 32_768)
        writer.write(encode(BindTransceiver(1, system_id="slow")))
        assert isinstance(decode(await reader.readexactly(29)), BindTransceiverResp)
        submit = SubmitSm(destination_addr=PHONE, registered_delivery=1)
        writer.writelines(encode(submit, number + 2) for number in range(count))
        async with esme(port) as other:
            await other.until(lambda: not link._writable)
            assert len(smsc.delivered) < count
            await other.submit(numbered(10))
            await other.until(lambda: len(other.receipts) == 10)
        resize(ours, 1 << 20)
        resize(theirs, 1 << 20)
        frames, receipts, responses = FrameDecoder(), 0, 0
        while receipts < count:
            for frame in frames.feed(await reader.read(65536))[0]:
                pdu = decode(frame)
                if isinstance(pdu, DeliverSm):
                    receipts += 1
                    writer.write(encode(DeliverSmResp(pdu.sequence)))
                responses += isinstance(pdu, SubmitSmResp)
        assert responses == count
        writer.close()

    asyncio.run(with_smsc(story))


def test_latency_is_added() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        loop = asyncio.get_running_loop()
        smsc.latency = 0.1
        began = loop.time()
        await harness.submit([text(1)])
        assert loop.time() - began >= 0.1

    play(story)
