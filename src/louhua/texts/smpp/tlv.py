"""Optional parameters (TLVs) of SMPP 3.4, section 5.3: a tuple of (tag, value) in the order of the wire.

Order, repeats and unknown tags are kept, so that what is decoded encodes to the same bytes.
"""

import struct
from enum import IntEnum
from typing import Final

from louhua.texts.smpp.errors import PduError
from louhua.texts.smpp.status import Status

Tlvs = tuple[tuple[int, bytes], ...]


class Tag(IntEnum):
    """Tags of SMPP 3.4, section 5.3.2."""

    DEST_ADDR_SUBUNIT = 0x0005
    DEST_NETWORK_TYPE = 0x0006
    DEST_BEARER_TYPE = 0x0007
    DEST_TELEMATICS_ID = 0x0008
    SOURCE_ADDR_SUBUNIT = 0x000D
    SOURCE_NETWORK_TYPE = 0x000E
    SOURCE_BEARER_TYPE = 0x000F
    SOURCE_TELEMATICS_ID = 0x0010
    QOS_TIME_TO_LIVE = 0x0017
    PAYLOAD_TYPE = 0x0019
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D
    RECEIPTED_MESSAGE_ID = 0x001E
    MS_MSG_WAIT_FACILITIES = 0x0030
    PRIVACY_INDICATOR = 0x0201
    SOURCE_SUBADDRESS = 0x0202
    DEST_SUBADDRESS = 0x0203
    USER_MESSAGE_REFERENCE = 0x0204
    USER_RESPONSE_CODE = 0x0205
    SOURCE_PORT = 0x020A
    DESTINATION_PORT = 0x020B
    SAR_MSG_REF_NUM = 0x020C
    LANGUAGE_INDICATOR = 0x020D
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    SC_INTERFACE_VERSION = 0x0210
    CALLBACK_NUM_PRES_IND = 0x0302
    CALLBACK_NUM_ATAG = 0x0303
    NUMBER_OF_MESSAGES = 0x0304
    CALLBACK_NUM = 0x0381
    DPF_RESULT = 0x0420
    SET_DPF = 0x0421
    MS_AVAILABILITY_STATUS = 0x0422
    NETWORK_ERROR_CODE = 0x0423
    MESSAGE_PAYLOAD = 0x0424
    DELIVERY_FAILURE_REASON = 0x0425
    MORE_MESSAGES_TO_SEND = 0x0426
    MESSAGE_STATE = 0x0427
    USSD_SERVICE_OP = 0x0501
    DISPLAY_TIME = 0x1201
    SMS_SIGNAL = 0x1203
    MS_VALIDITY = 0x1204
    ALERT_ON_MESSAGE_DELIVERY = 0x130C
    ITS_REPLY_TYPE = 0x1380
    ITS_SESSION_INFO = 0x1383


_HEAD: Final = struct.Struct(">HH")
_LONGEST: Final = 0xFFFF


def encode_tlvs(tlvs: Tlvs) -> bytes:
    """The octets of all parameters; raises ``PduError`` when one cannot be written."""
    try:
        return b"".join([_HEAD.pack(tag, len(value)) + value for tag, value in tlvs])
    except struct.error:
        raise PduError("a TLV's tag or length is above 65535", Status.ESME_RINVPARLEN) from None


def decode_tlvs(data: bytes, start: int) -> Tlvs:
    """Read parameters from ``start`` to the end; raises ``PduError`` when they do not fit."""
    tlvs = []
    end = len(data)
    while start + 4 <= end:
        tag, length = _HEAD.unpack_from(data, start)
        start += 4 + length
        tlvs.append((tag, data[start - length : start]))
    if start != end:
        raise PduError("the TLVs overrun the PDU", Status.ESME_RINVOPTPARSTREAM)
    return tuple(tlvs)


def find(tlvs: Tlvs, tag: int) -> bytes | None:
    """The value of the first parameter with this tag."""
    for found, value in tlvs:
        if found == tag:
            return value
    return None


def integer(tlvs: Tlvs, tag: int) -> int | None:
    """The value of an integer parameter, whatever its width; ``None`` when absent or empty."""
    value = find(tlvs, tag)
    return int.from_bytes(value, "big") if value else None


def text(tlvs: Tlvs, tag: int) -> str | None:
    """The value of a C-octet string, with or without the NUL that some peers leave out."""
    value = find(tlvs, tag)
    return None if value is None else value.split(b"\0", 1)[0].decode("latin-1")


def octet(tag: int, value: int) -> tuple[int, bytes]:
    """A parameter of one octet."""
    return (tag, bytes((value,)))


def short(tag: int, value: int) -> tuple[int, bytes]:
    """A parameter of two octets."""
    return (tag, value.to_bytes(2, "big"))


def c_string(tag: int, value: str) -> tuple[int, bytes]:
    """A parameter that is a C-octet string."""
    return (tag, value.encode("latin-1") + b"\0")
