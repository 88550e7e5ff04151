"""The configuration of charging: who pays what, and who keeps the money of prepaid subscribers."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from louhua.durations import Duration
from louhua.section import Address, Section

_PLAN_OR_NONE: Final = r"^[a-z0-9_-]{0,40}$"

SERVICE_IDENTIFIERS: Final[Mapping[str, int]] = {
    "missed": 1,
    "teaser": 2,
    "call_back": 3,
    "call_other": 4,
    "power_on": 5,
    "detail": 6,
    "message": 7,
    "digest": 8,
    "voice_text": 9,
    "operator_minute": 10,
    "rental": 11,
}
"""What can be charged, and its Service-Identifier where the operator gave it no other."""

_IDENTITY: Final = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$"
_UNSIGNED_32: Final = 2**32 - 1
_LONGEST_TIMEOUT: Final = timedelta(seconds=20)
"""Whatever is asked in a batch has to be over within a minute, or somebody else asks the same."""


class Diameter(Section):
    """An online charging system and how we speak Diameter Credit-Control to it (RFC 8506)."""

    peers: tuple[Address, ...] = Field(min_length=1, max_length=8)
    """Where connections go to: the first that is up is used."""
    origin_host: str = Field(pattern=_IDENTITY)
    """Who we are: another on each node."""
    origin_realm: str = Field(pattern=_IDENTITY)
    """Our realm: the same on each node, as sessions are named after it."""
    destination_realm: str = Field(pattern=_IDENTITY)
    destination_host: str = Field(default="", pattern=rf"^$|{_IDENTITY}")
    """Which server of the realm; empty: the peers choose."""
    service_context: str = Field(default="32274@3gpp.org", min_length=1, max_length=200)
    currency: int = Field(default=156, ge=1, le=999)
    """ISO 4217, numeric."""
    timeout: Duration = timedelta(seconds=3)
    """How long an answer is waited for."""
    window: int = Field(default=200, ge=1, le=10000)
    """Requests without answer."""
    rating_group: int = Field(default=0, ge=0, le=_UNSIGNED_32)
    """0: none is sent."""
    items: dict[str, Annotated[int, Field(ge=0, le=_UNSIGNED_32)]] = Field(default_factory=dict)
    """Service-Identifier of items, where it is not that of ``SERVICE_IDENTIFIERS``."""

    @property
    def service_identifiers(self) -> Mapping[str, int]:
        """Service-Identifier by item."""
        return {**SERVICE_IDENTIFIERS, **self.items}

    @field_validator("peers")
    @classmethod
    def _differ(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) != len(set(value)):
            raise ValueError("a peer is named twice; once is enough")
        if any(peer.endswith(":0") for peer in value):
            raise ValueError("no peer listens on port 0; write it like 10.1.2.3:3868")
        return value

    @field_validator("timeout")
    @classmethod
    def _of_use(cls, value: timedelta) -> timedelta:
        if not timedelta(milliseconds=100) <= value <= _LONGEST_TIMEOUT:
            raise ValueError("write a length from 100ms to 20s: texts wait for the answer")
        return value

    @field_validator("items")
    @classmethod
    def _known(cls, value: dict[str, int]) -> dict[str, int]:
        for item in value:
            if item not in SERVICE_IDENTIFIERS:
                raise ValueError(f"{item}: there is no such item; the items are {', '.join(SERVICE_IDENTIFIERS)}")
        return value


class Charging(Section):
    """Who pays what, who keeps prepaid money, and when files of charges are written."""

    plan: str = Field(default="standard", pattern=_PLAN_OR_NONE)
    """The plan of registered subscribers who have none of their own; empty: they pay nothing."""
    visitor_plan: str = Field(default="standard", pattern=_PLAN_OR_NONE)
    """The plan of everybody else."""
    keeper: Literal["here", "diameter"] = "here"
    """Who keeps the money of prepaid subscribers."""
    diameter: Diameter | None = None
    """How the keeper ``diameter`` is spoken to."""
    refused: Literal["free", "hold", "drop"] = "hold"
    """What becomes of a text whose payer has not enough: sent free, tried again later, or not at all."""
    away: Literal["free", "hold"] = "free"
    """What becomes of a text while whoever keeps the money does not answer."""
    partial_rental: bool = True
    """Whether a balance that is smaller than a rental is taken as a part of it."""
    grace: Duration = timedelta(days=7)
    """How long somebody who owes a rental is served."""
    cdr_every: Duration = timedelta(minutes=15)
    """How often a file of charges is written where there are any; 0 is only by command."""
    cdr_directory: Path = Path("cdr")
    """Where these files go; a relative path is below ``node.data``."""

    @field_validator("grace")
    @classmethod
    def _whole_days(cls, value: timedelta) -> timedelta:
        if value % timedelta(days=1):
            raise ValueError("grace is in whole days; write it like 7d")
        return value

    @model_validator(mode="after")
    def _keeper_is_known(self) -> Self:
        if self.keeper == "diameter" and self.diameter is None:
            raise ValueError('keeper = "diameter" needs [charging.diameter]; docs/configuration.md has it')
        return self
