"""What a fuzzer calls: octets become frames, PDUs, a session's events, receipts and texts, and events on the bus.

Whatever comes, nothing may be raised, and every answer must be a PDU again.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from louhua.bus.events import decode as decode_events
from louhua.bus.events import encode as encode_events
from louhua.config import Smsc
from louhua.texts.encoding import segment
from louhua.texts.gateway import event_of
from louhua.texts.keywords import command_of
from louhua.texts.smpp.codec import LAYOUTS, decode, encode
from louhua.texts.smpp.frames import FrameDecoder
from louhua.texts.smpp.messages import Submit, TextArrived
from louhua.texts.smpp.pdu import (
    AlertNotification,
    BindTransceiver,
    BindTransceiverResp,
    DataSm,
    DeliverSm,
    EnquireLink,
    GenericNack,
    QuerySm,
    QuerySmResp,
    SubmitSmResp,
    Unbind,
)
from louhua.texts.smpp.session import Answered, Limits, Received, Session
from louhua.texts.smpp.states import Role
from louhua.texts.smpp.tlv import Tag, octet, short
from louhua.texts.smpp.translate import inbound, submit_result, submit_sm
from louhua.texts.verdicts import comparable

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SMSCS = [
    Smsc.model_validate({"name": "s", "host": "h", "port": 1, "system_id": "x", "receipt_ids": form})
    for form in ("as-is", "hex", "decimal")
]
LIMITS = Limits(window=10, unanswered=3, longest_pdu=4096)
TEXT = Submit(key=1, source="06001", destination="8613800138000", segments=tuple(segment("漏话", 1)))
RECEIPT = (
    b"id:0A1 sub:001 dlvrd:001 submit date:2611230905 done date:2611230906 stat:UNDELIV err:045 text:stat:DELIVRD"
)
PHONE: dict[str, Any] = {"source_addr_ton": 1, "source_addr": "8613800138000", "destination_addr": "06001"}
PDUS = [
    DeliverSm(1, **PHONE, short_message=b"D"),
    DeliverSm(2, **PHONE, esm_class=4, short_message=RECEIPT),
    DeliverSm(3, **PHONE, esm_class=0x40, data_coding=8, short_message=b"\5\0\3\1\2\1\x6f\x0f"),
    DeliverSm(4, **PHONE, data_coding=5, tlvs=((Tag.MESSAGE_PAYLOAD, b"\x83\x41"), short(Tag.SAR_MSG_REF_NUM, 1))),
    DataSm(
        5,
        source_addr="13800138000",
        source_addr_ton=2,
        tlvs=(
            (Tag.RECEIPTED_MESSAGE_ID, b"0A1\0"),
            octet(Tag.MESSAGE_STATE, 5),
            (Tag.NETWORK_ERROR_CODE, b"\3\0\6"),
            short(Tag.USER_MESSAGE_REFERENCE, 7),
        ),
    ),
    DeliverSm(6, source_addr_ton=5, source_addr="BANK", data_coding=0xF5, short_message=b"\x1b\x1b\x80"),
    AlertNotification(7, source_addr_ton=1, source_addr="8613800138000"),
    SubmitSmResp(2, 0, "a1"),
    SubmitSmResp(2, 0x58),
    QuerySmResp(3, 0, "a1", "", 2, 0),
    GenericNack(2, 3),
    EnquireLink(8),
    Unbind(9),
    BindTransceiver(10, system_id="x"),
]


def seeds() -> Iterator[bytes]:
    """Inputs to begin with: PDUs as they are, and their bodies for headers that ``octets_of`` makes."""
    kinds = [kind for _, kind, _ in LAYOUTS]
    for pdu in PDUS:
        frame = encode(pdu)
        yield b"\0" + frame
        yield b"\1" + frame * 3
        place = kinds.index(pdu.__class__)
        mode = next(octet_ for octet_ in range(0x40, 0x100) if octet_ % len(LAYOUTS) == place and octet_ % 2 == 0)
        yield bytes((mode, pdu.sequence)) + frame[16:]


def octets_of(data: bytes) -> bytes:
    """The octets as they are, or as a body with a header that is right: deep code is reached sooner."""
    if len(data) < 2 or data[0] < 0x40:
        return data[1:]
    number = LAYOUTS[data[0] % len(LAYOUTS)][0]
    body = data[2:]
    return b"".join(value.to_bytes(4, "big") for value in (16 + len(body), number, 0, data[1])) + body


def bound() -> Session:
    """An ESME's session with requests on their way."""
    session = Session(Role.ESME, 0.0, LIMITS)
    session.request(BindTransceiver(), 0.0)
    session.receive(encode(BindTransceiverResp(1)), 0.0)
    session.request(submit_sm(TEXT, 0), 0.0, "submit")
    session.request(QuerySm(message_id="1"), 0.0, "query")
    return session


def take(event: Any, config: Smsc) -> None:
    """Do with what a session tells as the client and the gateway do."""
    if isinstance(event, Answered):
        comparable(submit_result(1, 0, event.pdu).message_id, config)
    elif isinstance(event, Received) and (told := inbound(event.pdu, None)) is not None:
        if isinstance(told, TextArrived):
            command_of(told.text)
        news = event_of(told, config, NOW)
        if news is not None:
            payload = encode_events([news])
            assert decode_events(type(news), payload) == (news,)
            assert b"\\u0000" not in payload


def one_input(data: bytes) -> None:
    """Whatever an SMSC sends, cut in two, before or after the bind."""
    octets, config = octets_of(data), SMSCS[len(data) % len(SMSCS)]
    session = Session(Role.ESME, 0.0, LIMITS) if data[:1] and data[0] % 2 else bound()
    session.data_to_send()
    cut = len(octets) // 2
    for piece in (octets[:cut], octets[cut:]):
        for event in session.receive(piece, 1.0):
            take(event, config)
    session.tick(2.0)
    answers, error = FrameDecoder().feed(session.data_to_send())
    assert error is None
    for answer in answers:
        decode(answer)
    session.lost()
    assert session.outstanding == 0
