"""Keys in SIP INFO."""

import pytest

from louhua.calls.keys import key_of


@pytest.mark.parametrize(
    ("content_type", "body", "key"),
    [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", "Signal= #\r\nDuration= 160", "#"),
        ("application/dtmf-relay", "signal=*", "*"),
        ("application/dtmf-relay", "Duration=160\r\nSignal=10", "*"),
        ("application/dtmf-relay", "Signal=11", "#"),
        ("application/dtmf-relay", "Signal=A", None),
        ("application/dtmf-relay", "", None),
        ("application/dtmf", "7\r\n", "7"),
        ("application/dtmf", " # ", "#"),
        ("application/dtmf", "!", None),
        ("application/dtmf", "", None),
    ],
)
def test_key(content_type: str, body: str, key: str | None) -> None:
    assert key_of(content_type, body) == key
