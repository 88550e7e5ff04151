"""Who may be named in a Host header."""

import pytest

from louhua.config import Web
from louhua.web.hosts import allowed_hosts


@pytest.mark.parametrize(
    ("listen", "host", "allowed"),
    [
        ("10.0.0.5:8000", "10.0.0.5", True),
        ("10.0.0.5:8000", "localhost", True),
        ("10.0.0.5:8000", "louhua.example", True),
        ("10.0.0.5:8000", "10.0.0.6", False),
        ("0.0.0.0:8000", "127.0.0.1", True),
        ("0.0.0.0:8000", "0.0.0.0", False),
        ("0.0.0.0:8000", "evil.example", False),
    ],
)
def test_names_that_were_configured_and_own_addresses(listen: str, host: str, allowed: bool) -> None:
    hosts = allowed_hosts(Web(listen=listen, hosts=("localhost", "louhua.example")))
    assert (host in hosts) is allowed
