"""Numbers and addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.numbers import canonical
from louhua.texts.smpp.addresses import to_address, to_number


@pytest.mark.parametrize(
    ("number", "address"),
    [
        ("8613800138000", (1, 1, "8613800138000")),
        ("861088886666", (1, 1, "861088886666")),
        ("442079460958", (1, 1, "442079460958")),
        ("14155552671", (1, 1, "14155552671")),
        ("06001", (0, 1, "06001")),
        ("10086", (0, 1, "10086")),
        ("1069012345678", (0, 1, "1069012345678")),
        ("Louhua", (5, 0, "Louhua")),
        ("", (0, 0, "")),
    ],
)
def test_numbers_as_addresses(number: str, address: tuple[int, int, str]) -> None:
    assert to_address(number) == address


@pytest.mark.parametrize(
    ("ton", "address", "number"),
    [
        (1, "8613800138000", "8613800138000"),
        (1, "+8613800138000", "8613800138000"),
        (0, "8613800138000", "8613800138000"),
        (0, "13800138000", "8613800138000"),
        (2, "13800138000", "8613800138000"),
        (1, "442079460958", "442079460958"),
        (0, "06001", "06001"),
        (5, "Louhua", "Louhua"),
        (5, "12345", "12345"),
        (0, "", ""),
    ],
)
def test_addresses_as_numbers(ton: int, address: str, number: str) -> None:
    assert to_number(ton, address) == number


@pytest.mark.parametrize(
    ("ton", "address", "country", "number"),
    [
        (2, "2125550123", "US", "12125550123"),
        (0, "2125550123", "US", "12125550123"),
        (1, "12125550123", "US", "12125550123"),
        (1, "8613800138000", "US", "8613800138000"),
        (2, "07911123456", "GB", "447911123456"),
        (2, "13800138000", "CN", "8613800138000"),
    ],
)
def test_national_numbers_are_of_the_services_country(ton: int, address: str, country: str, number: str) -> None:
    assert to_number(ton, address, country) == number


@given(st.from_regex(r"861[3-9][0-9]{9}", fullmatch=True), st.sampled_from([0, 1, 2]))
def test_the_short_cut_for_mobiles_changes_nothing(number: str, ton: int) -> None:
    assert canonical(number) == canonical("+" + number) == to_number(ton, number) == number
    assert to_address(number) == (1, 1, number)
