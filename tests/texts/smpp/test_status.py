"""What a refusal means for the message."""

import pytest

from louhua.texts.smpp.status import Outcome, Status, outcome, status_name


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x00, Outcome.ACCEPTED),
        (0x14, Outcome.RETRY_LATER),
        (0x58, Outcome.RETRY_LATER),
        (0x08, Outcome.RETRY_LATER),
        (0x64, Outcome.RETRY_LATER),
        (0x0A, Outcome.PERMANENT),
        (0x0B, Outcome.PERMANENT),
        (0x01, Outcome.PERMANENT),
        (0x401, Outcome.PERMANENT),
    ],
)
def test_outcomes(status: int, verdict: Outcome) -> None:
    assert outcome(status) is verdict


def test_names() -> None:
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_name(0x401) == "0x00000401"
    assert status_name(Status.ESME_RINVDSTADR) == "ESME_RINVDSTADR"
