"""Numbers: one form inside, the dialled form outside."""

import random
import re
import string
from typing import Final

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from louhua import numbers
from louhua.numbers import abroad, canonical, masked, national, textable


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


ALONE: Final = sorted(regions[0] for regions in COUNTRY_CODE_TO_REGION_CODE.values() if regions[0] != "001")


def as_phonenumbers_reads(text: str, country: str) -> tuple[str, bool, bool]:
    """Without the short cut: the canonical form, textable, abroad."""
    number = numbers._read(text, country)
    parsed = numbers._parse("+" + number, country)
    if parsed is None:
        return number, len(number) >= 11, False
    kind = phonenumbers.number_type(parsed)
    away = phonenumbers.region_code_for_number(parsed) != country
    return number, kind not in numbers._NO_TEXTS, away


def read(text: str, country: str) -> tuple[str, bool, bool]:
    number = canonical(text, country)
    return number, textable(number, country), abroad(number, country)


@pytest.mark.parametrize("country", ALONE)
def test_the_short_cut_reads_as_the_long_way(country: str) -> None:
    """Every country with mobiles: numbers like its example, as dialled at home, abroad, and with things before."""
    example = phonenumbers.example_number_for_type(country, phonenumbers.PhoneNumberType.MOBILE)
    if example is None:
        return
    chance = random.Random(country)
    example_digits = phonenumbers.national_significant_number(example)
    code, short = str(example.country_code), 0
    befores = ["", "+" + code, code, "00" + code, "0", code + "0", "+" + code + "0"]
    for turn in range(60):
        kept = chance.randrange(1, len(example_digits))
        digits = example_digits[:kept] + "".join(chance.choice(string.digits) for _ in example_digits[kept:])
        digits = example_digits if turn == 0 else digits
        for before in (*befores, chance.choice("123456789")):
            if not re.fullmatch(r"\+?0*", before + digits):
                assert read(before + digits, country) == as_phonenumbers_reads(before + digits, country)
                short += bool(numbers._plain_mobile(before + digits, country))
    assert short or country != "CN"


@given(st.from_regex(r"(\+|00|0|86|\+86|1795[0-9])?[0-9]{3,13}", fullmatch=True))
def test_whatever_is_dialled_reads_as_the_long_way(text: str) -> None:
    if not re.fullmatch(r"\+?0*", text):
        assert read(text, "CN") == as_phonenumbers_reads(text, "CN")


@given(st.from_regex(r"(\+86|86|0|12593|17951|0086)?1[0-9]{10}", fullmatch=True))
def test_whatever_looks_like_a_mobile_reads_as_the_long_way(text: str) -> None:
    assert read(text, "CN") == as_phonenumbers_reads(text, "CN")
