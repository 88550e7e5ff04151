"""How much is asked for at once."""

import pytest
from tests.charging.books import ELSEWHERE

from louhua.charging.cashier import at_once
from louhua.creditors import Charging


@pytest.mark.parametrize(("window", "texts"), [(1, 1), (4, 1), (10, 2), (200, 40), (500, 100), (10_000, 100)])
def test_a_batch_has_its_turn_soon(window: int, texts: int) -> None:
    there = {"keeper": "diameter", "diameter": ELSEWHERE | {"window": window}}
    assert at_once(Charging.model_validate(there)) == texts
    assert at_once(Charging.model_validate(there | {"keeper": "here"})) == 500
