"""Addresses as SIP headers carry them: display name, URI and parameters, read leniently.

Real peers quote too much, leave brackets out and put ``tel:`` where ``sip:`` is usual (RFC 3261, section
20.10; RFC 3966). Nothing here raises on what a peer wrote: what cannot be read comes back empty.
"""

import re
from typing import Final
from urllib.parse import unquote

import msgspec
import phonenumbers

from louhua.numbers import canonical

_QUOTED: Final = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*')
_ESCAPED: Final = re.compile(r"\\(.)")
_ITEM: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<]|["<])+')
_MOST_MARKS: Final = 64
"""Quotes or brackets in a value that is worth taking apart: one that is never closed has the rest searched."""

_PARAMETER: Final = re.compile(r';\s*([^\s;=]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;]*))?')
_SCHEME: Final = re.compile(r"\s*(sips?|tel)\s*:", re.IGNORECASE)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address: ``"display" <scheme:user;user_params@host;uri_params?headers>;params``.

    Parameter and header names are lower case, values unquoted and without percent-encoding.
    """

    display: str = ""
    scheme: str = ""
    user: str = ""
    host: str = ""
    user_params: dict[str, str] = {}
    uri_params: dict[str, str] = {}
    headers: tuple[tuple[str, str], ...] = ()
    params: dict[str, str] = {}

    def number(self, country: str) -> str:
        """The canonical telephone number of the address, or empty.

        A ``phone-context`` that is a country code (RFC 3966, section 5.1.5) says how to read a national one.
        """
        context = self.user_params.get("phone-context") or self.uri_params.get("phone-context", "")
        if context.startswith("+") and not self.user.startswith("+"):
            return canonical(self.user, _country_of(context) or country)
        return canonical(self.user, country)


def split_list(value: str) -> list[str]:
    """The items of a header value separated by commas outside quotes and brackets."""
    if "," not in value or value.count('"') > _MOST_MARKS or value.count("<") > _MOST_MARKS:
        return [value]
    return [item.strip() for item in _ITEM.findall(value) if item.strip()]


def parse_parameters(text: str) -> dict[str, str]:
    """``;reason="USER-BUSY";counter=1`` as a mapping; the first of a repeated name counts."""
    found: dict[str, str] = {}
    for name, value in _PARAMETER.findall(text):
        found.setdefault(name.lower(), unquoted(value))
    return found


def unquoted(value: str) -> str:
    """A value without its quotes, if it has any."""
    value = value.strip()
    if len(value) >= 2 and value[0] == '"' == value[-1]:
        return _ESCAPED.sub(r"\1", value[1:-1])
    return value


def parse_address(text: str) -> Address:
    """Read a name-addr or an addr-spec (RFC 3261, section 25.1)."""
    display = ""
    if quoted := _QUOTED.match(text):
        display, text = _ESCAPED.sub(r"\1", quoted[1]), text[quoted.end() :]
    before, bracket, rest = text.partition("<")
    if not bracket:
        uri, semicolon, after = text.partition(";")
        if "@" in after and "@" not in uri:
            uri, semicolon, after = _split_after_host(text)
        return _with_uri(uri, display=display, params=parse_parameters(semicolon + after), bare=True)
    uri, _, after = rest.partition(">")
    return _with_uri(uri, display=display or before.strip(), params=parse_parameters(after))


def parse_uri(uri: str) -> Address:
    """Read a URI alone, as in a request line."""
    return _with_uri(uri)


def _split_after_host(text: str) -> tuple[str, str, str]:
    """A bare URI whose user part itself has parameters: cut after the host."""
    user, at, rest = text.partition("@")
    host, semicolon, after = rest.partition(";")
    return user + at + host, semicolon, after


def _with_uri(uri: str, *, display: str = "", params: dict[str, str] | None = None, bare: bool = False) -> Address:
    params = params or {}
    match = _SCHEME.match(uri)
    if match is None:
        return Address(display=display, params=params)
    scheme, rest = match[1].lower(), uri[match.end() :].strip()
    rest, _, query = rest.partition("?")
    if scheme == "tel":
        user, semicolon, tail = rest.partition(";")
        own = parse_parameters(semicolon + tail)
        return Address(
            display=display, scheme=scheme, user=unquote(user), headers=_embedded(query),
            user_params={**params, **own} if bare else own, params=params,
        )  # fmt: skip
    user, at, host = rest.rpartition("@")
    host, semicolon, tail = host.partition(";")
    name, user_semicolon, user_tail = unquote(user).partition(";")
    return Address(
        display=display, scheme=scheme, user=name.partition(":")[0] if at else "", host=host.lower(),
        user_params=parse_parameters(user_semicolon + user_tail),
        uri_params={name: unquote(value) for name, value in parse_parameters(semicolon + tail).items()},
        headers=_embedded(query), params=params,
    )  # fmt: skip


def _embedded(query: str) -> tuple[tuple[str, str], ...]:
    """The headers inside a URI (RFC 3261, section 19.1.1)."""
    if not query:
        return ()
    pairs = (part.partition("=") for part in query.split("&"))
    return tuple((unquote(name).strip().lower(), unquote(value)) for name, _, value in pairs)


def _country_of(context: str) -> str:
    """The country of a ``phone-context`` such as ``+86``; empty when it is not a country code."""
    digits = context[1:].replace("-", "")
    for length in (1, 2, 3):
        if digits[:length].isascii() and digits[:length].isdigit():
            region = phonenumbers.region_code_for_country_code(int(digits[:length]))
            if region not in {"ZZ", "001"}:
                return str(region)
    return ""
