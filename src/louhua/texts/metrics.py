"""Figures of the outbox."""

from prometheus_client import Counter, Gauge

TEXTS = Counter("louhua_texts_total", "Texts by what became of them", ["kind", "state"])
INBOUND = Counter("louhua_inbound_texts_total", "Texts from phones", ["keyword"])
UNANSWERED = Counter(
    "louhua_inbound_texts_unanswered_total", "Texts from phones that are not answered, lest machines talk", ["why"]
)
SMPP_FAULTS = Counter("louhua_smpp_faults_total", "What an SMSC sent that could not be taken", ["smsc", "fault"])
SMSC_BOUND = Gauge("louhua_smsc_bound", "Bound connections", ["smsc"], multiprocess_mode="livesum")
IN_HAND = Gauge(
    "louhua_texts_in_hand",
    "Texts submitted or about to be, without answer",
    ["smsc"],
    multiprocess_mode="livesum",
)
