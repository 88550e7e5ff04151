"""``/healthz`` and ``/metrics``: for load balancers, Prometheus and the person on call.

``/healthz`` is 200 when every process of the node is well and 503 when not, with the reasons in JSON.
"""

import time

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from louhua.config import current
from louhua.health import summary


@require_safe
@never_cache
def healthz(_request: HttpRequest) -> HttpResponse:
    """Whether this node is well, and each part of it."""
    node = current().node
    well, processes = summary(node.data, time.time())
    body = {"ok": well, "node": node.name, "processes": processes}
    return JsonResponse(body, status=200 if well else 503, json_dumps_params={"indent": 2})


@require_safe
@never_cache
def metrics(_request: HttpRequest) -> HttpResponse:
    """The figures of all processes of this node, in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
