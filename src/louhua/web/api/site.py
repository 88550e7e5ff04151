"""``/api/v1``: bearer tokens only, no cookies; what is accepted is stored in JetStream before the answer.

``POST /api/v1/reachable`` takes one report or a list: all of them are stored, or none.
"""

import math
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from django.http import HttpRequest, HttpResponse
from ninja import Body, NinjaAPI, Schema, Status
from ninja.errors import HttpError, ValidationError
from ninja.security import HttpBearer

from louhua.bus.nats import BusAway
from louhua.config import Config, current
from louhua.web.api.door import Door
from louhua.web.api.gate import Gate, Refused
from louhua.web.api.metrics import ITEMS, REQUESTS
from louhua.web.api.reports import IDS, Problem, Reports, events_of, in_words

log = structlog.get_logger()

_RETRY_AFTER_S: Final = 5


_KEY: Final = re.compile(IDS)
_KEY_HEADER: Final = {
    "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "pattern": IDS},
    "description": "the same for the same request, however often sent; for items without an id",
}  # fmt: skip


class _State:
    """What this process keeps for the configuration it runs with."""

    def __init__(self) -> None:
        self.door = Door()
        self._gate: tuple[Config, Gate] | None = None

    @property
    def gate(self) -> Gate:
        config = current()
        if self._gate is None or self._gate[0] is not config:
            self._gate = config, Gate(config.api.tokens, config.api.rate)
        return self._gate[1]


state = _State()


class Bearer(HttpBearer):
    """The token's name becomes ``request.auth``."""

    def __call__(self, request: HttpRequest) -> str:
        """Let the request in; raises ``Refused``."""
        return self.authenticate(request, request.headers.get("Authorization", ""))

    def authenticate(self, request: HttpRequest, token: str) -> str:
        """The name of the token in an Authorization header; raises ``Refused``."""
        return state.gate.enter(str(request.META.get("REMOTE_ADDR", "")), token, time.monotonic())


class Stored(Schema):
    """How many items are stored, and the ids of their events in the order of the request."""

    stored: int
    ids: list[str]


class Failure(Schema):
    """Nothing of the request was stored, and why."""

    detail: str
    problems: list[Problem]


api = NinjaAPI(
    title="Louhua", version="1", urls_namespace="api-1", docs_url=None, auth=Bearer(), openapi_url="/openapi.json"
)


class Unusable(Exception):
    """Items of a request cannot be used."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(len(problems))
        self.problems = problems


@api.post(
    "/reachable",
    response={202: Stored, 400: Failure, 401: Failure, 403: Failure, 413: Failure, 422: Failure, 429: Failure,
              503: Failure},
    summary="Phones are on",
    openapi_extra={"parameters": [_KEY_HEADER]},
)  # fmt: skip
async def reachable(
    request: HttpRequest,
    reports: Body[Reports],
) -> Status[Stored]:
    """Tell that phones are on; what waits for them is sent."""
    token = str(getattr(request, "auth", ""))
    key = request.headers.get("Idempotency-Key", "")
    if key and not _KEY.fullmatch(key):
        raise Unusable([Problem(index=-1, field="Idempotency-Key", problem=f"must match {IDS}")])
    events, problems = events_of(reports, token, key, current().service.country, datetime.now(UTC))
    if problems:
        raise Unusable(problems)
    await state.door.publish(events)
    REQUESTS.labels(token, 202).inc()
    ITEMS.labels(token).inc(len(events))
    log.info("api.reachable", token=token, address=request.META.get("REMOTE_ADDR"), items=len(events))
    return Status(202, Stored(stored=len(events), ids=[event.id for event in events]))


def _answer(
    request: HttpRequest, status: int, why: str, problems: Sequence[Problem] = (), retry_after: float = 0.0
) -> HttpResponse:
    token = str(getattr(request, "auth", "") or "")
    REQUESTS.labels(token, status).inc()
    log.warning("api.refused", status=status, why=why, token=token, address=request.META.get("REMOTE_ADDR"))
    response = api.create_response(request, Failure(detail=why, problems=list(problems)), status=status)
    if retry_after:
        response["Retry-After"] = str(math.ceil(retry_after))
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(Refused)
def _refused(request: HttpRequest, error: Refused) -> HttpResponse:
    return _answer(request, error.status, error.why, retry_after=error.retry_after)


@api.exception_handler(BusAway)
def _away(request: HttpRequest, error: BusAway) -> HttpResponse:
    log.warning("api.bus_away", error=str(error))
    return _answer(request, 503, "nothing was stored: try again later", retry_after=_RETRY_AFTER_S)


@api.exception_handler(Unusable)
def _unusable(request: HttpRequest, error: Unusable) -> HttpResponse:
    return _answer(request, 422, "nothing was stored", error.problems)


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return _answer(request, 422, "nothing was stored", in_words(error.errors))


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    return _answer(request, error.status_code, str(error))
