"""What tables of the configuration are made of."""

import ipaddress
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _address(value: Any) -> Any:
    """Check ``host:port``."""
    host, colon, port = str(value).rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError(f"{value!r} is not an address; write it like 127.0.0.1:5060")
    return value


PLAN_NAME: Final = r"^[a-z0-9_-]{1,40}$"
"""What plans are called: people write their names in files whose cases nobody minds."""

Address = Annotated[str, BeforeValidator(_address)]


class Section(BaseModel):
    """A table of the file: unknown keys are refused, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def networks(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check addresses and networks of peers."""
    for peer in value:
        try:
            ipaddress.ip_network(peer)
        except ValueError as error:
            raise ValueError(f"{error}; write a network like 10.1.2.0/24 or an address") from None
    return value
