"""Money is whole thousandths of a yuan, and is rounded in one place."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.money import parse_yuan, rounded, share, yuan


@pytest.mark.parametrize(
    ("written", "thousandths"),
    [
        ("0.10", 100), ("0.1", 100), (0.1, 100), ("3", 3000), (3, 3000), ("-1.5", -1500), (" 0.001 ", 1), ("0", 0),
        ("0.100" + "0" * 99, 100), ("1e9", 10**12), ("-1000000000.000", -(10**12)), ("0e999999999", 0),
    ],
)  # fmt: skip
def test_yuan_are_read(written: object, thousandths: int) -> None:
    assert parse_yuan(written) == thousandths


@pytest.mark.parametrize(
    "wrong",
    [
        "0.0001", "a", "", "1,5", "NaN", "Infinity", None, "1e30", "-1e30", "1000000000.001", "0.1 元", 10**400,
        "1e999999999", "-1e999999999", "1e-999999999", "1e99999999999999999999", "0.1" + "0" * 40 + "1",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused_with_the_way_out(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"write|at most"):
        parse_yuan(wrong)


@given(st.integers(-(10**12), 10**12))
def test_what_is_written_is_read(amount: int) -> None:
    assert parse_yuan(yuan(amount)) == amount


@pytest.mark.parametrize(
    ("exact", "thousandths"),
    [
        (Fraction(1, 2), 1), (Fraction(-1, 2), -1), (Fraction(3, 2), 2), (Fraction(49, 100), 0),
        (Fraction(51, 100), 1), (Fraction(-51, 100), -1), (Fraction(7), 7),
    ],
)  # fmt: skip
def test_halves_are_rounded_away_from_zero(exact: Fraction, thousandths: int) -> None:
    assert rounded(exact) == thousandths


@given(st.integers(0, 10**9), st.integers(1, 31), st.data())
def test_the_shares_of_a_month_are_its_whole_but_for_the_rounding(
    amount: int, whole: int, data: st.DataObject
) -> None:
    part = data.draw(st.integers(0, whole))
    both = share(amount, part, whole) + share(amount, whole - part, whole)
    assert abs(both - amount) <= 1
    assert share(amount, whole, whole) == amount
    assert 0 <= share(amount, part, whole) <= amount
