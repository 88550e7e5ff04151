"""Who was called, why the call came here, and who calls: decided from the headers of an INVITE.

The callee's number stands in the first source of the trunk's precedence that holds one which is not our own
(design: *A call*): Diversion (RFC 5806), History-Info (RFC 7044, with causes of RFC 4458), P-Called-Party-ID
(RFC 7315), To, Request-URI. The caller is the first P-Asserted-Identity with a telephone number (RFC 3325),
else Remote-Party-ID, else From; somebody who wants to stay unknown (RFC 3323) has no number here at all.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
import phonenumbers

from louhua.bus.events import Reason
from louhua.calls.addresses import Address, parse_address, parse_parameters, parse_uri, split_list
from louhua.config import NumberSource, Service, Trunk
from louhua.numbers import canonical

Header = tuple[str, str]
"""Name in lower case and long form, and value."""


class Parties(msgspec.Struct, frozen=True, kw_only=True):
    """Who, whom and why. Numbers are canonical.

    ``callee`` is empty when no source names one; ``source`` says where it was found. ``caller`` is empty when
    withheld or unknown.
    """

    caller: str = ""
    withheld: bool = False
    callee: str = ""
    reason: Reason = Reason.UNKNOWN
    source: NumberSource | None = None


_DIVERSION_REASONS: Final = {
    "unavailable": Reason.UNREACHABLE,
    "no-answer": Reason.NO_ANSWER,
    "user-busy": Reason.BUSY,
    "unconditional": Reason.UNCONDITIONAL,
    "deflection": Reason.DEFLECTION,
}
"""Reasons of RFC 5806, section 4.1; those left out say nothing that a treatment depends on."""

_CAUSES: Final = {
    503: Reason.UNREACHABLE,
    404: Reason.UNREACHABLE,
    408: Reason.NO_ANSWER,
    486: Reason.BUSY,
    302: Reason.UNCONDITIONAL,
    480: Reason.DEFLECTION,
    487: Reason.DEFLECTION,
}
"""Causes of RFC 4458. 404 is "unknown", which border controllers also make of Diversion's ``unavailable``."""

_LONGEST_VALUE: Final = 4096
"""No network writes more into one header; what is longer is not worth the time to read it."""

_PRIVATE: Final = frozenset({"id", "user", "header"})
_PRIVATE_NAMES: Final = frozenset(
    {"anonymous", "restricted", "unavailable", "private", "withheld", "unknown", "id hidden"}
)

_Finding = tuple[str, Reason]


def own_numbers(service: Service) -> frozenset[str]:
    """The service's own numbers in the forms in which networks write them."""
    code = str(phonenumbers.country_code_for_region(service.country))
    forms = {""}
    for number in (service.access_number, service.enquiry_number):
        forms |= {number, canonical(number, service.country), code + number, code + number.lstrip("0")}
    return frozenset(forms)


def find_parties(
    headers: Sequence[Header], request_uri: str, trunk: Trunk, *, own: frozenset[str], country: str
) -> Parties:
    """Decide who was called, why, and who calls.

    ``own`` are our own numbers and the empty string (``own_numbers``): a call that was diverted by one of
    them went in a circle, so the next entry or source is asked. Never raises, whatever the headers hold.
    """
    by_name: dict[str, list[str]] = {}
    for name, value in headers:
        if len(value) <= _LONGEST_VALUE:
            by_name.setdefault(name, []).append(value)
    request = _Request(by_name, request_uri, trunk, own, country)
    callee, reason, source = _callee(request)
    caller, withheld = _caller(by_name, country)
    return Parties(
        caller="" if withheld else caller, withheld=withheld, callee=callee, reason=reason, source=source
    )


class _Request:
    """The headers of one INVITE by name, and what it takes to judge them."""

    def __init__(
        self, headers: dict[str, list[str]], uri: str, trunk: Trunk, own: frozenset[str], country: str
    ) -> None:
        self.headers = headers
        self.uri = uri
        self.trunk = trunk
        self.own = own
        self.country = country

    def addresses(self, name: str) -> list[Address]:
        """Every address of the headers with this name, topmost first."""
        return _addresses(self.headers, name)

    def foreign(self, address: Address) -> str:
        """The number of an address, or empty if it is ours."""
        number = address.number(self.country)
        return "" if number in self.own else number


def _addresses(headers: dict[str, list[str]], name: str) -> list[Address]:
    return [parse_address(item) for value in headers.get(name, ()) for item in split_list(value)]


def _callee(request: _Request) -> tuple[str, Reason, NumberSource | None]:
    """The first number found; a reason it lacks is taken from a later source that names the same number."""
    callee, source = "", None
    for name in request.trunk.called_from:
        for number, reason in _SOURCES[name](request):
            if not callee:
                callee, source = number, name
            if number == callee and reason is not Reason.UNKNOWN:
                return callee, reason, source
    return callee, Reason.UNKNOWN, source


def _from_diversion(request: _Request) -> Iterator[_Finding]:
    entries = request.addresses("diversion") or request.addresses("cc-diversion")
    if request.trunk.diversion == "last":
        entries.reverse()
    for entry in entries:
        if number := request.foreign(entry):
            word = entry.params.get("reason", "").strip().lower()
            yield number, _DIVERSION_REASONS.get(word, Reason.UNKNOWN)
            return


def _from_history(request: _Request) -> Iterator[_Finding]:
    """The last but one entry forwarded to the last, which is us; entries of our own are passed over."""
    entries = request.addresses("history-info")
    for here in range(len(entries) - 2, -1, -1):
        if number := request.foreign(entries[here]):
            yield number, _history_reason(entries[here], entries[here + 1])
            return


def _history_reason(entry: Address, target: Address) -> Reason:
    """The cause of a forwarding: in the new target's URI (RFC 4458), or in a Reason of either entry."""
    causes = (
        *_uri_cause(target),
        *_reason_causes(value for name, value in entry.headers if name == "reason"),
        *_reason_causes(value for name, value in target.headers if name == "reason"),
        *_uri_cause(entry),
    )
    known = [_CAUSES[cause] for cause in causes if cause in _CAUSES]
    exact = [_CAUSES[cause] for cause in causes if cause in _CAUSES and cause != 404]
    return (exact or known or [Reason.UNKNOWN])[0]


def _uri_cause(address: Address) -> list[int]:
    return _number(address.uri_params.get("cause") or address.params.get("cause", ""))


def _reason_causes(values: Iterable[str]) -> list[int]:
    """The SIP causes of Reason headers (RFC 3326); Q.850 causes do not say why a call was forwarded."""
    causes: list[int] = []
    for value in values:
        for item in split_list(value):
            protocol, semicolon, rest = item.partition(";")
            if protocol.strip().lower() == "sip":
                causes += _number(parse_parameters(semicolon + rest).get("cause", ""))
    return causes


def _number(text: str) -> list[int]:
    text = text.strip()
    return [int(text)] if text.isascii() and text.isdigit() and len(text) <= 3 else []


def _from_called_party(request: _Request) -> Iterator[_Finding]:
    for address in request.addresses("p-called-party-id"):
        if number := request.foreign(address):
            yield number, Reason.UNKNOWN
            return


def _from_to(request: _Request) -> Iterator[_Finding]:
    for address in request.addresses("to"):
        yield from _prefixed(request, address)


def _from_request_uri(request: _Request) -> Iterator[_Finding]:
    """The number behind the prefix, or in ``target`` (RFC 4458), with the cause beside it."""
    address = parse_uri(request.uri)
    causes = [_CAUSES[cause] for cause in _uri_cause(address) if cause in _CAUSES]
    reason = (causes or [Reason.UNKNOWN])[0]
    if number := request.foreign(parse_uri(address.uri_params.get("target", ""))):
        yield number, reason
    for number, _ in _prefixed(request, address):
        yield number, reason


def _prefixed(request: _Request, address: Address) -> Iterator[_Finding]:
    prefix = request.trunk.called_prefix
    if prefix and address.user.startswith(prefix):
        address = msgspec.structs.replace(address, user=address.user[len(prefix) :])
    if number := request.foreign(address):
        yield number, Reason.UNKNOWN


_SOURCES: Final[dict[NumberSource, Callable[[_Request], Iterator[_Finding]]]] = {
    "diversion": _from_diversion,
    "history-info": _from_history,
    "p-called-party-id": _from_called_party,
    "to": _from_to,
    "request-uri": _from_request_uri,
}


def _caller(headers: dict[str, list[str]], country: str) -> tuple[str, bool]:
    """The caller's number, and whether it is withheld: the most restrictive indication counts."""
    asserted = _addresses(headers, "p-asserted-identity")
    remote = [
        address
        for address in _addresses(headers, "remote-party-id")
        if address.params.get("party", "calling").lower() == "calling"
    ]
    sender = _addresses(headers, "from")[:1]
    withheld = (
        _privacy_asked(headers)
        or any(address.params.get("privacy", "").lower() in {"full", "uri"} for address in remote)
        or any(_hides(address) for address in (*asserted, *remote, *sender))
    )
    numbers = (address.number(country) for address in (*asserted, *remote, *sender))
    return next((number for number in numbers if number), ""), withheld


def _privacy_asked(headers: dict[str, list[str]]) -> bool:
    """Whether Privacy (RFC 3323, section 4.2) asks to hide who calls."""
    values = (token for value in headers.get("privacy", ()) for token in value.replace(",", ";").split(";"))
    return not _PRIVATE.isdisjoint(token.strip().lower() for token in values)


def _hides(address: Address) -> bool:
    """Whether an address is an anonymous one (RFC 3323, section 4.1.1.3), or its display name says so."""
    return (
        address.display.strip().lower() in _PRIVATE_NAMES
        or address.user.lower() in _PRIVATE_NAMES
        or address.host.partition(":")[0] == "anonymous.invalid"
    )
