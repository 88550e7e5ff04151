"""Texts as short messages carry them: alphabets, segmentation, and putting parts together again.

The alphabets are those of 3GPP TS 23.038: the GSM 7-bit default alphabet with its extension table (one octet
a septet, unpacked, as SMPP carries it) and UCS-2, which phones read as UTF-16. Concatenation is by user data
header (3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.8). Everything here is pure.
"""

import re
from typing import Final

import msgspec

GSM_7BIT: Final = 0x00
"""data_coding of the SMSC's default alphabet (SMPP 3.4, section 5.2.19)."""
LATIN_1: Final = 0x03
UCS2: Final = 0x08

UDH_INDICATOR: Final = 0x40
"""Bit of esm_class: the payload begins with a user data header (SMPP 3.4, section 5.2.12)."""
MOST_PARTS: Final = 255

_ESCAPE: Final = "\x1b"
_BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\",
    0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip

_TO_GSM: Final[dict[int, str]] = {ord(char): chr(code) for code, char in enumerate(_BASIC) if char != _ESCAPE} | {
    ord(char): _ESCAPE + chr(code) for code, char in _EXTENSION.items()
}
_FROM_GSM: Final[dict[int, str]] = dict(enumerate(_BASIC)) | dict.fromkeys(range(0x80, 0x100), "�")
_NOT_GSM: Final = re.compile(f"[^{re.escape(''.join(map(chr, _TO_GSM)))}]")
_ESCAPED: Final = re.compile(r"\x1b([^\x1b]?)|([^\x1b]+)")


class TextTooLong(ValueError):
    """The text needs more than 255 parts, the most that a concatenation header can number."""


class Segment(msgspec.Struct, frozen=True, gc=False):
    """One short message of a text: what goes into data_coding, esm_class and short_message."""

    data_coding: int
    esm_class: int
    payload: bytes


class _Form(msgspec.Struct, frozen=True):
    """How much fits: units are septets or UTF-16 code units of ``width`` octets."""

    data_coding: int
    width: int
    alone: int
    in_part: int


_GSM_FORM: Final = _Form(GSM_7BIT, 1, 160, 153)
_UCS2_FORM: Final = _Form(UCS2, 2, 70, 67)


def is_gsm(text: str) -> bool:
    """Whether the GSM default alphabet and its extension hold every character."""
    return _NOT_GSM.search(text) is None


def encode_gsm(text: str) -> bytes:
    """The text in the GSM alphabet, one octet a septet; raises ``ValueError`` if a character is missing."""
    unknown = _NOT_GSM.search(text)
    if unknown is not None:
        raise ValueError(f"{unknown.group()!r} is not in the GSM alphabet")
    return text.translate(_TO_GSM).encode("latin-1")


def decode_gsm(septets: bytes) -> str:
    """Read unpacked septets.

    An unknown extension code shows the character of the basic table (3GPP TS 23.038, 6.2.1.1); an escape
    that escapes nothing is a space; octets above 0x7F become U+FFFD.
    """
    text = septets.decode("latin-1")
    if _ESCAPE not in text:
        return text.translate(_FROM_GSM)
    return _ESCAPED.sub(_unescape, text)


def _unescape(match: re.Match[str]) -> str:
    escaped, plain = match.groups()
    if plain:
        return str(plain).translate(_FROM_GSM)
    if not escaped:
        return " "
    return _EXTENSION.get(ord(escaped)) or _FROM_GSM[ord(escaped)]


_CODECS: Final = {
    0x01: "ascii", 0x02: "latin-1", 0x03: "latin-1", 0x04: "latin-1", 0x05: "shift_jis", 0x06: "iso8859-5",
    0x07: "iso8859-8", 0x08: "utf-16-be", 0x0D: "euc_jp", 0x0E: "euc_kr",
}  # fmt: skip
_CODING_GROUPS: Final = {0x10: (GSM_7BIT, LATIN_1, UCS2), 0xF0: (GSM_7BIT, LATIN_1, GSM_7BIT)}


def decode_text(data_coding: int, payload: bytes) -> str:
    """Read a payload (without its user data header); what cannot be read becomes U+FFFD.

    Values of SMPP 3.4, section 5.2.19, and the message classes of 3GPP TS 23.038, section 4, which
    gateways pass through (0x18 is a flash message in UCS-2).
    """
    group = _CODING_GROUPS.get(data_coding & 0xF0)
    if group is not None:
        data_coding = group[min(data_coding >> 2 & 0x03, 2)]
    codec = _CODECS.get(data_coding)
    return decode_gsm(payload) if codec is None else payload.decode(codec, "replace")


def segment(text: str, reference: int, *, room: int = 0) -> list[Segment]:
    """Cut a text into short messages, in the GSM alphabet when it holds the text and in UCS-2 when not.

    ``reference`` (taken modulo 256) tells the parts of one text from those of another. ``room`` septets or
    UTF-16 units stay free in the last part, for gateways that append a signature. No part begins or ends
    within a surrogate pair or an escape sequence. Raises ``TextTooLong``.
    """
    unknown = _NOT_GSM.search(text)
    if unknown is None:
        form, data = _GSM_FORM, text.translate(_TO_GSM).encode("latin-1")
    else:
        form, data = _UCS2_FORM, text.encode("utf-16-be", "replace")
    if not 0 <= room <= form.in_part - 2:
        raise ValueError(f"room is {room}; it can be 0 to {form.in_part - 2} here")
    if len(data) <= (form.alone - room) * form.width:
        return [Segment(form.data_coding, 0, data)]
    return _with_headers(_cut(data, form, room), form.data_coding, reference & 0xFF)


def _with_headers(parts: list[bytes], data_coding: int, reference: int) -> list[Segment]:
    """Concatenation with an 8-bit reference (3GPP TS 23.040, 9.2.3.24.1)."""
    total = len(parts)
    if total > MOST_PARTS:
        raise TextTooLong(f"the text needs {total} parts; {MOST_PARTS} are possible")
    return [
        Segment(data_coding, UDH_INDICATOR, bytes((5, 0, 3, reference, total, number)) + part)
        for number, part in enumerate(parts, 1)
    ]


def _cut(data: bytes, form: _Form, room: int) -> list[bytes]:
    """Full parts, then a last one with ``room`` to spare."""
    full, last = form.in_part * form.width, (form.in_part - room) * form.width
    parts: list[bytes] = []
    start, end = 0, len(data)
    while end - start > last:
        left = end - start
        # A part that would be last but for the room leaves as much over as the next one can hold.
        size = full if left > full else max(left - last, min(last, left - form.width))
        stop = _boundary(data, start, start + size, form)
        parts.append(data[start:stop])
        start = stop
    parts.append(data[start:])
    return parts


def _boundary(data: bytes, start: int, stop: int, form: _Form) -> int:
    """``stop``, or one unit earlier (later at the very start) where it would split a character."""
    last_unit = data[stop - form.width]
    if not (0xD8 <= last_unit <= 0xDB if form.data_coding == UCS2 else last_unit == 0x1B):
        return stop
    return stop - form.width if stop - form.width > start else stop + form.width


class Concatenation(msgspec.Struct, frozen=True, gc=False):
    """Which part of which text a short message is: ``number`` counts from 1 to ``total``."""

    reference: int
    total: int
    number: int


def split_header(payload: bytes) -> tuple[Concatenation | None, bytes]:
    """Take the user data header off a payload whose esm_class announces one.

    Understands 8-bit and 16-bit references (3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.8). A header that
    overruns the payload, or parts numbered impossibly, count as no concatenation.
    """
    if not payload or len(payload) < payload[0] + 1:
        return None, payload
    header, body = payload[1 : payload[0] + 1], payload[payload[0] + 1 :]
    found = None
    while len(header) >= 2:
        kind, value, header = header[0], header[2 : 2 + header[1]], header[2 + header[1] :]
        if kind == 0x00 and len(value) == 3:
            found = concatenation(value[0], value[1], value[2])
        elif kind == 0x08 and len(value) == 4:
            found = concatenation(value[0] << 8 | value[1], value[2], value[3])
    return found, body


def concatenation(reference: int, total: int, number: int) -> Concatenation | None:
    """The three figures as a ``Concatenation`` when they can be one of a text with several parts."""
    return Concatenation(reference, total, number) if total > 1 and 1 <= number <= total else None


class _Open(msgspec.Struct):
    """A text of which parts are missing."""

    first_at: float
    data_coding: int
    parts: dict[int, bytes]

    def text(self) -> str:
        """What has come so far, in order."""
        return decode_text(self.data_coding, b"".join(part for _, part in sorted(self.parts.items())))


_Key = tuple[str, str, int, int]


class Reassembler:
    """Puts parts together that come in any order, perhaps twice.

    ``limit`` texts are kept open at most; the oldest gives way.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._open: dict[_Key, _Open] = {}

    def add(
        self, sender: str, recipient: str, part: Concatenation, data_coding: int, body: bytes, now: float
    ) -> str | None:
        """Take a part (header removed); return the text when it is complete. ``now`` is in seconds."""
        key = (sender, recipient, part.reference, part.total)
        text = self._open.get(key)
        if text is None:
            if len(self._open) >= self._limit:
                del self._open[next(iter(self._open))]
            text = self._open[key] = _Open(now, data_coding, {})
        text.parts[part.number] = body
        if len(text.parts) < part.total:
            return None
        del self._open[key]
        return text.text()

    def expire(self, before: float) -> list[tuple[str, str, str]]:
        """Give up texts whose first part came earlier than ``before``: (sender, recipient, what came)."""
        old = [key for key, text in self._open.items() if text.first_at < before]
        return [(key[0], key[1], self._open.pop(key).text()) for key in old]
