"""Whether a request outside a dialogue is taken, by its headers alone (RFC 3261, section 8.2).

Refusals are data: a final response, headers that go with it, and the cause under which it is counted.
"""

import ipaddress
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from louhua.calls.addresses import split_list
from louhua.calls.wire import ALLOW, KNOWN, Request, header
from louhua.config import Trunk

SUPPORTED: Final = frozenset({"100rel"})
_RETRY_AFTER_S: Final = "5"


class Refusal(msgspec.Struct, frozen=True):
    """A final response instead of a call. ``cause`` is a word for the metrics."""

    code: int
    phrase: str
    cause: str
    headers: tuple[Any, ...] = ()


UNKNOWN_PEER: Final = Refusal(403, "Forbidden", "unknown-peer")
NO_SUCH_CALL: Final = Refusal(481, "Call Does Not Exist", "no-dialogue")
MERGED: Final = Refusal(482, "Loop Detected", "merged")
NO_CALLEE: Final = Refusal(404, "Not Found", "no-callee")
NO_SDP: Final = Refusal(
    415, "Unsupported Media Type", "body-type", (header("Accept", "application/sdp, multipart/mixed"),)
)
NOT_ACCEPTABLE: Final = Refusal(488, "Not Acceptable Here", "sdp")
BAD_REQUEST: Final = Refusal(400, "Bad Request", "malformed")
SERVER_ERROR: Final = Refusal(500, "Server Internal Error", "error")
TOO_MANY_HOPS: Final = Refusal(483, "Too Many Hops", "max-forwards")
_RETRY_AFTER: Final = (header("Retry-After", _RETRY_AFTER_S),)
FULL: Final = Refusal(503, "Service Unavailable", "full", _RETRY_AFTER)
DRAINING: Final = Refusal(503, "Service Unavailable", "draining", _RETRY_AFTER)
NO_MEDIA: Final = Refusal(503, "Service Unavailable", "no-media", _RETRY_AFTER)
NO_JOURNAL: Final = Refusal(503, "Service Unavailable", "no-journal", _RETRY_AFTER)
_NOT_ALLOWED: Final = Refusal(405, "Method Not Allowed", "method", (ALLOW,))
_NOT_IMPLEMENTED: Final = Refusal(501, "Not Implemented", "method", (ALLOW,))


class Peers:
    """Which trunk an address belongs to: the first whose networks hold it."""

    def __init__(self, trunks: Sequence[Trunk]) -> None:
        self._networks = [(ipaddress.ip_network(peer), trunk) for trunk in trunks for peer in trunk.peers]
        self._known: dict[str, Trunk | None] = {}

    def trunk_of(self, address: str) -> Trunk | None:
        """The trunk, or ``None`` for an address that may not call."""
        try:
            return self._known[address]
        except KeyError:
            if len(self._known) > 10_000:
                self._known.clear()
            return self._known.setdefault(address, self._find(address))

    def _find(self, address: str) -> Trunk | None:
        try:
            source = ipaddress.ip_address(address.strip("[]"))
        except ValueError:
            return None
        return next((trunk for network, trunk in self._networks if source in network), None)


def refused_method(method: str) -> Refusal:
    """The refusal of a method that we do not take outside a dialogue, or at all."""
    return _NOT_ALLOWED if method in KNOWN else _NOT_IMPLEMENTED


def refused_by_headers(request: Request) -> Refusal | None:
    """What in the headers of an INVITE stands against the call."""
    hops = [each.body.body for each in request.getHFs("max-forwards")][:1]
    if hops and not hops[0].strip().isdigit():
        return BAD_REQUEST
    if hops and int(hops[0]) == 0:
        return TOO_MANY_HOPS
    unsupported = sorted(tags_of(request, "require") - SUPPORTED)
    if unsupported:
        return Refusal(420, "Bad Extension", "extension", (header("Unsupported", ", ".join(unsupported)),))
    return None if _has_contact(request) else BAD_REQUEST


def _has_contact(request: Request) -> bool:
    """Whether the INVITE says where its dialogue goes on: one Contact (RFC 3261, section 8.1.1.8)."""
    try:
        contacts = request.getHFBodys("contact")
    except (ValueError, IndexError, AttributeError, TypeError):
        return False
    return len(contacts) == 1 and not contacts[0].asterisk and bool(contacts[0].getUrl().host)


def tags_of(request: Request, name: str) -> set[str]:
    """The option tags of a header, such as ``Supported``."""
    values = (str(each.body.body) for each in request.getHFs(name))
    return {tag.strip().lower() for value in values for tag in split_list(value) if tag.strip()}
