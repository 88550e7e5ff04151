"""Our client against an SMSC that is not ours (npm's smpp), and that behaves as SMSCs do."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.peers.node import NodePeer, node_peer
from tests.texts.smpp.harness import PHONE, Harness, esme, handles, numbered, text

from louhua.bus.events import ReceiptState
from louhua.texts.encoding import Concatenation
from louhua.texts.smpp import tlv
from louhua.texts.smpp.errors import NotBound, Refused
from louhua.texts.smpp.receipts import canonical_id
from louhua.texts.smpp.status import Outcome, Status
from louhua.texts.smpp.tlv import Tag

Story = Callable[[NodePeer, Harness], Awaitable[None]]


def play(story: Story, peer_options: dict[str, Any] | None = None, **options: Any) -> None:
    """Run a story with a peer and a client that is bound to it."""

    async def run() -> None:
        async with node_peer("smsc.js", **(peer_options or {})) as peer:
            port = (await peer.event("listening"))["port"]
            async with esme(port, **options) as harness:
                await story(peer, harness)

    asyncio.run(run())


def test_texts_are_read_as_they_were_written() -> None:
    bodies = ["hello", "€100 [net]", "漏话提醒 😀", "漏" * 150, "a" * 200 + "{", ""]

    async def story(peer: NodePeer, harness: Harness) -> None:
        bind = await peer.event("bind")
        assert (bind["kind"], bind["system_id"], bind["password"]) == ("bind_transceiver", "louhua", "secret")
        results = await harness.submit([text(key, body) for key, body in enumerate(bodies)])
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert len({result.message_id for result in results}) == len(results) == 9
        got = await peer.events("submit", 9)
        assert [submit["text"] for submit in got[:3]] == bodies[:3]
        assert "".join(submit["text"] for submit in got[3:6]) == bodies[3]
        assert [submit["udh"] for submit in got[3:6]] == [f"000301030{part}" for part in (1, 2, 3)]
        assert "".join(submit["text"] for submit in got[6:8]) == bodies[4]
        assert got[8]["text"] == ""
        assert {submit["destination"] for submit in got} == {PHONE}

    play(story, {"receipts": "none"}, password="secret")


def test_all_fields_arrive() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        tlvs = (tlv.octet(Tag.SET_DPF, 1), tlv.short(Tag.USER_MESSAGE_REFERENCE, 777))
        await harness.submit(
            [
                text(
                    0,
                    protocol_id=0x40,
                    priority=2,
                    registered_delivery=0x11,
                    validity=timedelta(days=1),
                    tlvs=tlvs,
                )
            ]
        )
        got = await peer.event("submit")
        assert (got["protocol_id"], got["priority"], got["registered_delivery"]) == (0x40, 2, 0x11)
        assert (got["set_dpf"], got["reference"]) == (1, 777)

    play(story)


def test_a_refused_bind_is_reported_and_tried_again() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        for _ in range(2):
            await peer.event("bind")
        await harness.until(lambda: "ESME_RBINDFAIL" in harness.client.health().links[0].problem)
        assert not harness.client.health().bound
        assert harness.client.room == 0
        (result,) = await harness.submit([text(1)])
        assert (result.outcome, result.status) == (Outcome.RETRY_LATER, None)
        with pytest.raises(NotBound):
            await harness.client.query("1", "06001")

    play(story, {"refuse": 0x0D}, bound=False)


def test_throttling_is_for_later_and_slows_us_down() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        results = await harness.submit(numbered(60))
        refused = [result for result in results if result.status == Status.ESME_RTHROTTLED]
        assert [result.key for result in refused] == [40, 41, 42, 43, 44]
        assert {result.outcome for result in refused} == {Outcome.RETRY_LATER}
        assert {result.outcome for result in results if result not in refused} == {Outcome.ACCEPTED}
        health = harness.client.health()
        assert health.counters.slowed_down == 5
        assert health.links[0].rate < 60
        (later,) = await harness.submit([text(99)])
        assert later.outcome is Outcome.ACCEPTED

    play(story, {"throttle": [41, 45], "receipts": "none"}, window=5)


@pytest.mark.parametrize("early", [False, True], ids=["after the response", "before the response"])
@pytest.mark.parametrize("receipts", ["deliver_sm", "data_sm"])
@pytest.mark.parametrize("ids", ["decimal", "hex"])
def test_receipts_find_their_texts(early: bool, receipts: str, ids: str) -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        results = await harness.submit(numbered(10))
        await harness.until(lambda: len(harness.receipts) == 10)
        profile = harness.config.receipt_ids
        submitted = {canonical_id(result.message_id, profile) for result in results}
        reported = {canonical_id(one.receipt.message_id, profile, receipt=True) for one in harness.receipts}
        assert len(submitted) == 10
        assert submitted == reported
        assert {one.receipt.state for one in harness.receipts} == {ReceiptState.DELIVERED}
        assert {one.receipt.number for one in harness.receipts} == {PHONE}
        answers = await peer.events("answered", 10)
        assert {(answer["command"], answer["status"]) for answer in answers} == {(f"{receipts}_resp", 0)}

    profile = "hex" if ids == "hex" else "as-is"
    play(story, {"early": early, "receipts": receipts, "ids": ids}, receipt_ids=profile)


def test_a_receipt_before_its_response_comes_first() -> None:
    async def story(_: NodePeer, harness: Harness) -> None:
        order: list[str] = []
        client = harness.client
        client._on_results = lambda results: order.append("result")
        client._on_inbound = lambda arrived: order.append("receipt")
        client.submit_many([text(1)])
        await harness.until(lambda: len(order) == 2)

    play(story, {"early": True})


def test_a_receipt_is_not_answered_before_its_owner_says_so() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        await harness.submit([text(1)])
        await harness.until(lambda: len(harness.receipts) == 1)
        peer.do("enquire")
        assert (await peer.event("alive"))["command"] == "enquire_link_resp"
        assert not [event for event in peer.heard if event["event"] == "answered"]
        harness.client.respond_many(handles(harness.inbound))
        assert (await peer.event("answered"))["status"] == 0
        harness.client.respond_many(handles(harness.inbound))
        peer.do("enquire")
        await peer.event("alive")
        assert [event["event"] for event in peer.heard].count("answered") == 1

    play(story, answers=False)


def test_a_receipt_can_be_refused() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        await harness.submit([text(1)])
        await harness.until(lambda: len(harness.receipts) == 1)
        harness.client.respond_many(handles(harness.inbound), Status.ESME_RX_T_APPN)
        assert (await peer.event("answered"))["status"] == Status.ESME_RX_T_APPN

    play(story, answers=False)


def test_what_was_in_flight_when_the_line_was_cut_is_unknown() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        results = await harness.submit(numbered(10))
        outcomes = [result.outcome for result in results]
        accepted, unknown = outcomes.count(Outcome.ACCEPTED), outcomes.count(Outcome.UNKNOWN)
        unsent = [Outcome.RETRY_LATER] * (10 - accepted - unknown)
        assert outcomes == [Outcome.ACCEPTED] * accepted + [Outcome.UNKNOWN] * unknown + unsent
        assert accepted <= 5, "the sixth was never answered"
        assert 1 <= unknown <= 4, "the window"
        assert accepted + unknown == harness.client.counters.submitted
        assert all(result.status is None for result in results[accepted:])
        await harness.bound()
        (again,) = await harness.submit([text(99)])
        assert again.outcome is Outcome.ACCEPTED
        assert harness.client.health().counters.connects == 2

    play(story, {"cut_after": 6, "receipts": "none"}, window=4)


def test_no_answer_in_time_is_unknown_and_keeps_the_connection() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        results = await harness.submit(numbered(3))
        assert {result.outcome for result in results} == {Outcome.UNKNOWN}
        assert harness.client.health().counters.unknown == 3
        assert harness.client.health().bound
        assert harness.client.health().links[0].outstanding == 0

    play(story, {"silent": True}, response_timeout=timedelta(seconds=0.3))


def test_an_smsc_that_is_deaf_is_left_and_bound_again() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        await peer.event("enquire_link")
        await peer.event("closed")
        await peer.events("bind", 2)
        assert "silent" in harness.client.health().links[0].problem or harness.client.health().bound

    quick = {"enquire_link": timedelta(seconds=0.2), "response_timeout": timedelta(seconds=0.3)}
    play(story, {"deaf": True}, **quick)


def test_a_quiet_connection_is_kept_alive() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        await peer.events("enquire_link", 3)
        assert harness.client.health().counters.connects == 1

    play(story, enquire_link=timedelta(seconds=0.1))


def test_texts_from_phones_whole_and_in_parts() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        origin = {"source_addr_ton": 1, "source_addr": PHONE, "destination_addr": "06001"}
        peer.do("deliver", fields={**origin, "short_message": "D"})
        peer.do("deliver", fields={**origin, "data_coding": 8, "message_payload": "漏话"})
        sar = {"sar_msg_ref_num": 300, "sar_total_segments": 2, "sar_segment_seqnum": 2}
        peer.do("deliver", fields={**origin, **sar, "short_message": "end"})
        await harness.until(lambda: len(harness.texts) == 3)
        assert [arrived.text for arrived in harness.texts] == ["D", "漏话", "end"]
        assert harness.texts[2].part == Concatenation(300, 2, 2)
        assert {(arrived.sender, arrived.recipient) for arrived in harness.texts} == {(PHONE, "06001")}
        assert {answer["status"] for answer in await peer.events("answered", 3)} == {0}

    play(story)


def test_alert_notification() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        peer.do("alert", fields={"source_addr_ton": 1, "source_addr": PHONE, "ms_availability_status": 0})
        await harness.until(lambda: len(harness.alerts) == 1)
        assert (harness.alerts[0].number, harness.alerts[0].available) == (PHONE, True)

    play(story)


def test_query_cancel_and_replace() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        client = harness.client
        answer = await client.query("1000", "06001")
        assert (answer.state, answer.error_code) == (ReceiptState.DELIVERED, 0)
        with pytest.raises(Refused) as caught:
            await client.query("none", "06001")
        assert caught.value.status == Status.ESME_RQUERYFAIL
        await client.cancel("1001", "06001", PHONE)
        assert (await peer.event("cancel"))["id"] == "1001"
        await client.replace("1002", "06001", b"other", length=timedelta(hours=1))
        replaced = await peer.event("replace")
        assert (replaced["id"], replaced["text"]) == ("1002", "other")

    play(story)


def test_an_smsc_that_unbinds_is_bound_again() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        await peer.event("bind")
        peer.do("unbind")
        assert (await peer.event("unbound"))["command"] == "unbind_resp"
        await peer.event("bind")
        await harness.bound()

    play(story)


def test_stopping_unbinds() -> None:
    async def run() -> None:
        async with node_peer("smsc.js") as peer:
            async with esme((await peer.event("listening"))["port"]):
                pass
            await peer.event("unbind")
            await peer.event("closed")

    asyncio.run(run())


def test_noise_from_the_smsc_ends_only_the_connection() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        peer.do("raw", hex="00000010" + "00000099" + "00000000" + "00000007")
        peer.do("raw", hex="00000003")
        await peer.event("closed")
        await harness.bound()
        (result,) = await harness.submit([text(1)])
        assert result.outcome is Outcome.ACCEPTED

    play(story, {"receipts": "none"})


def test_a_transmitter_and_a_receiver() -> None:
    async def story(peer: NodePeer, harness: Harness) -> None:
        assert {bind["kind"] for bind in await peer.events("bind", 2)} == {"bind_transmitter", "bind_receiver"}
        (result,) = await harness.submit([text(1, registered_delivery=0)])
        assert result.outcome is Outcome.ACCEPTED
        peer.do("deliver", fields={"source_addr": PHONE, "destination_addr": "06001", "short_message": "D"})
        await harness.until(lambda: len(harness.texts) == 1)

    play(story, bind="transmitter-receiver")
