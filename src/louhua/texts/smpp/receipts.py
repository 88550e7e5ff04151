"""Delivery receipts: told from messages, read, and their ids compared with those of submit responses.

The TLVs are preferred (SMPP 3.4, sections 5.3.2.12, 5.3.2.31, 5.3.2.35); the text form of Appendix B is only
an example there, and vendors differ in case, in order, in what they leave out and in how they write the id.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal

import msgspec

from louhua.bus.events import ReceiptState
from louhua.texts.encoding import decode_text
from louhua.texts.smpp import tlv
from louhua.texts.smpp.addresses import to_number
from louhua.texts.smpp.pdu import DataSm, DeliverSm, content
from louhua.texts.smpp.tlv import Tag

IdProfile = Literal["as-is", "hex", "decimal"]
"""How an SMSC writes ids in receipts, compared with its submit responses (configuration: receipt_ids)."""

MESSAGE_TYPE: Final = 0x3C
"""The bits of esm_class that tell receipts from messages (section 5.2.12)."""
RECEIPT: Final = 0x04
INTERMEDIATE: Final = 0x20

STATES: Final = {
    1: ReceiptState.ENROUTE,
    2: ReceiptState.DELIVERED,
    3: ReceiptState.EXPIRED,
    4: ReceiptState.DELETED,
    5: ReceiptState.UNDELIVERABLE,
    6: ReceiptState.ACCEPTED,
    7: ReceiptState.UNKNOWN,
    8: ReceiptState.REJECTED,
}
"""message_state (section 5.2.28)."""
STATE_NUMBERS: Final = {state: number for number, state in STATES.items()}

_WORDS: Final = (
    ("deliv", ReceiptState.DELIVERED),
    ("expir", ReceiptState.EXPIRED),
    ("delet", ReceiptState.DELETED),
    ("undel", ReceiptState.UNDELIVERABLE),
    ("fail", ReceiptState.UNDELIVERABLE),
    ("accep", ReceiptState.ACCEPTED),
    ("ackn", ReceiptState.ACCEPTED),
    ("rejec", ReceiptState.REJECTED),
    ("enrou", ReceiptState.ENROUTE),
    ("buff", ReceiptState.ENROUTE),
)
"""How the words begin that stand after ``stat:``; Appendix B has DELIVRD, EXPIRED, DELETED, UNDELIV, …"""

_PLAIN: Final = frozenset({0x00, 0x01, 0x03})
"""data_coding of the SMSC's default alphabet, of ASCII and of Latin 1 (section 5.2.19)."""

_FIELD: Final = re.compile(r"\b(id|stat|err)\s*:\s*([^\s:]*)(?=\s|$)", re.IGNORECASE)
_TEXT: Final = re.compile(r"\btext\s*:", re.IGNORECASE)


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What an SMSC says of one message.

    ``message_id`` is as written and may be empty; ``number`` is the phone (canonical); ``error`` is the
    network's code (``"3:6"``: network type and code, or what stood after ``err:``); ``reference``
    is the user_message_reference of the submit. The text's dates are left: they are in a zone nobody names.
    """

    message_id: str
    number: str
    state: ReceiptState
    error: str = ""
    reference: int | None = None
    intermediate: bool = False


def is_receipt(pdu: DeliverSm | DataSm) -> bool:
    """Whether this is a receipt: by esm_class, or by the TLV where an SMSC forgot the bits."""
    kind = pdu.esm_class & MESSAGE_TYPE
    if kind in (RECEIPT, INTERMEDIATE):
        return True
    return kind == 0 and tlv.find(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) is not None


def read_receipt(pdu: DeliverSm | DataSm, country: str = "CN") -> Receipt:
    """Read what ``is_receipt`` accepted; what is missing is empty, and a state nobody knows is UNKNOWN.

    ``country`` is that of national numbers.
    """
    message_id = tlv.text(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID)
    number = tlv.integer(pdu.tlvs, Tag.MESSAGE_STATE)
    state = None if number is None else STATES.get(number, ReceiptState.UNKNOWN)
    error = _network_error(tlv.find(pdu.tlvs, Tag.NETWORK_ERROR_CODE))
    if message_id is None or state is None or (not error and state is not ReceiptState.DELIVERED):
        fields = _text_fields(_text_of(pdu))
        message_id = fields.get("id", "") if message_id is None else message_id
        state = _state(fields.get("stat", "")) if state is None else state
        error = error or fields.get("err", "")
    return Receipt(
        message_id,
        to_number(pdu.source_addr_ton, pdu.source_addr, country),
        state,
        error,
        tlv.integer(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE),
        pdu.esm_class & MESSAGE_TYPE == INTERMEDIATE,
    )


def _text_of(pdu: DeliverSm | DataSm) -> str:
    """SMSCs write receipts in ASCII, whatever their default alphabet is."""
    octets = content(pdu)
    return octets.decode("latin-1") if pdu.data_coding in _PLAIN else decode_text(pdu.data_coding, octets)


def _text_fields(text: str) -> dict[str, str]:
    """The fields of Appendix B; the quoted beginning of the message is not searched."""
    text = text.replace("\0", "")
    quoted = _TEXT.search(text)
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(text[: quoted.start()] if quoted else text):
        found.setdefault(name.lower(), value)
    return found


def _state(word: str) -> ReceiptState:
    word = word.lower()
    for beginning, state in _WORDS:
        if word.startswith(beginning):
            return state
    return ReceiptState.UNKNOWN


def _network_error(value: bytes | None) -> str:
    """network_error_code: a network type, then two octets of its own code (section 5.3.2.31)."""
    if value is None or len(value) != 3 or value[1:] == b"\0\0":
        return ""
    return f"{value[0]}:{int.from_bytes(value[1:], 'big')}"


def canonical_id(message_id: str, profile: IdProfile = "as-is", *, receipt: bool = False) -> str:
    """The form in which an id of a submit response equals the id of its receipt (``receipt`` true).

    Case and leading zeros never count. ``hex``: receipts are in hex where responses are decimal;
    ``decimal``: the other way round. An id that is not such a number stays as it is.
    """
    text = message_id.strip().lower()
    in_hex = profile == "hex" if receipt else profile == "decimal"
    if in_hex:
        try:
            return str(int(text, 16))
        except ValueError:
            pass
    return text.lstrip("0") or text[-1:]


def receipt_text(message_id: str, state: ReceiptState, submitted: float, done: float, error: int) -> str:
    """A receipt in the form of Appendix B, as the sandbox writes it; times are seconds since the epoch."""
    delivered = int(state is ReceiptState.DELIVERED)
    return (
        f"id:{message_id} sub:001 dlvrd:{delivered:03} submit date:{_minute(int(submitted // 60))} "
        f"done date:{_minute(int(done // 60))} stat:{_APPENDIX_B[state]} err:{error:03} text:"
    )


@lru_cache(maxsize=128)
def _minute(minutes: int) -> str:
    """``YYMMDDhhmm`` in UTC."""
    return f"{datetime.fromtimestamp(minutes * 60, UTC):%y%m%d%H%M}"


_APPENDIX_B: Final = {
    ReceiptState.ENROUTE: "ENROUTE",
    ReceiptState.DELIVERED: "DELIVRD",
    ReceiptState.EXPIRED: "EXPIRED",
    ReceiptState.DELETED: "DELETED",
    ReceiptState.UNDELIVERABLE: "UNDELIV",
    ReceiptState.ACCEPTED: "ACCEPTD",
    ReceiptState.UNKNOWN: "UNKNOWN",
    ReceiptState.REJECTED: "REJECTD",
}
