"""Who was called, why, and who calls: the cases that networks send."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.bus.events import Reason
from louhua.calls.parties import Header, Parties, find_parties, own_numbers
from louhua.config import NumberSource, Service, Trunk

OWN = own_numbers(Service())
CALLEE = "8613800138000"
CALLER = "8613900139000"
OTHER = "8613700137000"
TO_US: list[Header] = [("to", "<sip:06001@louhua>"), ("from", "<sip:13900139000@ims>;tag=1")]
RURI = "sip:06001@louhua"


def parties(
    headers: list[Header],
    uri: str = RURI,
    *,
    diversion: str = "first",
    prefix: str = "",
    sources: tuple[NumberSource, ...] | None = None,
) -> Parties:
    trunk = Trunk.model_validate(
        {"name": "t", "peers": ["127.0.0.1"], "diversion": diversion, "called_prefix": prefix}
        | ({"called_from": sources} if sources else {})
    )
    return find_parties(headers, uri, trunk, own=OWN, country="CN")


def diversion(user: str, rest: str = "") -> Header:
    return ("diversion", f"<sip:{user}@ims>{rest}")


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (";reason=unavailable", Reason.UNREACHABLE),
        (";reason=UNAVAILABLE;counter=1", Reason.UNREACHABLE),
        (';counter=1;reason="user-busy"', Reason.BUSY),
        (";reason=USER-BUSY", Reason.BUSY),
        ('; Reason = "No-Answer"', Reason.NO_ANSWER),
        (";reason=unconditional", Reason.UNCONDITIONAL),
        (";reason=deflection", Reason.DEFLECTION),
        (";reason=unknown", Reason.UNKNOWN),
        (";reason=follow-me", Reason.UNKNOWN),
        (";reason=", Reason.UNKNOWN),
        ("", Reason.UNKNOWN),
    ],
)
def test_diversion_reason(parameters: str, reason: Reason) -> None:
    found = parties([*TO_US, diversion("+8613800138000", parameters)])
    assert (found.callee, found.reason, found.source) == (CALLEE, reason, "diversion")


def test_several_diversions_topmost_or_last() -> None:
    headers = [
        *TO_US,
        diversion("13800138000", ";reason=no-answer"),
        diversion("13700137000", ";reason=unconditional"),
    ]
    assert parties(headers).callee == CALLEE
    assert parties(headers).reason is Reason.NO_ANSWER
    assert parties(headers, diversion="last").callee == OTHER
    assert parties(headers, diversion="last").reason is Reason.UNCONDITIONAL


def test_several_diversions_in_one_header() -> None:
    value = '"A, B" <tel:+8613800138000>;reason=user-busy, <sip:13700137000@ims>;reason=unconditional'
    found = parties([*TO_US, ("diversion", value)])
    assert (found.callee, found.reason) == (CALLEE, Reason.BUSY)


@pytest.mark.parametrize("ours", ["06001", "+8606001", "8606001", "+866001", "12599", "0000", "anonymous"])
def test_a_diversion_by_ourselves_or_by_nobody_is_passed_over(ours: str) -> None:
    headers = [
        *TO_US,
        diversion(ours, ";reason=unconditional"),
        diversion("13800138000", ";reason=unavailable"),
    ]
    found = parties(headers)
    assert (found.callee, found.reason) == (CALLEE, Reason.UNREACHABLE)


def test_old_name_of_diversion() -> None:
    assert parties([*TO_US, ("cc-diversion", "<sip:13800138000@ims>;reason=no-answer")]).callee == CALLEE


@pytest.mark.parametrize(
    ("entry", "target", "reason"),
    [
        ("?Reason=SIP%3Bcause%3D486%3Btext%3D%22Busy%20Here%22", "", Reason.BUSY),
        ("?Reason=SIP%3B%20cause%3D408", "", Reason.NO_ANSWER),
        ("?reason=sip%3Bcause%3D302", "", Reason.UNCONDITIONAL),
        ("?Reason=Q.850%3Bcause%3D17", "", Reason.UNKNOWN),
        ("?Reason=Q.850%3Bcause%3D17&Reason=SIP%3Bcause%3D503", "", Reason.UNREACHABLE),
        ("?Reason=Q.850%3Bcause%3D17%2CSIP%3Bcause%3D487", "", Reason.DEFLECTION),
        ("", "?Reason=SIP%3Bcause%3D480", Reason.DEFLECTION),
        ("", ";cause=503", Reason.UNREACHABLE),
        (";cause=486", "", Reason.BUSY),
        (";cause=302", ";cause=408", Reason.NO_ANSWER),
        ("?Reason=SIP%3Bcause%3D404", "", Reason.UNREACHABLE),
        ("?Reason=SIP%3Bcause%3D404", ";cause=486", Reason.BUSY),
        ("", ";cause=404", Reason.UNREACHABLE),
        ("", ";cause=380", Reason.UNKNOWN),
        ("", ";cause=x", Reason.UNKNOWN),
        ("", "", Reason.UNKNOWN),
    ],
)
def test_history_cause(entry: str, target: str, reason: Reason) -> None:
    history = f"<sip:+8613800138000@ims;user=phone{entry}>;index=1, <sip:06001@louhua{target}>;index=1.1"
    found = parties([*TO_US, ("history-info", history)])
    assert (found.callee, found.reason, found.source) == (CALLEE, reason, "history-info")


def test_history_in_several_headers_takes_the_last_but_one() -> None:
    headers = [
        *TO_US,
        ("history-info", "<sip:13700137000@ims>;index=1"),
        ("history-info", "<tel:+8613800138000;cause=302>;index=1.1"),
        ("history-info", "<sip:06001@louhua;cause=486>;index=1.1.1"),
    ]
    found = parties(headers)
    assert (found.callee, found.reason) == (CALLEE, Reason.BUSY)


def test_history_with_one_entry_names_nobody() -> None:
    headers = [
        *TO_US,
        ("history-info", "<sip:06001@louhua>;index=1"),
        ("p-called-party-id", "<sip:13800138000@i>"),
    ]
    assert parties(headers).source == "p-called-party-id"


def test_history_where_a_border_controller_added_us_again() -> None:
    history = "<sip:13800138000@i>;index=1,<sip:06001@i;cause=503>;index=1.1,<sip:06001@louhua>;index=1.1.1"
    found = parties([*TO_US, ("history-info", history)])
    assert (found.callee, found.reason) == (CALLEE, Reason.UNREACHABLE)


def test_a_reason_that_diversion_lacks_comes_from_the_history_of_the_same_number() -> None:
    headers = [
        *TO_US,
        diversion("13800138000", ";reason=unknown"),
        ("history-info", "<sip:13800138000@i>;index=1,<sip:06001@i;cause=404>;index=1.1"),
    ]
    found = parties(headers)
    assert (found.callee, found.reason, found.source) == (CALLEE, Reason.UNREACHABLE, "diversion")


def test_a_reason_of_another_number_is_not_taken() -> None:
    headers = [
        *TO_US,
        diversion("13800138000"),
        ("history-info", "<sip:13700137000@i>;index=1,<sip:06001@i;cause=486>;index=1.1"),
    ]
    assert parties(headers).reason is Reason.UNKNOWN


def test_called_party_to_and_request_uri() -> None:
    named: list[Header] = [("p-called-party-id", '"x" <sip:13800138000@ims>')]
    assert parties([*TO_US, *named]).source == "p-called-party-id"
    assert parties([("to", "<tel:+8613800138000>")]).source == "to"
    assert parties(TO_US, "sip:13800138000@louhua").source == "request-uri"
    assert parties(TO_US, "tel:+8613800138000").callee == CALLEE


@pytest.mark.parametrize(
    ("uri", "prefix", "callee", "reason"),
    [
        ("sip:9911113800138000@louhua;user=phone", "99111", CALLEE, Reason.UNKNOWN),
        ("sip:13800138000@louhua", "99111", CALLEE, Reason.UNKNOWN),
        ("sip:06001@louhua;target=sip:+8613800138000%40ims;cause=408", "", CALLEE, Reason.NO_ANSWER),
        ("sip:06001@louhua;target=tel:%2B8613800138000;cause=486", "", CALLEE, Reason.BUSY),
        ("sip:13800138000@louhua;cause=503", "", CALLEE, Reason.UNREACHABLE),
        ("sip:06001@louhua", "", "", Reason.UNKNOWN),
    ],
)
def test_request_uri(uri: str, prefix: str, callee: str, reason: Reason) -> None:
    found = parties(TO_US, uri, prefix=prefix)
    assert (found.callee, found.reason) == (callee, reason)


def test_the_trunk_decides_which_source_goes_first() -> None:
    headers = [*TO_US, diversion("13800138000"), ("p-called-party-id", "<sip:13700137000@ims>")]
    assert parties(headers).callee == CALLEE
    assert parties(headers, sources=("p-called-party-id", "diversion")).callee == OTHER
    assert parties(headers, sources=("request-uri",)).callee == ""


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ([("from", "<sip:13900139000@ims>")], CALLER),
        ([("p-asserted-identity", "<sip:+8613900139000@ims>"), ("from", "<sip:1000@pbx>")], CALLER),
        ([("p-asserted-identity", "<sip:alice@ims>, <tel:+8613900139000>"), ("from", "<sip:x@h>")], CALLER),
        ([("p-asserted-identity", "<sip:alice@ims>"), ("from", "<sip:13900139000@ims>")], CALLER),
        ([("remote-party-id", "<sip:13900139000@h>;party=calling"), ("from", "<sip:1@h>")], CALLER),
        ([("remote-party-id", "<sip:13700137000@h>;party=called"), ("from", "<sip:13900139000@h>")], CALLER),
        ([("privacy", "none"), ("from", "<sip:13900139000@ims>")], CALLER),
        ([("from", "<sip:0000@ims>")], ""),
        ([("from", "tel:+8613900139000;tag=2")], CALLER),
        ([], ""),
    ],
)
def test_caller(headers: list[Header], caller: str) -> None:
    found = parties([*headers, diversion("13800138000")])
    assert (found.caller, found.withheld) == (caller, False)


@pytest.mark.parametrize(
    "restriction",
    [
        [("privacy", "id")],
        [("privacy", "ID;critical")],
        [("privacy", "header")],
        [("privacy", "user,id")],
        [("remote-party-id", "<sip:13900139000@h>;privacy=full")],
        [("remote-party-id", "<sip:13900139000@h>;Privacy=URI;screen=yes")],
        [("from", '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1')],
        [("from", '"Restricted" <sip:13900139000@ims>;tag=1')],
        [("p-asserted-identity", '"anonymous" <tel:+8613900139000>')],
    ],
)
def test_a_withheld_caller_has_no_number(restriction: list[Header]) -> None:
    headers = [("p-asserted-identity", "<tel:+8613900139000>"), *restriction, diversion("13800138000")]
    found = parties(headers)
    assert (found.caller, found.withheld, found.callee) == ("", True, CALLEE)


NAMES = st.sampled_from(
    [
        "diversion", "cc-diversion", "history-info", "p-called-party-id", "to", "from", "privacy",
        "p-asserted-identity", "remote-party-id", "reason",
    ]
)  # fmt: skip
JUNK = st.text(alphabet='sip:tel<>"\\;,=?&@%3D+01386 reasoncauseSIP\x00é', max_size=80)


@given(st.lists(st.tuples(NAMES, JUNK), max_size=8), JUNK)
def test_never_raises(headers: list[Header], uri: str) -> None:
    found = parties(headers, uri, prefix="00")
    assert found.callee not in OWN or found.callee == ""
    assert not (found.withheld and found.caller)


def test_a_header_of_absurd_length_is_not_read() -> None:
    assert parties([*TO_US, ("diversion", "<" * 60_000), diversion("13800138000")]).callee == CALLEE


@pytest.mark.parametrize(
    "value", ['\\"' * 2000 + ",", ",<" * 2000, '<",' * 1300, '"\\' * 2000 + ",", ';a="' * 1000]
)
def test_a_hostile_header_takes_no_time(value: str) -> None:
    """One thread serves all calls, and a datagram has room for sixteen such headers."""
    began = time.process_time()
    parties([*TO_US, *[("diversion", value), ("history-info", value), ("p-asserted-identity", value)] * 5])
    assert time.process_time() - began < 0.2
