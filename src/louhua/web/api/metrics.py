"""Figures of the API."""

from prometheus_client import Counter

REQUESTS = Counter("louhua_api_requests_total", "Requests to the API", ["token", "status"])
ITEMS = Counter("louhua_api_items_total", "Items that were stored", ["token"])
