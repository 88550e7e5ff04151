"""Keys that arrive in a SIP INFO (``application/dtmf-relay`` and ``application/dtmf``), and which to believe.

Some gateways send a key both as RTP and as INFO: the way in which a call's first key came is believed for the
rest of that call, so that no key counts twice.
"""

import re
from typing import Final

KEYS: Final = frozenset("0123456789*#")
_RELAY: Final = re.compile(r"^\s*signal\s*=\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_BY_EVENT: Final = {"10": "*", "11": "#"}
"""Some write the event number of RFC 4733 instead of the key."""

TYPES: Final = frozenset({"application/dtmf-relay", "application/dtmf"})


def key_of(content_type: str, body: str) -> str | None:
    """The key in the body of an INFO, or ``None`` when it holds none that a dialogue knows."""
    if content_type == "application/dtmf-relay":
        match = _RELAY.search(body)
        text = match[1] if match else ""
    else:
        text = body.strip()
    text = _BY_EVENT.get(text, text[:1])
    return text if text in KEYS else None
