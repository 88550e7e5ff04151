"""The error table: what a refused or failed text may be tried again for, by SMSC; pure.

Refusals of a submit are in ``smpp/status.py``; failed deliveries are here: by network_error_code (SMPP 3.4,
section 5.3.2.31; the codes of network type 3 are the errors of 3GPP TS 29.002, 17.6.6), else by the receipt's
state. An SMSC's ``retry`` in the configuration goes before both. ``docs/texts.md`` shows the table; a test holds
the two together.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from louhua.config import Smsc
from louhua.texts.smpp.status import REFUSALS, Retry, Status

STATES: Final[Mapping[str, Retry]] = {
    "expired": Retry.WAIT,
    "undeliverable": Retry.WAIT,
    "deleted": Retry.WAIT,
    "rejected": Retry.FINAL,
}
"""Receipts that say that a text failed."""

NETWORK_ERRORS: Final[Mapping[str, Retry]] = {
    "3:1": Retry.FINAL,  # unknownSubscriber
    "3:6": Retry.WAIT,  # absentSubscriberSM
    "3:9": Retry.FINAL,  # illegalSubscriber
    "3:11": Retry.FINAL,  # teleserviceNotProvisioned
    "3:13": Retry.FINAL,  # callBarred
    "3:21": Retry.FINAL,  # facilityNotSupported
    "3:27": Retry.WAIT,  # absentSubscriber
    "3:31": Retry.LATER,  # subscriberBusyForMT-SMS
    "3:32": Retry.LATER,  # sm-DeliveryFailure: often an inbox that is full
    "3:33": Retry.LATER,  # messageWaitingListFull
    "3:34": Retry.LATER,  # systemFailure
}
"""Network type and code, as ``Receipt.error`` has them."""


class Retries:
    """The table as the configured SMSCs have it."""

    def __init__(self, smscs: Sequence[Smsc]) -> None:
        self._refused: dict[tuple[str, int], Retry] = {}
        self._failed: dict[tuple[str, str], Retry] = {}
        for smsc in smscs:
            for key, retry in smsc.retry.items():
                if key.startswith("0x"):
                    self._refused[smsc.name, int(key, 16)] = Retry(retry)
                else:
                    self._failed[smsc.name, key.removeprefix("err:")] = Retry(retry)

    def refused(self, smsc: str, status: int) -> Retry:
        """What to do with a text that an SMSC refused with this command_status."""
        own = self._refused.get((smsc, status))
        if own is not None:
            return own
        return REFUSALS[Status(status)] if status in REFUSALS else Retry.FINAL

    def failed(self, smsc: str, state: str, error: str) -> Retry:
        """What a receipt means that says that a text failed: its state, and its ``Receipt.error`` or nothing."""
        for key in (error, state):
            own = self._failed.get((smsc, key))
            if own is not None:
                return own
        return NETWORK_ERRORS.get(error) or STATES.get(state, Retry.FINAL)
