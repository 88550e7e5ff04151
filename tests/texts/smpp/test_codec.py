"""The wire form of PDUs: examples by hand from SMPP 3.4, round trips of every PDU, and noise."""

import struct
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from louhua.texts.smpp.codec import LAYOUTS, RESPONSE, RESPONSES, command_id, decode, encode
from louhua.texts.smpp.errors import PduError
from louhua.texts.smpp.pdu import (
    AlertNotification,
    BindTransceiver,
    BindTransceiverResp,
    DataSm,
    DeliverSm,
    EnquireLink,
    GenericNack,
    Outbind,
    Pdu,
    QuerySmResp,
    ReplaceSm,
    SubmitSm,
    SubmitSmResp,
    content,
)
from louhua.texts.smpp.status import Status
from louhua.texts.smpp.tlv import Tag

NUMBER, OCTETS = 0, -1
tlvs = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=5).map(tuple)


def field(limit: int) -> st.SearchStrategy[Any]:
    if limit == NUMBER:
        return st.integers(0, 255)
    if limit == OCTETS:
        return st.binary(max_size=255)
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=limit - 1)


def pdus(kind: type[Pdu]) -> st.SearchStrategy[Pdu]:
    fields = next(fields for _, found, fields in LAYOUTS if found is kind)
    drawn = {name: field(limit) for name, limit in fields}
    if "tlvs" in kind.__struct_fields__:
        drawn["tlvs"] = tlvs
    status = st.integers(0, 0xFFFFFFFF) if command_id(kind) & RESPONSE else st.just(0)
    return st.builds(kind, sequence=st.integers(0, 0xFFFFFFFF), status=status, **drawn)


@pytest.mark.parametrize("kind", [layout[1] for layout in LAYOUTS], ids=lambda kind: kind.__name__)
def test_every_pdu_survives_the_wire(kind: type[Pdu]) -> None:
    @settings(max_examples=60)
    @given(pdus(kind))
    def round_trip(pdu: Pdu) -> None:
        octets = encode(pdu)
        length, number, status, sequence = struct.unpack_from(">IIII", octets)
        assert (length, number) == (len(octets), command_id(kind))
        assert (status, sequence) == (pdu.status, pdu.sequence)
        assert decode(octets) == pdu
        assert encode(decode(octets)) == octets

    round_trip()


def test_a_submit_sm_written_by_hand() -> None:
    pdu = SubmitSm(
        sequence=0x01020304, service_type="CMT", source_addr_ton=1, source_addr_npi=1, source_addr="123",
        dest_addr_ton=2, dest_addr_npi=8, destination_addr="45", esm_class=0x40, protocol_id=0x41,
        priority_flag=3, validity_period="000001000000000R", registered_delivery=0x11,
        replace_if_present_flag=1, data_coding=8, sm_default_msg_id=5, short_message=b"\x6f\x0f",
        tlvs=((Tag.SET_DPF, b"\x01"), (0x1400, b"")),
    )  # fmt: skip
    body = bytes.fromhex(
        "434d5400 01 01 31323300 02 08 343500 40 41 03 00 30303030303130303030303030303052 00"
        "11 01 08 05 02 6f0f 0421 0001 01 1400 0000"
    )
    octets = struct.pack(">IIII", 16 + len(body), 4, 0, 0x01020304) + body
    assert encode(pdu) == octets
    assert decode(octets) == pdu


@pytest.mark.parametrize(
    ("pdu", "octets"),
    [
        (EnquireLink(7), "00000010 00000015 00000000 00000007"),
        (GenericNack(0, 3), "00000010 80000000 00000003 00000000"),
        (SubmitSmResp(2, 0, "a1"), "00000013 80000004 00000000 00000002 613100"),
        (SubmitSmResp(2, 0x58), "00000010 80000004 00000058 00000002"),
        (SubmitSmResp(2, 0), "00000011 80000004 00000000 00000002 00"),
        (Outbind(1, 0, "s", "p"), "00000014 0000000b 00000000 00000001 73007000"),
        (
            BindTransceiverResp(1, 0, "s", ((Tag.SC_INTERFACE_VERSION, b"\x34"),)),
            "00000017 80000009 00000000 00000001 7300 0210 0001 34",
        ),
        (
            QuerySmResp(1, 0, "9", "", 2, 0),
            "00000015 80000003 00000000 00000001 3900 00 02 00",
        ),
        (
            AlertNotification(1, 0, 1, 1, "86", 0, 1, "06001", ((Tag.MS_AVAILABILITY_STATUS, b"\0"),)),
            "00000022 00000102 00000000 00000001 0101 383600 0001 303630303100 0422 0001 00",
        ),
    ],
)
def test_pdus_written_by_hand(pdu: Pdu, octets: str) -> None:
    assert encode(pdu) == bytes.fromhex(octets)
    assert decode(bytes.fromhex(octets)) == pdu


def test_command_ids_of_requests_and_responses_belong_together() -> None:
    assert {command_id(request) | RESPONSE for request in RESPONSES} == {
        command_id(response) for response in RESPONSES.values()
    }
    assert len(RESPONSES) == 11
    assert AlertNotification not in RESPONSES
    assert Outbind not in RESPONSES


def frame(number: int, body: bytes, sequence: int = 9) -> bytes:
    return struct.pack(">IIII", 16 + len(body), number, 0, sequence) + body


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (frame(0x00000099, b""), Status.ESME_RINVCMDID),
        (frame(0x00000004, b"CMT"), Status.ESME_RINVCMDLEN),
        (frame(0x00000004, b"\0" * 16 + b"\x05hi"), Status.ESME_RINVMSGLEN),
        (frame(0x00000004, b"\0" * 17 + b"\x04\x21\x00\x02\x01"), Status.ESME_RINVOPTPARSTREAM),
        (frame(0x00000004, b"\0" * 17 + b"\x04"), Status.ESME_RINVOPTPARSTREAM),
        (frame(0x00000015, b"x"), Status.ESME_RINVCMDLEN),
        (frame(0x00000003, b"1\0\1\1" + b"2"), Status.ESME_RINVCMDLEN),
    ],
)
def test_a_malformed_pdu_says_what_to_answer(octets: bytes, status: Status) -> None:
    with pytest.raises(PduError) as caught:
        decode(octets)
    assert caught.value.status == status


def test_a_response_may_lack_the_last_nul() -> None:
    assert decode(frame(0x80000004, b"abc")) == SubmitSmResp(9, 0, "abc")


@pytest.mark.parametrize(
    "pdu",
    [
        SubmitSm(destination_addr="1" * 21),
        SubmitSm(destination_addr="1\0002"),
        SubmitSm(source_addr="漏话"),
        SubmitSm(short_message=bytes(256)),
        SubmitSm(protocol_id=256),
        SubmitSm(protocol_id=-1),
        SubmitSm(sequence=2**32),
        SubmitSm(tlvs=((0x10000, b""),)),
        SubmitSm(tlvs=((1, bytes(65536)),)),
        BindTransceiver(password="123456789"),
        ReplaceSm(short_message=bytes(256)),
    ],
)
def test_what_does_not_fit_is_refused(pdu: Pdu) -> None:
    with pytest.raises(PduError):
        encode(pdu)


@given(st.sampled_from([layout[0] for layout in LAYOUTS]), st.binary(max_size=120))
def test_noise_in_a_body_raises_nothing_else(number: int, body: bytes) -> None:
    octets = frame(number, body)
    try:
        decode(octets)
    except PduError:
        return


@given(st.binary(min_size=16, max_size=80))
def test_noise_raises_nothing_else(octets: bytes) -> None:
    try:
        decode(octets)
    except PduError:
        return


def test_content_is_short_message_or_message_payload() -> None:
    payload = ((Tag.MESSAGE_PAYLOAD, b"long"),)
    assert content(SubmitSm(short_message=b"short")) == b"short"
    assert content(DeliverSm(tlvs=payload)) == b"long"
    assert content(DataSm(tlvs=payload)) == b"long"
    assert content(DataSm()) == b""


def test_secrets_do_not_show() -> None:
    assert "geheim" not in repr(BindTransceiver(system_id="louhua", password="geheim"))
    assert "geheim" not in repr(Outbind(system_id="louhua", password="geheim"))


def test_fields_are_those_of_the_layouts() -> None:
    for _, kind, fields in LAYOUTS:
        names = [name for name, _ in fields]
        assert [name for name in kind.__struct_fields__[2:] if name != "tlvs"] == names
        assert msgspec.structs.astuple(kind())[:2] == (0, 0)


def test_submit_sm_is_fast_enough() -> None:
    """Far below what it does (about 150,000/s), so that only a blunder fails: a lookup by name, a reparse."""
    pdu = SubmitSm(1, 0, "", 0, 1, "06001", 1, 1, "8613800138000", 0, 0, 0, "", "", 1, 0, 8, 0, bytes(140))
    count = 3000
    best = 0.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(count):
            decode(encode(pdu))
        best = max(best, count / (time.process_time() - began))
    assert best > 20_000
