"""The PDUs of SMPP 3.4 (section 4) as frozen structs; fields are named as the specification names them.

Strings are C-octet strings in Latin-1, so that any octet survives; integers are single octets. ``codec`` has
their wire form.
"""

import msgspec

from louhua.texts.smpp.tlv import Tag, Tlvs, find


class Pdu(msgspec.Struct, frozen=True, gc=False):
    """What every PDU has; ``status`` matters in responses only."""

    sequence: int = 0
    status: int = 0


class _Bind(Pdu, frozen=True, gc=False):
    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(system_id={self.system_id!r}, password=hidden)"


class BindReceiver(_Bind, frozen=True, gc=False):
    """Section 4.1.3: messages come to the ESME."""


class BindTransmitter(_Bind, frozen=True, gc=False):
    """Section 4.1.1: messages go to the SMSC."""


class BindTransceiver(_Bind, frozen=True, gc=False):
    """Section 4.1.5: both on one connection."""


class _BindResp(Pdu, frozen=True, gc=False):
    system_id: str = ""
    tlvs: Tlvs = ()


class BindReceiverResp(_BindResp, frozen=True, gc=False):
    """Section 4.1.4."""


class BindTransmitterResp(_BindResp, frozen=True, gc=False):
    """Section 4.1.2."""


class BindTransceiverResp(_BindResp, frozen=True, gc=False):
    """Section 4.1.6."""


class Outbind(Pdu, frozen=True, gc=False):
    """Section 4.1.7: the SMSC asks an ESME to bind as receiver."""

    system_id: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Outbind(system_id={self.system_id!r}, password=hidden)"


class Unbind(Pdu, frozen=True, gc=False):
    """Section 4.2.1."""


class UnbindResp(Pdu, frozen=True, gc=False):
    """Section 4.2.2."""


class GenericNack(Pdu, frozen=True, gc=False):
    """Section 4.3.1: the answer to what cannot be understood."""


class _ShortMessage(Pdu, frozen=True, gc=False):
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = ()


class SubmitSm(_ShortMessage, frozen=True, gc=False):
    """Section 4.4.1: a message from the ESME to a phone."""


class DeliverSm(_ShortMessage, frozen=True, gc=False):
    """Section 4.6.1: a message from a phone, or a receipt, to the ESME."""


class _MessageId(Pdu, frozen=True, gc=False):
    message_id: str = ""
    tlvs: Tlvs = ()


class SubmitSmResp(_MessageId, frozen=True, gc=False):
    """Section 4.4.2."""


class DeliverSmResp(_MessageId, frozen=True, gc=False):
    """Section 4.6.2; message_id is not used."""


class DataSm(Pdu, frozen=True, gc=False):
    """Section 4.7.1: a message in either direction, its content in message_payload."""

    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Tlvs = ()


class DataSmResp(_MessageId, frozen=True, gc=False):
    """Section 4.7.2."""


class QuerySm(Pdu, frozen=True, gc=False):
    """Section 4.8.1: what became of a message?"""

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


class QuerySmResp(Pdu, frozen=True, gc=False):
    """Section 4.8.2."""

    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class CancelSm(Pdu, frozen=True, gc=False):
    """Section 4.9.1: forget a message, or with an empty id all from one address to another."""

    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class CancelSmResp(Pdu, frozen=True, gc=False):
    """Section 4.9.2."""


class ReplaceSm(Pdu, frozen=True, gc=False):
    """Section 4.10.1: another content for a message that is still waiting."""

    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""


class ReplaceSmResp(Pdu, frozen=True, gc=False):
    """Section 4.10.2."""


class EnquireLink(Pdu, frozen=True, gc=False):
    """Section 4.11.1: are you there?"""


class EnquireLinkResp(Pdu, frozen=True, gc=False):
    """Section 4.11.2."""


class AlertNotification(Pdu, frozen=True, gc=False):
    """Section 4.12.1: a phone for which set_dpf was asked is back. It has no response."""

    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
    tlvs: Tlvs = ()


def content(pdu: SubmitSm | DeliverSm | DataSm) -> bytes:
    """What a message carries: short_message, or message_payload where that is empty (section 5.3.2.32)."""
    if not isinstance(pdu, DataSm) and pdu.short_message:
        return pdu.short_message
    return find(pdu.tlvs, Tag.MESSAGE_PAYLOAD) or b""
