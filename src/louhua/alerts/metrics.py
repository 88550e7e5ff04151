"""Figures of calls and alerts."""

from prometheus_client import Counter

CALLS_RECORDED = Counter(
    "louhua_calls_recorded_total", "Forwarded calls recorded, once each", ["reason", "choice"]
)
ALERTS = Counter("louhua_alerts_total", "Alerts by what happened to them", ["kind", "happened"])
