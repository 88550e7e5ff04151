"""Between the outbox's words and PDUs."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.bus.events import ReceiptState
from louhua.texts.encoding import Concatenation, segment
from louhua.texts.smpp import tlv
from louhua.texts.smpp.messages import Handle, PhoneAvailable, ReceiptArrived, Submit, TextArrived
from louhua.texts.smpp.pdu import (
    AlertNotification,
    DataSm,
    DeliverSm,
    GenericNack,
    Outbind,
    Pdu,
    SubmitSm,
    SubmitSmResp,
)
from louhua.texts.smpp.status import Outcome
from louhua.texts.smpp.tlv import Tag
from louhua.texts.smpp.translate import inbound, submit_result, submit_sm

LINK = object()


def test_each_segment_becomes_a_request() -> None:
    message = Submit(
        key=5,
        source="06001",
        destination="8613800138000",
        segments=tuple(segment("漏" * 71, 9)),
        validity=timedelta(hours=24),
        registered_delivery=0x11,
        priority=2,
        protocol_id=0x41,
        tlvs=(tlv.octet(Tag.SET_DPF, 1),),
    )
    pdu = submit_sm(message, 1)
    assert pdu == SubmitSm(
        source_addr_npi=1,
        source_addr="06001",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="8613800138000",
        esm_class=0x40,
        protocol_id=0x41,
        priority_flag=2,
        validity_period="000001000000000R",
        registered_delivery=0x11,
        data_coding=8,
        short_message=b"\x05\x00\x03\x09\x02\x02" + "漏".encode("utf-16-be") * 4,
        tlvs=((Tag.SET_DPF, b"\x01"),),
    )
    assert submit_sm(message, 0).short_message[5] == 1


def test_no_validity_leaves_it_to_the_smsc() -> None:
    message = Submit(key=1, source="06001", destination="8613800138000", segments=tuple(segment("a", 0)))
    assert submit_sm(message, 0).validity_period == ""


@pytest.mark.parametrize(
    ("response", "verdict", "message_id", "status"),
    [
        (SubmitSmResp(1, 0, "a1"), Outcome.ACCEPTED, "a1", 0),
        (SubmitSmResp(1, 0, ""), Outcome.ACCEPTED, "", 0),
        (SubmitSmResp(1, 0x58), Outcome.RETRY_LATER, "", 0x58),
        (SubmitSmResp(1, 0x0B), Outcome.PERMANENT, "", 0x0B),
        (GenericNack(1, 0x03), Outcome.PERMANENT, "", 0x03),
        (GenericNack(1, 0x00), Outcome.PERMANENT, "", 0x00),
    ],
)
def test_results(response: Pdu, verdict: Outcome, message_id: str, status: int) -> None:
    result = submit_result("key", 3, response)
    assert (result.key, result.part) == ("key", 3)
    assert (result.outcome, result.message_id, result.status) == (verdict, message_id, status)


def test_a_text_from_a_phone() -> None:
    pdu = DeliverSm(4, 0, "", 1, 1, "8613800138000", 0, 1, "06001", short_message=b"D")
    assert inbound(pdu, LINK) == TextArrived(Handle(LINK, 4, False), "8613800138000", "06001", 0, b"D")


def test_a_part_by_user_data_header_and_by_sar() -> None:
    parts = [
        DeliverSm(esm_class=0x40, data_coding=8, short_message=b"\x05\x00\x03\x07\x02\x01\x6f\x0f"),
        DeliverSm(
            data_coding=8,
            short_message=b"\x6f\x0f",
            tlvs=(
                tlv.short(Tag.SAR_MSG_REF_NUM, 7),
                tlv.octet(Tag.SAR_TOTAL_SEGMENTS, 2),
                tlv.octet(Tag.SAR_SEGMENT_SEQNUM, 1),
            ),
        ),
    ]
    for pdu in parts:
        arrived = inbound(pdu, LINK)
        assert isinstance(arrived, TextArrived)
        assert arrived.part == Concatenation(7, 2, 1)
        assert arrived.text == "漏"


def test_receipts_in_both_wrappings() -> None:
    for pdu in (
        DeliverSm(6, 0, esm_class=4, short_message=b"id:1 stat:DELIVRD"),
        DataSm(6, 0, esm_class=4, tlvs=((Tag.MESSAGE_PAYLOAD, b"id:1 stat:DELIVRD"),)),
    ):
        arrived = inbound(pdu, LINK)
        assert isinstance(arrived, ReceiptArrived)
        assert arrived.handle == Handle(LINK, 6, isinstance(pdu, DataSm))
        assert arrived.receipt.state is ReceiptState.DELIVERED


@pytest.mark.parametrize(("status", "available"), [(None, True), (0, True), (1, False), (2, False)])
def test_a_phone_that_is_back(status: int | None, available: bool) -> None:
    tlvs = () if status is None else (tlv.octet(Tag.MS_AVAILABILITY_STATUS, status),)
    pdu = AlertNotification(source_addr_ton=1, source_addr="8613800138000", tlvs=tlvs)
    assert inbound(pdu, LINK) == PhoneAvailable("8613800138000", available)


def test_outbind_tells_nothing() -> None:
    assert inbound(Outbind(), LINK) is None


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=60), st.text("+0123456789a ", max_size=20))
def test_any_deliver_sm_is_something(esm_class: int, data_coding: int, body: bytes, address: str) -> None:
    pdu = DeliverSm(esm_class=esm_class, data_coding=data_coding, short_message=body, source_addr=address)
    arrived = inbound(pdu, LINK)
    assert isinstance(arrived, TextArrived | ReceiptArrived)
    if isinstance(arrived, TextArrived):
        assert isinstance(arrived.text, str)


def test_national_numbers_are_the_countrys() -> None:
    pdu = DeliverSm(source_addr_ton=2, source_addr="2125550123", dest_addr_ton=0, destination_addr="06001")
    arrived = inbound(pdu, LINK, "US")
    assert isinstance(arrived, TextArrived)
    assert (arrived.sender, arrived.recipient) == ("12125550123", "06001")
