"""Figures of the watches."""

from prometheus_client import Counter, Gauge

WATCHES = Gauge("louhua_watches", "Phones we wait for, about", multiprocess_mode="mostrecent")
PROBES = Counter("louhua_probes_total", "Probes: queued, over the limit, and by what they said", ["verdict"])
NEWS = Counter("louhua_phone_news_total", "Events that say that a phone is on, by source", ["source"])
SUBSCRIPTIONS = Gauge(
    "louhua_reg_subscriptions", "Live subscriptions to registrations", ["registrar"], multiprocess_mode="livesum"
)
REG_ANSWERS = Counter("louhua_reg_answers_total", "What registrars said about phones", ["registrar", "answer"])
REG_STRANGERS = Counter(
    "louhua_reg_strangers_total", "Datagrams from addresses that are not the registrar's", ["registrar"]
)
