"""Figures of charging."""

from prometheus_client import Counter, Gauge

CHARGES = Counter("louhua_charges_total", "Rows written into the ledger for what was delivered", ["item", "why"])
AMOUNT = Counter("louhua_charged_total", "What was charged for it, in thousandths of a yuan", ["item"])
CREDIT = Counter("louhua_credit_total", "What became of texts of prepaid payers before they went", ["verdict"])
COLLECTED = Counter("louhua_rental_total", "Rentals collected, in thousandths of a yuan")
SUSPENDED = Counter("louhua_rental_suspended_total", "Subscribers who were suspended for a rental that they owe")
RESUMED = Counter("louhua_rental_resumed_total", "Subscribers who paid what they were suspended for")
CDR_FILES = Counter("louhua_cdr_files_total", "Files of charges that were closed")
CDR_FAILURES = Counter("louhua_cdr_failures_total", "Files of charges that could not be written, and wait")
CDR_OLDEST = Gauge(
    "louhua_cdr_oldest_seconds",
    "Age of the oldest charge that stands in no file, when writing was last tried",
    multiprocess_mode="mostrecent",
)
