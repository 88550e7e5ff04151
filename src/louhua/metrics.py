"""Metrics that belong to no single capability. Each capability defines its own in its ``metrics.py``.

The processes of a node share their figures through files (Prometheus' multiprocess mode, switched on by the
node with ``PROMETHEUS_MULTIPROC_DIR``), so one address answers for all of them.
"""

from prometheus_client import Gauge

EVENT_LAG = Gauge(
    "louhua_event_lag_seconds",
    "How long the newest handled event had waited on the bus",
    ["subject"],
    multiprocess_mode="mostrecent",
)
