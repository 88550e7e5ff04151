"""Addresses as peers write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.calls.addresses import Address, parse_address, parse_parameters, parse_uri, split_list, unquoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<sip:13800138000@h>", Address(scheme="sip", user="13800138000", host="h")),
        (
            '"Wang, \\"Xiao\\"" <sip:1@h;user=phone>;tag=a',
            Address(
                display='Wang, "Xiao"', scheme="sip", user="1", host="h",
                uri_params={"user": "phone"}, params={"tag": "a"},
            ),
        ),
        (
            "Wang <sips:+86-138-0013-8000;phone-context=+86@h:5061>",
            Address(
                display="Wang", scheme="sips", user="+86-138-0013-8000", host="h:5061",
                user_params={"phone-context": "+86"},
            ),
        ),
        ("sip:1@h;tag=x", Address(scheme="sip", user="1", host="h", params={"tag": "x"})),
        (
            "sip:1;npdi@h;tag=x",
            Address(scheme="sip", user="1", host="h", user_params={"npdi": ""}, params={"tag": "x"}),
        ),
        ("<tel:+86138;isub=9>", Address(scheme="tel", user="+86138", user_params={"isub": "9"})),
        (
            "tel:10086;phone-context=+86",
            Address(
                scheme="tel", user="10086", user_params={"phone-context": "+86"},
                params={"phone-context": "+86"},
            ),
        ),
        (
            "<sip:1@h?Reason=SIP%3Bcause%3D486&Privacy=history>",
            Address(
                scheme="sip", user="1", host="h",
                headers=(("reason", "SIP;cause=486"), ("privacy", "history")),
            ),
        ),
        ("<sip:h>", Address(scheme="sip", host="h")),
        ("<sip:1:secret@h>", Address(scheme="sip", user="1", host="h")),
        ("<mailto:1@h>", Address()),
        ("", Address()),
        ("<", Address()),
    ],
)  # fmt: skip
def test_reads(text: str, expected: Address) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("sip:13800138000@h", "8613800138000"),
        ("sip:+8613800138000@h;user=phone", "8613800138000"),
        ("sip:+86-138-0013-8000@h", "8613800138000"),
        ("sip:8613800138000@h", "8613800138000"),
        ("sip:008613800138000@h", "8613800138000"),
        ("tel:+8613800138000", "8613800138000"),
        ("tel:13800138000;phone-context=+86", "8613800138000"),
        ("sip:13800138000;phone-context=+86@h", "8613800138000"),
        ("sip:13800138000@h;phone-context=+86;user=phone", "8613800138000"),
        ("tel:2079460123;phone-context=+44", "442079460123"),
        ("tel:13800138000;phone-context=example.com", "8613800138000"),
        ("sip:%2B8613800138000@h", "8613800138000"),
        ("sip:+8613800138000;npdi;rn=1234@h", "8613800138000"),
        ("sip:10086@h", "10086"),
        ("sip:0000@h", ""),
        ("sip:anonymous@anonymous.invalid", ""),
        ("sip:h", ""),
        ("junk", ""),
    ],
)
def test_number(uri: str, number: str) -> None:
    assert parse_uri(uri).number("CN") == number


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("<sip:1@h>", ["<sip:1@h>"]),
        ("<sip:1@h>, <sip:2@h>", ["<sip:1@h>", "<sip:2@h>"]),
        ('"a, b" <sip:1@h;x=1,2>;q="c,d",<sip:2@h>', ['"a, b" <sip:1@h;x=1,2>;q="c,d"', "<sip:2@h>"]),
        (",,", []),
        ('"open, <sip:1@h>', ['"open', "<sip:1@h>"]),
    ],
)
def test_splits_outside_quotes_and_brackets(value: str, items: list[str]) -> None:
    assert split_list(value) == items


def test_parameters_keep_the_first_and_lose_their_quotes() -> None:
    assert parse_parameters(';Reason="USER-BUSY"; counter = 2 ;reason=x;lr') == {
        "reason": "USER-BUSY",
        "counter": "2",
        "lr": "",
    }
    assert unquoted(' "a\\"b" ') == 'a"b'


@given(st.text(alphabet='sip:tel<>"\\;,=?&@%+0123456789 \t\x00é', max_size=60))
def test_never_raises(text: str) -> None:
    parse_address(text).number("CN")
    parse_uri(text).number("CN")
    split_list(text)
