"""The error table, against its page; and what an SMSC's own entries change."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from louhua.config import Smsc
from louhua.texts.retries import NETWORK_ERRORS, STATES, Retries
from louhua.texts.smpp.status import Retry

DOCS = Path(__file__).parents[2] / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    section = (DOCS / page).read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"^\|(.+)\|$", section, re.MULTILINE)[2:]
    return [[cell.strip() for cell in row.split("|")] for row in table]


def test_the_page_has_the_failed_deliveries() -> None:
    shown = {row[0].strip("`"): row[2] for row in rows("texts.md", "When a delivery fails")}
    assert shown == {key: retry.value for key, retry in {**NETWORK_ERRORS, **STATES}.items()}


def smsc(**retry: str) -> Smsc:
    return Smsc.model_validate({"name": "s", "host": "h", "port": 1, "system_id": "x", "retry": retry})


@pytest.mark.parametrize(
    ("retry", "state", "error", "expected"),
    [
        ({}, "undeliverable", "", Retry.WAIT),
        ({}, "undeliverable", "3:1", Retry.FINAL),
        ({}, "rejected", "3:34", Retry.LATER),
        ({}, "rejected", "045", Retry.FINAL),
        ({}, "undeliverable", "2:1", Retry.WAIT),
        ({"undeliverable": "final"}, "undeliverable", "3:27", Retry.FINAL),
        ({"undeliverable": "final", "3:27": "wait"}, "undeliverable", "3:27", Retry.WAIT),
        ({"err:045": "wait"}, "rejected", "045", Retry.WAIT),
        ({"err:045": "wait"}, "rejected", "046", Retry.FINAL),
    ],
)
def test_failed_deliveries(retry: dict[str, str], state: str, error: str, expected: Retry) -> None:
    assert Retries((smsc(**retry),)).failed("s", state, error) is expected


def test_one_smscs_table_is_not_anothers() -> None:
    retries = Retries((smsc(**{"0x401": "later", "rejected": "wait"}),))
    assert (retries.refused("s", 0x401), retries.refused("t", 0x401)) == (Retry.LATER, Retry.FINAL)
    assert (retries.failed("s", "rejected", ""), retries.failed("t", "rejected", "")) == (Retry.WAIT, Retry.FINAL)


@pytest.mark.parametrize(
    "retry",
    [
        {"0x": "later"},
        {"11": "later"},
        {"ESME_RTHROTTLED": "later"},
        {"delivered": "later"},
        {"undelivered": "wait"},
        {"0x0B": "never"},
        {"undeliverable": "elsewhere"},
        {"3:1": "elsewhere"},
        {"err:": "final"},
    ],
)
def test_mistakes_are_found_at_start(retry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        smsc(**retry)
