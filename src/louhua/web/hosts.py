"""Under which names and addresses a browser or a monitor may call this node.

Anything else in a Host header is refused: a page elsewhere could otherwise make a browser inside the network
read this one under a name of its own (DNS rebinding). Addresses cannot be forged so.
"""

import socket

import psutil

from louhua.config import Web, split_address


def allowed_hosts(web: Web) -> list[str]:
    """The configured names, and the addresses on which this node listens."""
    host, _ = split_address(web.listen)
    if host not in ("0.0.0.0", "[::]"):  # compared, not bound
        return [*web.hosts, host]
    interfaces = psutil.net_if_addrs().values()
    return [*web.hosts, *(card.address for cards in interfaces for card in cards if card.family == socket.AF_INET)]
