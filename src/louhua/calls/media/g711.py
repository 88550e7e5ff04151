"""G.711: A-law and µ-law octets, from one to the other and against linear samples, by tables.

Both laws are computed from their definition (ITU-T G.711, tables 1a and 2a) when this module is loaded;
converting a frame is then one ``bytes.translate``.
"""

from typing import Final

import numpy as np

PCMU: Final = 0
PCMA: Final = 8
"""Static RTP payload types (RFC 3551, table 4)."""

ALAW_SILENCE: Final = 0xD5
ULAW_SILENCE: Final = 0xFF

_ULAW_BIAS: Final = 0x84


def _alaw_sample(code: int) -> int:
    """The 16-bit sample that an A-law octet stands for (G.711 table 1a; even bits are inverted)."""
    code ^= 0x55
    segment, mantissa = (code >> 4) & 7, code & 15
    size = (mantissa << 4) + 8 if segment == 0 else ((mantissa << 4) + 0x108) << (segment - 1)
    return size if code & 0x80 else -size


def _ulaw_sample(code: int) -> int:
    """The 16-bit sample that a µ-law octet stands for (G.711 table 2a; all bits are inverted)."""
    code ^= 0xFF
    size = ((((code & 15) << 3) + _ULAW_BIAS) << ((code >> 4) & 7)) - _ULAW_BIAS
    return -size if code & 0x80 else size


ALAW_SAMPLES: Final = tuple(_alaw_sample(code) for code in range(256))
ULAW_SAMPLES: Final = tuple(_ulaw_sample(code) for code in range(256))


def _nearest(samples: tuple[int, ...], others: tuple[int, ...]) -> bytes:
    """For each octet of one law the octet of the other whose sample is nearest, on the same side of zero."""
    codes = np.arange(256)
    distances = np.abs(np.subtract.outer(samples, others))
    distances[np.not_equal.outer(codes & 0x80, codes & 0x80)] = 1 << 16
    return bytes(distances.argmin(axis=1).tolist())


ALAW_TO_ULAW: Final = _nearest(ALAW_SAMPLES, ULAW_SAMPLES)
ULAW_TO_ALAW: Final = _nearest(ULAW_SAMPLES, ALAW_SAMPLES)

SILENCE: Final = {PCMA: ALAW_SILENCE, PCMU: ULAW_SILENCE}
"""The octet of silence by payload type."""


def to_alaw(payload_type: int, octets: bytes) -> bytes:
    """Octets in the law of ``payload_type`` as A-law."""
    return octets if payload_type == PCMA else octets.translate(ULAW_TO_ALAW)
