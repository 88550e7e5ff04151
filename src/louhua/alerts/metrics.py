"""Figures of calls and alerts."""

from prometheus_client import Counter, Gauge

CALLS_RECORDED = Counter(
    "louhua_calls_recorded_total", "Forwarded calls recorded, once each", ["reason", "choice"]
)
ALERTS_OPEN = Gauge(
    "louhua_alerts_open", "Alerts on their way, by state", ["kind", "state"], multiprocess_mode="mostrecent"
)
ALERTS = Counter("louhua_alerts_total", "Alerts by what happened to them", ["kind", "happened"])
