"""Between PDUs and the sandbox's store of messages; pure. Times are seconds since the epoch."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from louhua.bus.events import ReceiptState
from louhua.sandbox.handsets import Alert, Message, Record, Report
from louhua.texts.encoding import segment
from louhua.texts.smpp import times, tlv
from louhua.texts.smpp.addresses import to_address, to_number
from louhua.texts.smpp.errors import PduError
from louhua.texts.smpp.pdu import AlertNotification, DataSm, DeliverSm, QuerySm, QuerySmResp, SubmitSm
from louhua.texts.smpp.receipts import INTERMEDIATE, RECEIPT, STATE_NUMBERS, receipt_text
from louhua.texts.smpp.status import Status
from louhua.texts.smpp.tlv import Tag, Tlvs
from louhua.texts.smpp.translate import part_of

_VALIDITY_S: Final = 3 * 86400.0
_GSM: Final = 3
"""Network type in network_error_code (SMPP 3.4, section 5.3.2.31)."""
_AVAILABLE: Final = tlv.octet(Tag.MS_AVAILABILITY_STATUS, 0)


def read_message(pdu: SubmitSm | DataSm, message_id: str, owner: str, now: float) -> Message:
    """The message that an ESME submits; raises ``PduError`` with the status that refuses it."""
    recipient = to_number(pdu.dest_addr_ton, pdu.destination_addr)
    if not recipient.strip("0").isdigit():
        raise PduError("the destination is not a number", Status.ESME_RINVDSTADR)
    part, body = part_of(pdu)
    protocol_id, priority = (pdu.protocol_id, pdu.priority_flag) if isinstance(pdu, SubmitSm) else (0, 0)
    return Message(
        id=message_id,
        owner=owner,
        sender=to_number(pdu.source_addr_ton, pdu.source_addr),
        recipient=recipient,
        source=(pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr),
        destination=(pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.destination_addr),
        data_coding=pdu.data_coding,
        body=body,
        part=part,
        submitted_at=now,
        expires_at=_expiry(pdu, now),
        protocol_id=protocol_id,
        priority=priority,
        registered_delivery=pdu.registered_delivery,
        reference=tlv.integer(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE),
        wants_alert=tlv.integer(pdu.tlvs, Tag.SET_DPF) == 1,
    )


def _expiry(pdu: SubmitSm | DataSm, now: float) -> float:
    if isinstance(pdu, DataSm):
        live = tlv.integer(pdu.tlvs, Tag.QOS_TIME_TO_LIVE)
        return now + (_VALIDITY_S if live is None else live)
    return read_time(pdu.validity_period, now) or now + _VALIDITY_S


def read_time(text: str, now: float) -> float | None:
    """A validity_period, or ``None`` when empty; raises ``PduError`` when it is no time."""
    if not text:
        return None
    try:
        moment = times.parse(text, datetime.fromtimestamp(now, UTC))
    except (ValueError, OverflowError):
        raise PduError("validity_period is not a time", Status.ESME_RINVEXPIRY) from None
    return moment.timestamp() if moment else None


def receipt(report: Report) -> DeliverSm:
    """The receipt for a report: Appendix B's text and the TLVs."""
    message = report.message
    number = STATE_NUMBERS[report.state]
    tlvs: Tlvs = (
        tlv.c_string(Tag.RECEIPTED_MESSAGE_ID, message.id),
        tlv.octet(Tag.MESSAGE_STATE, number),
    )
    if report.error:
        tlvs += ((Tag.NETWORK_ERROR_CODE, bytes((_GSM, 0, report.error))),)
    if message.reference is not None:
        tlvs += (tlv.short(Tag.USER_MESSAGE_REFERENCE, message.reference),)
    text = receipt_text(message.id, report.state, message.submitted_at, report.at, report.error)
    kind = INTERMEDIATE if report.intermediate else RECEIPT
    return DeliverSm(
        0, 0, "", *message.destination, *message.source, kind, 0, 0, "", "", 0, 0, 0, 0, text.encode(), tlvs
    )


def alert_notification(alert: Alert) -> AlertNotification:
    """The news that a phone is back (SMPP 3.4, section 4.12.1)."""
    return AlertNotification(0, 0, *alert.phone, *alert.esme, (_AVAILABLE,))


def from_phone(sender: str, recipient: str, body: str, reference: int) -> Iterator[DeliverSm]:
    """A text that a phone sends, as its parts."""
    origin, target = to_address(sender), to_address(recipient)
    for part in segment(body, reference):
        yield DeliverSm(
            0, 0, "", *origin, *target, part.esm_class, 0, 0, "", "", 0, 0, part.data_coding, 0, part.payload
        )


def query_answer(pdu: QuerySm, record: Record | None) -> QuerySmResp:
    """What is known of a message, to those who submitted it (section 4.8)."""
    if record is None or record.message.source[2] != pdu.source_addr:
        return QuerySmResp(pdu.sequence, Status.ESME_RQUERYFAIL)
    final = record.final_at
    date = "" if final is None else times.absolute(datetime.fromtimestamp(final, UTC))
    state = STATE_NUMBERS[ReceiptState(record.state)]
    return QuerySmResp(pdu.sequence, 0, pdu.message_id, date, state, record.error)
