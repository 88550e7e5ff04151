"""Between what the outbox speaks (``messages``) and PDUs, both ways; pure."""

from datetime import timedelta
from functools import lru_cache
from typing import Any

from louhua.texts.encoding import UDH_INDICATOR, Concatenation, concatenation, split_header
from louhua.texts.smpp import times, tlv
from louhua.texts.smpp.addresses import to_address, to_number
from louhua.texts.smpp.messages import (
    Handle,
    Inbound,
    PhoneAvailable,
    ReceiptArrived,
    Submit,
    SubmitResult,
    TextArrived,
)
from louhua.texts.smpp.pdu import AlertNotification, DataSm, DeliverSm, Pdu, SubmitSm, SubmitSmResp, content
from louhua.texts.smpp.receipts import is_receipt, read_receipt
from louhua.texts.smpp.status import Outcome, outcome, status_name
from louhua.texts.smpp.tlv import Tag

_AVAILABLE = 0
"""ms_availability_status (SMPP 3.4, section 5.3.2.30): 1 denied, 2 unavailable."""


def submit_sm(message: Submit, part: int) -> SubmitSm:
    """The request for one segment of a text."""
    segment = message.segments[part]
    return SubmitSm(
        0, 0, "", *to_address(message.source), *to_address(message.destination), segment.esm_class,
        message.protocol_id, message.priority, "", validity(message.validity), message.registered_delivery,
        0, segment.data_coding, 0, segment.payload, message.tlvs,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def validity(length: timedelta | None) -> str:
    """validity_period; empty leaves it to the SMSC."""
    return "" if length is None else times.relative(length)


def submit_result(key: Any, part: int, response: Pdu) -> SubmitResult:
    """What a submit_sm_resp, or a generic_nack in its place, says of a segment."""
    if response.status == 0 and response.__class__ is SubmitSmResp:
        return SubmitResult(key, part, Outcome.ACCEPTED, response.message_id, 0)
    # A generic_nack is a refusal whatever its status.
    verdict = outcome(response.status) if response.status else Outcome.PERMANENT
    return SubmitResult(key, part, verdict, "", response.status, status_name(response.status))


def inbound(pdu: Pdu, connection: object, country: str = "CN") -> Inbound | None:
    """What a request of the SMSC tells the owner; ``None`` for what is of no interest (outbind).

    ``country`` is that of national numbers.
    """
    if isinstance(pdu, AlertNotification):
        number = to_number(pdu.source_addr_ton, pdu.source_addr, country)
        status = tlv.integer(pdu.tlvs, Tag.MS_AVAILABILITY_STATUS)
        return PhoneAvailable(number, status in (None, _AVAILABLE))
    if not isinstance(pdu, DeliverSm | DataSm):
        return None
    handle = Handle(connection, pdu.sequence, isinstance(pdu, DataSm))
    if is_receipt(pdu):
        return ReceiptArrived(handle, read_receipt(pdu, country))
    part, body = part_of(pdu)
    sender = to_number(pdu.source_addr_ton, pdu.source_addr, country)
    recipient = to_number(pdu.dest_addr_ton, pdu.destination_addr, country)
    return TextArrived(handle, sender, recipient, pdu.data_coding, body, part)


def part_of(pdu: SubmitSm | DeliverSm | DataSm) -> tuple[Concatenation | None, bytes]:
    """Which part of a text a message is, by user data header or sar TLVs, and its body without the header."""
    body = content(pdu)
    if pdu.esm_class & UDH_INDICATOR:
        return split_header(body)
    reference = tlv.integer(pdu.tlvs, Tag.SAR_MSG_REF_NUM)
    total = tlv.integer(pdu.tlvs, Tag.SAR_TOTAL_SEGMENTS)
    number = tlv.integer(pdu.tlvs, Tag.SAR_SEGMENT_SEQNUM)
    if reference is None or total is None or number is None:
        return None, body
    return concatenation(reference, total, number), body
