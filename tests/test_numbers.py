"""Numbers: one form inside, the dialled form outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.numbers import canonical, masked, national, textable


@pytest.mark.parametrize(
    ("dialled", "inside", "shown", "gets_texts"),
    [
        ("13800138000", "8613800138000", "13800138000", True),
        ("+8613800138000", "8613800138000", "13800138000", True),
        ("8613800138000", "8613800138000", "13800138000", True),
        ("008613800138000", "8613800138000", "13800138000", True),
        ("+86 138-0013-8000", "8613800138000", "13800138000", True),
        ("01088886666", "861088886666", "01088886666", False),
        ("10086", "10086", "10086", False),
        ("06001", "06001", "06001", False),
        ("+447911123456", "447911123456", "+447911123456", True),
        ("0000", "", "", False),
        ("anonymous", "", "", False),
        ("", "", "", False),
        ("12", "", "", False),
    ],
)
def test_table(dialled: str, inside: str, shown: str, gets_texts: bool) -> None:
    assert canonical(dialled) == inside
    assert national(inside) == shown
    assert textable(inside) is gets_texts


@given(st.text(max_size=25))
def test_anything_may_stand_in_a_header(junk: str) -> None:
    inside = canonical(junk)
    assert inside == "" or inside.isdigit()


@given(st.from_regex(r"1[38][0-9]{9}", fullmatch=True))
def test_canonical_numbers_stay_as_they_are(dialled: str) -> None:
    inside = canonical(dialled)
    assert canonical(inside) == inside
    assert canonical(national(inside)) == inside


def test_a_log_line_shows_the_last_four_digits() -> None:
    assert masked("8613800138000") == "*********8000"
    assert masked("12") == "12"
