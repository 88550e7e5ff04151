"""Figures of the watches."""

from prometheus_client import Counter, Gauge

WATCHES = Gauge("louhua_watches", "Phones we wait for, about", multiprocess_mode="mostrecent")
PROBES = Counter("louhua_probes_total", "Probes by what they said", ["verdict"])
