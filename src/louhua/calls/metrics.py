"""Figures of the call role."""

from prometheus_client import Counter, Gauge

CALLS = Counter("louhua_calls", "Forwarded calls that are over", ["trunk", "treatment", "outcome", "choice"])
REFUSED = Counter("louhua_sip_refused", "SIP requests that were refused", ["cause"])
LIVE = Gauge("louhua_calls_live", "Calls at this moment", multiprocess_mode="livesum")
UNREADABLE = Counter("louhua_sip_unreadable", "SIP messages that could not be read or handled")
WAITING = Gauge("louhua_call_events_waiting", "Call events not yet stored on the bus", multiprocess_mode="livesum")
