"""The number plan: the longest prefix decides, and who is served."""

import pytest

from louhua.config import NumberRange
from louhua.ranges import Ranges

MOBILE = NumberRange(name="mobile", prefixes=("8613", "8615"))
TRIAL = NumberRange(name="trial", prefixes=("86138001",), served=False)
PLAN = Ranges((MOBILE, TRIAL))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("8613900139000", MOBILE),
        ("8615500139000", MOBILE),
        ("8613800138000", TRIAL),
        ("8613800238000", MOBILE),
        ("861", None),
        ("8618600138000", None),
        ("", None),
    ],
)
def test_the_longest_prefix_decides(number: str, expected: NumberRange | None) -> None:
    assert PLAN.of(number) is expected


@pytest.mark.parametrize(
    ("number", "served"), [("8613900139000", True), ("8613800138000", False), ("8618600138000", False)]
)
def test_with_ranges_only_the_served_ones_are(number: str, served: bool) -> None:
    assert PLAN.served(number) is served


def test_without_ranges_everybody_is_served() -> None:
    assert Ranges(()).served("8618600138000")
    assert Ranges(()).of("8618600138000") is None
