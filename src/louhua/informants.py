"""The configuration of those who tell us of phones: SIP registrars, and systems that use the REST API."""

import ipaddress
from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from louhua.durations import Duration
from louhua.section import Address, Section, networks


class Registrar(Section):
    """A SIP registrar that tells who is registered (RFC 3680)."""

    name: str = Field(default="reg", pattern=r"^[A-Za-z0-9_-]{1,20}$")
    address: Address
    """Where SUBSCRIBE goes: an IPv4 address and a port."""
    listen: Address
    """Where NOTIFY comes to: an IPv4 address of this node that the registrar can reach."""
    peers: tuple[str, ...] = ()
    """Addresses or networks that NOTIFY may come from, besides that of ``address``."""
    uri: str = Field(pattern=r"^sips?:[^\s<>;?]*\{number\}[^\s<>?]*$", max_length=200)
    """Address of record, as ``sip:+{number}@ims.example``."""
    identity: str = Field(default="", pattern=r"^(sips?:[^\s<>;?]+)?$", max_length=200)
    """Who we are to the registrar, in From and P-Asserted-Identity; empty: ``sip:louhua@`` and our address."""
    expires: Duration = timedelta(minutes=10)
    """How long a subscription lasts; a registrar that forgot them is noticed as late as that."""
    rate: int = Field(default=50, ge=1, le=5000)
    """Requests a second."""

    @field_validator("address", "listen")
    @classmethod
    def _ipv4(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        try:
            if ipaddress.IPv4Address(host).is_unspecified or port == "0":
                raise ValueError
        except ValueError:
            raise ValueError(f"{value!r}: write an IPv4 address and a port, like 10.1.2.3:5060") from None
        return value

    @field_validator("peers")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return networks(value)

    @field_validator("name")
    @classmethod
    def _not_taken(cls, value: str) -> str:
        if value == "probe":
            raise ValueError("'probe' is the SMSC's; give the registrar another name")
        return value

    @field_validator("expires")
    @classmethod
    def _of_use(cls, value: timedelta) -> timedelta:
        if not timedelta(minutes=1) <= value <= timedelta(days=1):
            raise ValueError("write a length from 1m to 1d")
        return value


class Api(Section):
    """REST for other systems: ``/api/v1``."""

    tokens: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")],
        Annotated[str, Field(min_length=16, max_length=200)],
    ] = Field(default_factory=dict, repr=False)
    """Secrets by name; the name stands in logs and figures. Without any the API is off."""
    rate: float = Field(default=50, gt=0)
    """Requests a second, token and node; half a minute's may come at once."""

    @field_validator("tokens")
    @classmethod
    def _differ(cls, value: dict[str, str]) -> dict[str, str]:
        if len(set(value.values())) != len(value):
            raise ValueError("two tokens are the same; give each its own")
        if not all(secret.isascii() and secret.isprintable() and " " not in secret for secret in value.values()):
            raise ValueError("write tokens in letters, digits and signs of ASCII, without spaces")
        return value
