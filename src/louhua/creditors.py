"""The configuration of charging."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from louhua.durations import Duration
from louhua.section import Section

_PLAN_OR_NONE = r"^[a-z0-9_-]{0,40}$"


class Charging(Section):
    """Who pays what, who keeps prepaid money, and when files of charges are written."""

    plan: str = Field(default="standard", pattern=_PLAN_OR_NONE)
    """The plan of registered subscribers who have none of their own; empty: they pay nothing."""
    visitor_plan: str = Field(default="standard", pattern=_PLAN_OR_NONE)
    """The plan of everybody else."""
    keeper: Literal["here", "diameter"] = "here"
    """Who keeps the money of prepaid subscribers."""
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
