"""Figures of the housekeeping."""

from prometheus_client import Counter

PURGED = Counter("louhua_purged_total", "Old records removed; of calls, the days", ["kind"])
