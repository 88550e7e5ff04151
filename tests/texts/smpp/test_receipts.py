"""Receipts as vendors write them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.bus.events import ReceiptState
from louhua.texts.smpp import tlv
from louhua.texts.smpp.pdu import DataSm, DeliverSm
from louhua.texts.smpp.receipts import (
    INTERMEDIATE,
    RECEIPT,
    IdProfile,
    Receipt,
    canonical_id,
    is_receipt,
    read_receipt,
    receipt_text,
)
from louhua.texts.smpp.tlv import Tag, Tlvs

PHONE = "8613800138000"


APPENDIX_B = (
    "id:0123456789 sub:001 dlvrd:001 submit date:2611230905 done date:2611230906 stat:DELIVRD err:000 "
    "text:hello id:9 stat:FAILED"
)


def deliver(text: str, *tlvs: tuple[int, bytes], kind: int = RECEIPT) -> DeliverSm:
    return DeliverSm(
        source_addr_ton=1,
        source_addr=PHONE,
        destination_addr="06001",
        esm_class=kind,
        short_message=text.encode(),
        tlvs=tlvs,
    )


@pytest.mark.parametrize(
    ("text", "message_id", "state", "error"),
    [
        (
            APPENDIX_B,
            "0123456789",
            ReceiptState.DELIVERED,
            "000",
        ),
        ("ID:7a Stat:Undeliv Err:1B Text:", "7a", ReceiptState.UNDELIVERABLE, "1B"),
        ("id: 42 sub:1 stat: EXPIRED err: 006", "42", ReceiptState.EXPIRED, "006"),
        (
            "sub:001 dlvrd:000 done date:261123090601 stat:REJECTD",
            "",
            ReceiptState.REJECTED,
            "",
        ),
        ("stat:DELIVERED err:0 id:1234567", "1234567", ReceiptState.DELIVERED, "0"),
        ("id:1 stat:BUFFRED", "1", ReceiptState.ENROUTE, ""),
        ("id:1 stat:FAILED", "1", ReceiptState.UNDELIVERABLE, ""),
        ("id:1 stat:ACCEPTD", "1", ReceiptState.ACCEPTED, ""),
        ("id:1 stat:DELETED", "1", ReceiptState.DELETED, ""),
        ("id:1 stat:ENROUTE", "1", ReceiptState.ENROUTE, ""),
        ("id:1 stat:WHATEVER", "1", ReceiptState.UNKNOWN, ""),
        ("id:1 stat: err:005", "1", ReceiptState.UNKNOWN, "005"),
        ("id:c0ffee-1 stat:DELIVRD text", "c0ffee-1", ReceiptState.DELIVERED, ""),
        ("stat:DELIVRD text:id:5 err:009", "", ReceiptState.DELIVERED, ""),
        ("nothing of the kind", "", ReceiptState.UNKNOWN, ""),
    ],
)
def test_text_forms(text: str, message_id: str, state: ReceiptState, error: str) -> None:
    receipt = read_receipt(deliver(text))
    assert receipt == Receipt(message_id, PHONE, state, error)


def test_tlvs_win_over_the_text() -> None:
    pdu = deliver(
        "id:999 stat:UNDELIV err:001",
        tlv.c_string(Tag.RECEIPTED_MESSAGE_ID, "abc"),
        tlv.octet(Tag.MESSAGE_STATE, 2),
        (Tag.NETWORK_ERROR_CODE, b"\x03\x01\x02"),
        tlv.short(Tag.USER_MESSAGE_REFERENCE, 513),
    )
    assert read_receipt(pdu) == Receipt("abc", PHONE, ReceiptState.DELIVERED, "3:258", 513)


def test_a_network_error_of_zero_leaves_the_text_to_speak() -> None:
    pdu = deliver("id:1 stat:UNDELIV err:006", (Tag.NETWORK_ERROR_CODE, b"\x03\0\0"))
    assert read_receipt(pdu).error == "006"


def test_the_text_explains_a_failure_that_the_tlvs_do_not() -> None:
    tlvs = (tlv.c_string(Tag.RECEIPTED_MESSAGE_ID, "7"), tlv.octet(Tag.MESSAGE_STATE, 5))
    assert read_receipt(deliver("id:7 stat:UNDELIV err:006", *tlvs)).error == "006"


def test_nuls_in_the_text_are_passed_over() -> None:
    pdu = deliver("id:4\0002\0 stat:DELIVRD\0 err:00\0000")
    assert read_receipt(pdu) == Receipt("42", PHONE, ReceiptState.DELIVERED, "000")


@pytest.mark.parametrize("data_coding", [0, 1, 3])
def test_ids_are_ascii_in_every_plain_alphabet(data_coding: int) -> None:
    pdu = msgspec.structs.replace(deliver("id:ab_12@x stat:DELIVRD"), data_coding=data_coding)
    assert read_receipt(pdu).message_id == "ab_12@x"


def test_national_numbers_are_the_countrys() -> None:
    pdu = DeliverSm(
        source_addr_ton=2, source_addr="2125550123", esm_class=RECEIPT, short_message=b"id:1 stat:DELIVRD"
    )
    assert read_receipt(pdu, "US").number == "12125550123"


def test_a_receipt_in_ucs2() -> None:
    pdu = DeliverSm(
        esm_class=RECEIPT,
        data_coding=8,
        short_message="id:5 stat:DELIVRD".encode("utf-16-be"),
        source_addr="10086",
    )
    assert read_receipt(pdu) == Receipt("5", "10086", ReceiptState.DELIVERED)


def test_a_receipt_as_data_sm() -> None:
    tlvs: Tlvs = (tlv.c_string(Tag.RECEIPTED_MESSAGE_ID, "77"), tlv.octet(Tag.MESSAGE_STATE, 5))
    pdu = DataSm(source_addr_ton=1, source_addr=PHONE, esm_class=RECEIPT, tlvs=tlvs)
    assert is_receipt(pdu)
    assert read_receipt(pdu) == Receipt("77", PHONE, ReceiptState.UNDELIVERABLE)
    text = DataSm(esm_class=RECEIPT, tlvs=((Tag.MESSAGE_PAYLOAD, b"id:8 stat:DELIVRD"),))
    assert read_receipt(text).message_id == "8"


@pytest.mark.parametrize(
    ("esm_class", "tlvs", "receipt"),
    [
        (0x00, (), False),
        (0x04, (), True),
        (0x24, (), False),
        (0x20, (), True),
        (0x44, (), True),
        (0x08, (), False),
        (0x00, (tlv.c_string(Tag.RECEIPTED_MESSAGE_ID, "1"),), True),
        (0x08, (tlv.c_string(Tag.RECEIPTED_MESSAGE_ID, "1"),), False),
    ],
)
def test_which_messages_are_receipts(esm_class: int, tlvs: Tlvs, receipt: bool) -> None:
    assert is_receipt(DeliverSm(esm_class=esm_class, tlvs=tlvs)) is receipt


def test_intermediate_notifications_say_so() -> None:
    receipt = read_receipt(deliver("id:1 stat:ENROUTE", kind=INTERMEDIATE))
    assert receipt.intermediate
    assert receipt.state is ReceiptState.ENROUTE


@pytest.mark.parametrize(
    ("submitted", "reported", "profile", "same"),
    [
        ("123", "123", "as-is", True),
        ("ABC", "abc", "as-is", True),
        ("0000123", "123", "as-is", True),
        ("123", "7b", "as-is", False),
        ("123", "7B", "hex", True),
        ("0123", "0000007b", "hex", True),
        ("7B", "123", "decimal", True),
        ("7b", "0000123", "decimal", True),
        ("123", "not-hex", "hex", False),
        ("msg-9", "MSG-9", "hex", True),
        ("0", "000", "as-is", True),
        ("", "", "as-is", True),
        ("", "0", "as-is", False),
        (" 12 ", "12", "as-is", True),
    ],
)
def test_ids_that_are_the_same(submitted: str, reported: str, profile: IdProfile, same: bool) -> None:
    left, right = canonical_id(submitted, profile), canonical_id(reported, profile, receipt=True)
    assert (left == right) is same


@given(st.integers(1, 2**63), st.integers(0, 4))
def test_hex_and_decimal_meet(number: int, zeros: int) -> None:
    in_hex, in_decimal = "0" * zeros + f"{number:X}", "0" * zeros + str(number)
    assert canonical_id(in_decimal, "hex") == canonical_id(in_hex, "hex", receipt=True)
    assert canonical_id(in_hex, "decimal") == canonical_id(in_decimal, "decimal", receipt=True)


@given(
    st.from_regex(r"[0-9a-f]{1,20}", fullmatch=True),
    st.sampled_from(ReceiptState),
    st.floats(0, 4e9),
    st.integers(0, 255),
)
def test_what_the_sandbox_writes_is_read(message_id: str, state: ReceiptState, at: float, error: int) -> None:
    receipt = read_receipt(deliver(receipt_text(message_id, state, at, at, error)))
    assert (receipt.message_id, receipt.state) == (message_id, state)
    assert int(receipt.error) == error


@given(st.binary(max_size=120), st.integers(0, 255), st.binary(max_size=4))
def test_noise_is_a_receipt_too(body: bytes, data_coding: int, value: bytes) -> None:
    tags = (Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE, Tag.NETWORK_ERROR_CODE, Tag.USER_MESSAGE_REFERENCE)
    tlvs = tuple((int(tag), value) for tag in tags)
    read_receipt(DeliverSm(data_coding=data_coding, short_message=body, tlvs=tlvs))
    read_receipt(DeliverSm(data_coding=data_coding, short_message=b"id:" + body + b" stat:"))
