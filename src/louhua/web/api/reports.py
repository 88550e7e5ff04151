"""What other systems report: phones that are on. Reads and judges; knows no HTTP."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import uuid4

from ninja import Schema
from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field

from louhua.bus.events import PhoneReachable, Source
from louhua.numbers import canonical

MOST: Final = 1000
"""Items in one request."""
SKEW: Final = timedelta(minutes=1)
"""So far a clock elsewhere may be ahead of ours."""
IDS: Final = r"^[A-Za-z0-9._:-]{1,64}$"


class Report(Schema):
    """A phone is on."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(max_length=40, description="E.164 with or without plus, or as dialled in the own country")
    at: AwareDatetime | None = Field(default=None, description="when it was seen on; without it: now")
    id: str | None = Field(default=None, pattern=IDS, description="the same for the same news, however often sent")


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Reports = Annotated[
    list[Report],
    Field(min_length=1, max_length=MOST),
    BeforeValidator(_listed, json_schema_input_type=Report | list[Report]),
]
"""One, or a list."""


class Problem(Schema):
    """What is wrong with an item, counted from 0."""

    index: int
    field: str
    problem: str


def events_of(
    reports: Sequence[Report], token: str, key: str, country: str, now: datetime
) -> tuple[list[PhoneReachable], list[Problem]]:
    """The events of a request, and what is wrong with it; ``key`` is its Idempotency-Key or empty."""
    events: list[PhoneReachable] = []
    problems: list[Problem] = []
    for index, report in enumerate(reports):
        number = canonical(report.number, country)
        at = (report.at or now).astimezone(UTC)
        if not number:
            problems.append(Problem(index=index, field="number", problem="is not a telephone number"))
        elif at > now + SKEW:
            problems.append(Problem(index=index, field="at", problem="is in the future"))
        else:
            event_id = f"api:{token}:{_id_of(report, key, index, number)}"
            events.append(PhoneReachable(id=event_id, number=number, source=Source.API, at=min(at, now)))
    return events, problems


def _id_of(report: Report, key: str, index: int, number: str) -> str:
    """The same for what is the same: by its own id, by its place in the request, by number and time."""
    if report.id is not None:
        return report.id
    if key:
        return f"{key}#{index}"
    return f"{number}@{report.at.astimezone(UTC).isoformat()}" if report.at else uuid4().hex


def in_words(errors: Sequence[dict[str, Any]]) -> list[Problem]:
    """What pydantic found, as problems; ``-1`` is the request as a whole."""
    problems = []
    for error in errors:
        place = [part for part in error["loc"] if part not in ("body", "reports")]
        index = place[0] if place and isinstance(place[0], int) else -1
        field = ".".join(str(part) for part in place if not isinstance(part, int))
        problems.append(Problem(index=index, field=field, problem=str(error["msg"])))
    return problems
