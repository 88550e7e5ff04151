"""Figures of the conversation with the online charging system."""

from prometheus_client import Counter, Gauge

REQUESTS = Counter(
    "louhua_diameter_requests_total",
    "Credit-control requests by kind, and the Result-Code or why none came",
    ["kind", "result"],
)
PEER_UP = Gauge("louhua_diameter_peer_up", "Open connections", ["peer"], multiprocess_mode="livesum")
STRAY = Counter("louhua_diameter_stray_answers_total", "Answers that nobody waited for any longer", ["peer"])
UNKNOWN_SESSIONS = Counter(
    "louhua_diameter_unknown_sessions_total",
    "Charged texts whose reservation the charging system did not know: debited, refused, or unclear whether it was"
    " settled before",
    ["outcome"],
)
HANGS = Gauge(
    "louhua_diameter_hangs",
    "1 while requests are held back, as none is answered",
    multiprocess_mode="livemax",
)
