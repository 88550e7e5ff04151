"""Optional parameters: kept in order, found by tag."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.texts.smpp import tlv
from louhua.texts.smpp.errors import PduError
from louhua.texts.smpp.tlv import Tag, Tlvs, decode_tlvs, encode_tlvs

SOME: Tlvs = (
    tlv.c_string(Tag.RECEIPTED_MESSAGE_ID, "abc"),
    tlv.octet(Tag.MESSAGE_STATE, 2),
    (0x1400, b"vendor"),
    tlv.short(Tag.USER_MESSAGE_REFERENCE, 0xABCD),
    (0x1400, b"again"),
    (Tag.NETWORK_ERROR_CODE, b""),
)


def test_values_by_tag() -> None:
    assert tlv.text(SOME, Tag.RECEIPTED_MESSAGE_ID) == "abc"
    assert tlv.integer(SOME, Tag.MESSAGE_STATE) == 2
    assert tlv.integer(SOME, Tag.USER_MESSAGE_REFERENCE) == 0xABCD
    assert tlv.find(SOME, 0x1400) == b"vendor"
    assert tlv.find(SOME, Tag.SET_DPF) is None
    assert tlv.integer(SOME, Tag.SET_DPF) is None
    assert tlv.integer(SOME, Tag.NETWORK_ERROR_CODE) is None
    assert tlv.text(SOME, Tag.SET_DPF) is None


def test_a_string_may_lack_its_nul() -> None:
    assert tlv.text(((Tag.RECEIPTED_MESSAGE_ID, b"abc"),), Tag.RECEIPTED_MESSAGE_ID) == "abc"


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300))).map(tuple))
def test_round_trip_keeps_order_and_repeats(tlvs: Tlvs) -> None:
    assert decode_tlvs(b"head" + encode_tlvs(tlvs), 4) == tlvs


@given(st.binary(max_size=60))
def test_noise_is_parameters_or_an_error(octets: bytes) -> None:
    try:
        assert encode_tlvs(decode_tlvs(octets, 0)) == octets
    except PduError:
        return


@pytest.mark.parametrize(
    ("tag", "number"),
    [
        (Tag.RECEIPTED_MESSAGE_ID, 0x001E),
        (Tag.USER_MESSAGE_REFERENCE, 0x0204),
        (Tag.SAR_MSG_REF_NUM, 0x020C),
        (Tag.SAR_TOTAL_SEGMENTS, 0x020E),
        (Tag.SAR_SEGMENT_SEQNUM, 0x020F),
        (Tag.DPF_RESULT, 0x0420),
        (Tag.SET_DPF, 0x0421),
        (Tag.MS_AVAILABILITY_STATUS, 0x0422),
        (Tag.NETWORK_ERROR_CODE, 0x0423),
        (Tag.MESSAGE_PAYLOAD, 0x0424),
        (Tag.MESSAGE_STATE, 0x0427),
    ],
)
def test_tags_of_the_specification(tag: Tag, number: int) -> None:
    assert tag == number
