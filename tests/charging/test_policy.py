"""What becomes of a text when its payer's money was asked for, as a table."""

from datetime import timedelta
from typing import Any

import pytest

from louhua.charging.credit import Verdict
from louhua.charging.plans import Item
from louhua.charging.policy import Fate, fate_of, settle_again_after
from louhua.charging.rating import Why
from louhua.creditors import Charging
from louhua.texts.smpp.status import Retry

GOES = Fate(goes=True)
FREE = Fate(goes=True, given=Why.NO_CREDIT)
HELD = Fate(goes=False, error="no credit", retry=Retry.LATER)
DROPPED = Fate(goes=False, error="no credit", retry=Retry.FINAL)
LESS_HELD = Fate(goes=False, error="no credit", retry=Retry.LATER, unsure=True)
LESS_DROPPED = Fate(goes=False, error="no credit", retry=Retry.FINAL, unsure=True)
AWAY_FREE = Fate(goes=True, given=Why.CREDIT_AWAY)
AWAY_HELD = Fate(goes=False, error="credit away", retry=Retry.LATER, unsure=True)


@pytest.mark.parametrize(
    ("verdict", "item", "settings", "fate"),
    [
        (Verdict.GRANTED, Item.MISSED, {"refused": "drop", "away": "hold"}, GOES),
        (
            Verdict.FREE,
            Item.DETAIL,
            {"refused": "drop", "away": "hold"},
            Fate(goes=True, given=Why.FREE_OF_CHARGE),
        ),
        (Verdict.REFUSED, Item.MISSED, {"refused": "free"}, FREE),
        (Verdict.REFUSED, Item.MISSED, {"refused": "hold"}, HELD),
        (Verdict.REFUSED, Item.MISSED, {"refused": "drop"}, DROPPED),
        (Verdict.REFUSED, Item.DETAIL, {"refused": "free"}, FREE),
        (Verdict.REFUSED, Item.DETAIL, {"refused": "hold"}, DROPPED),
        (Verdict.LESS, Item.MISSED, {"refused": "free"}, FREE),
        (Verdict.LESS, Item.MISSED, {"refused": "hold"}, LESS_HELD),
        (Verdict.LESS, Item.MISSED, {"refused": "drop"}, LESS_DROPPED),
        (Verdict.LESS, Item.DETAIL, {"refused": "hold"}, LESS_DROPPED),
        (Verdict.AWAY, Item.MISSED, {"refused": "drop", "away": "free"}, AWAY_FREE),
        (Verdict.AWAY, Item.MISSED, {"away": "hold"}, AWAY_HELD),
        (Verdict.AWAY, Item.DETAIL, {"away": "hold"}, AWAY_HELD),
    ],
)
def test_what_becomes_of_a_text(verdict: Verdict, item: Item, settings: dict[str, Any], fate: Fate) -> None:
    assert fate_of(verdict, item, Charging.model_validate(settings)) == fate


def test_who_does_not_answer_is_told_again_ever_less_often() -> None:
    waits = [settle_again_after(attempts) for attempts in range(1, 200)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=2)
    assert waits[-1] == timedelta(minutes=5)
