"""The wire form of PDUs (SMPP 3.4, sections 3.2 and 4): one table of layouts, compiled once.

For each layout there is a regular expression that takes a body apart and a ``bytes`` template that puts it
together, so that no field is looked up by name while messages flow.
"""

import re
import struct
from collections.abc import Callable
from typing import Any, Final

import msgspec

from louhua.texts.smpp.errors import PduError
from louhua.texts.smpp.pdu import (
    AlertNotification,
    BindReceiver,
    BindReceiverResp,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    CancelSm,
    CancelSmResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    GenericNack,
    Outbind,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitSm,
    SubmitSmResp,
    Unbind,
    UnbindResp,
)
from louhua.texts.smpp.status import Status
from louhua.texts.smpp.tlv import decode_tlvs, encode_tlvs

HEADER: Final = struct.Struct(">IIII")
"""command_length, command_id, command_status, sequence_number (section 3.2)."""
RESPONSE: Final = 0x80000000
"""Bit of command_id that tells a response from its request."""

_NUMBER: Final = 0
_OCTETS: Final = -1
_Field = tuple[str, int]
"""A field's name and kind: ``_NUMBER``, ``_OCTETS`` (a length octet, then so many), or the octets a string
may have with its NUL."""

_BIND: Final[tuple[_Field, ...]] = (
    ("system_id", 16), ("password", 9), ("system_type", 13), ("interface_version", _NUMBER),
    ("addr_ton", _NUMBER), ("addr_npi", _NUMBER), ("address_range", 41),
)  # fmt: skip


def _address(prefix: str, name: str, limit: int) -> tuple[_Field, ...]:
    return ((f"{prefix}_ton", _NUMBER), (f"{prefix}_npi", _NUMBER), (name, limit))


_SOURCE: Final = _address("source_addr", "source_addr", 21)
_BOTH: Final = _SOURCE + _address("dest_addr", "destination_addr", 21)
_LONG_BOTH: Final = _address("source_addr", "source_addr", 65) + _address("dest_addr", "destination_addr", 65)
_TIMES: Final = (("schedule_delivery_time", 17), ("validity_period", 17))
_SHORT_MESSAGE: Final[tuple[_Field, ...]] = (
    ("service_type", 6), *_BOTH, ("esm_class", _NUMBER), ("protocol_id", _NUMBER), ("priority_flag", _NUMBER),
    *_TIMES, ("registered_delivery", _NUMBER), ("replace_if_present_flag", _NUMBER), ("data_coding", _NUMBER),
    ("sm_default_msg_id", _NUMBER), ("short_message", _OCTETS),
)  # fmt: skip
_DATA: Final[tuple[_Field, ...]] = (
    ("service_type", 6), *_LONG_BOTH, ("esm_class", _NUMBER), ("registered_delivery", _NUMBER),
    ("data_coding", _NUMBER),
)  # fmt: skip
_QUERY_RESP: Final[tuple[_Field, ...]] = (
    ("message_id", 65), ("final_date", 17), ("message_state", _NUMBER), ("error_code", _NUMBER),
)  # fmt: skip
_REPLACE: Final[tuple[_Field, ...]] = (
    ("message_id", 65), *_SOURCE, *_TIMES, ("registered_delivery", _NUMBER), ("sm_default_msg_id", _NUMBER),
    ("short_message", _OCTETS),
)  # fmt: skip
_ALERT: Final = _address("source_addr", "source_addr", 65) + _address("esme_addr", "esme_addr", 65)
_ID: Final[tuple[_Field, ...]] = (("message_id", 65),)

LAYOUTS: Final[tuple[tuple[int, type[Pdu], tuple[_Field, ...]], ...]] = (
    (0x00000001, BindReceiver, _BIND),
    (0x80000001, BindReceiverResp, (("system_id", 16),)),
    (0x00000002, BindTransmitter, _BIND),
    (0x80000002, BindTransmitterResp, (("system_id", 16),)),
    (0x00000003, QuerySm, (*_ID, *_SOURCE)),
    (0x80000003, QuerySmResp, _QUERY_RESP),
    (0x00000004, SubmitSm, _SHORT_MESSAGE),
    (0x80000004, SubmitSmResp, _ID),
    (0x00000005, DeliverSm, _SHORT_MESSAGE),
    (0x80000005, DeliverSmResp, _ID),
    (0x00000006, Unbind, ()),
    (0x80000006, UnbindResp, ()),
    (0x00000007, ReplaceSm, _REPLACE),
    (0x80000007, ReplaceSmResp, ()),
    (0x00000008, CancelSm, (("service_type", 6), *_ID, *_BOTH)),
    (0x80000008, CancelSmResp, ()),
    (0x00000009, BindTransceiver, _BIND),
    (0x80000009, BindTransceiverResp, (("system_id", 16),)),
    (0x0000000B, Outbind, (("system_id", 16), ("password", 9))),
    (0x00000015, EnquireLink, ()),
    (0x80000015, EnquireLinkResp, ()),
    (0x00000102, AlertNotification, _ALERT),
    (0x00000103, DataSm, _DATA),
    (0x80000103, DataSmResp, _ID),
    (0x80000000, GenericNack, ()),
)
"""command_id (section 5.1.2.1), class and mandatory fields of every PDU."""


class _Codec:
    """A layout, compiled."""

    def __init__(self, command_id: int, kind: type[Pdu], fields: tuple[_Field, ...]) -> None:
        self.command_id = command_id
        self.kind = kind
        self._make: Callable[..., Pdu] = kind
        self._response = bool(command_id & RESPONSE)
        self._limits = tuple(limit for _, limit in fields)
        self._octets = bool(fields) and fields[-1][1] == _OCTETS
        self._has_tlvs = "tlvs" in kind.__struct_fields__
        self._template = b"".join(b"%c" if limit == _NUMBER else b"%b\0" for limit in self._limits)
        if self._octets:
            self._template = self._template.removesuffix(b"%b\0") + b"%c%b"
        self._match = re.compile(self._expression(), re.DOTALL).match
        self._convert = tuple(self._converter(limit) for limit in self._limits)
        self._empty = (*(getattr(kind(), name) for name, _ in fields), *([()] if self._has_tlvs else []))

    def _expression(self) -> bytes:
        # Responses may end with a string whose NUL was forgotten; peers do.
        end = rb"(?:\0|\Z)" if self._response else rb"\0"
        kinds = {_NUMBER: b"(.)", _OCTETS: b"(.)"}
        return b"".join(kinds.get(limit, b"([^\\0]*+)" + end) for limit in self._limits)

    @staticmethod
    def _converter(limit: int) -> Callable[[bytes], Any]:
        return ord if limit in (_NUMBER, _OCTETS) else _latin_1

    def encode(self, pdu: Pdu, sequence: int) -> bytes:
        values = list(msgspec.structs.astuple(pdu)[2:])
        tlvs = values.pop() if self._has_tlvs else ()
        if self._response and pdu.status and tuple(values) == self._empty[: len(values)] and not tlvs:
            return HEADER.pack(16, self.command_id, pdu.status, sequence)
        for place, limit in enumerate(self._limits):
            if limit > 0:
                values[place] = value = values[place].encode("latin-1")
                if len(value) >= limit or b"\0" in value:
                    raise PduError(f"a string of {len(value)} octets where {limit - 1} may be", _WRONG)
        if self._octets:
            values.insert(-1, len(values[-1]))
        body = self._template % tuple(values)
        if tlvs:
            body += encode_tlvs(tlvs)
        return HEADER.pack(16 + len(body), self.command_id, pdu.status, sequence) + body

    def decode(self, frame: bytes, status: int, sequence: int) -> Pdu:
        if self._response and len(frame) == 16:
            return self._make(sequence, status, *self._empty)
        match = self._match(frame, 16)
        if match is None:
            raise PduError(f"{self.kind.__name__}: the body is cut short", Status.ESME_RINVCMDLEN)
        values = [convert(group) for convert, group in zip(self._convert, match.groups(), strict=True)]
        end = match.end()
        if self._octets:
            start, end = end, end + values[-1]
            values[-1] = frame[start:end]
            if end > len(frame):
                raise PduError("sm_length is longer than the PDU", Status.ESME_RINVMSGLEN)
        if end == len(frame):
            return self._make(sequence, status, *values)
        if not self._has_tlvs:
            raise PduError(f"{self.kind.__name__}: octets after the last field", Status.ESME_RINVCMDLEN)
        return self._make(sequence, status, *values, decode_tlvs(frame, end))


_WRONG: Final = Status.ESME_RINVPARLEN


def _latin_1(octets: bytes) -> str:
    return octets.decode("latin-1")


_BY_KIND: Final = {layout[1]: _Codec(*layout) for layout in LAYOUTS}
_BY_ID: Final = {codec.command_id: codec for codec in _BY_KIND.values()}
RESPONSES: Final[dict[type[Pdu], type[Pdu]]] = {
    codec.kind: _BY_ID[codec.command_id | RESPONSE].kind
    for codec in _BY_KIND.values()
    if not codec.command_id & RESPONSE and codec.command_id | RESPONSE in _BY_ID
}
"""The class of the response to each request that has one."""


def command_id(kind: type[Pdu]) -> int:
    """The command_id of a class of PDUs."""
    return _BY_KIND[kind].command_id


def encode(pdu: Pdu, sequence: int | None = None) -> bytes:
    """The octets of a PDU, numbered ``sequence`` or else as it says itself.

    Raises ``PduError`` when a value is too long or out of range for its field.
    """
    try:
        return _BY_KIND[pdu.__class__].encode(pdu, pdu.sequence if sequence is None else sequence)
    except (OverflowError, UnicodeEncodeError, struct.error) as error:
        raise PduError(f"{pdu.__class__.__name__}: {error}", _WRONG) from None


def decode(frame: bytes) -> Pdu:
    """Read a whole PDU, whose length the frame decoder has checked.

    Raises ``PduError`` with the status to answer with: ``ESME_RINVCMDID`` for an unknown command.
    """
    _, number, status, sequence = HEADER.unpack_from(frame)
    codec = _BY_ID.get(number)
    if codec is None:
        raise PduError(f"unknown command 0x{number:08x}", Status.ESME_RINVCMDID)
    return codec.decode(frame, status, sequence)


def kind_of(number: int) -> type[Pdu] | None:
    """The class of PDUs with this command_id, if it is known."""
    codec = _BY_ID.get(number)
    return None if codec is None else codec.kind
