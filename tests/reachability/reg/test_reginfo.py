"""Registration information as registrars write it, and as nobody should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.reachability.reg.reginfo import BadReginfo, Reginfo, Registration, State, read_reginfo

# RFC 3680, section 6.
RFC = """<?xml version="1.0"?>
<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="1" state="partial">
  <registration aor="sip:joe@example.com" id="a7" state="active">
    <contact id="76" state="active" event="registered" duration-registered="0">
      <uri>sip:joe@pc34.example.com</uri>
    </contact>
  </registration>
</reginfo>"""

# As an S-CSCF of an implicit registration set (3GPP TS 24.229, 5.4.2.1.2).
IMS = """<?xml version="1.0" encoding="UTF-8"?>
<r:reginfo xmlns:r="urn:ietf:params:xml:ns:reginfo" xmlns:g="urn:ietf:params:xml:ns:gruuinfo"
  version="0" state="full" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="urn:ietf:params:xml:ns:reginfo">
 <r:registration aor="sip:+8613800138000@ims.example" id="a" state="terminated">
  <r:contact id="c" state="terminated" event="deactivated"><r:uri>sip:a@10.0.0.1</r:uri></r:contact>
 </r:registration>
 <r:registration aor="tel:+8613800138000" id="b" state="active">
  <r:contact id="d" state="active" event="created" expires="600"><r:uri>sip:a@10.0.0.1</r:uri>
   <r:unknown-param name="+sip.instance">"&lt;urn:gsma:imei:90420156-025763-0&gt;"</r:unknown-param>
   <g:pub-gruu uri="sip:x@y;gr=1"/>
  </r:contact>
 </r:registration>
</r:reginfo>"""


def test_the_example_of_the_rfc() -> None:
    assert read_reginfo(RFC) == Reginfo(
        1, False, (Registration("sip:joe@example.com", State.ACTIVE, (State.ACTIVE,)),)
    )


def test_an_implicit_registration_set() -> None:
    reginfo = read_reginfo(IMS)
    assert [registration.state for registration in reginfo.registrations] == [State.TERMINATED, State.ACTIVE]
    assert reginfo.active


def document(state: str, registration: str | None, *contacts: str) -> str:
    inside = "".join(f'<contact id="c" state="{contact}" event="x"/>' for contact in contacts)
    element = f'<registration aor="sip:a@b" id="i" state="{registration}">{inside}</registration>'
    return (
        f'<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="3" state="{state}">'
        f"{element if registration else ''}</reginfo>"
    )


@pytest.mark.parametrize(
    ("text", "active"),
    [
        (document("full", None), False),
        (document("full", "init"), False),
        (document("full", "active", "active"), True),
        (document("full", "active"), True),
        (document("full", "active", "terminated"), False),
        (document("full", "active", "terminated", "active"), True),
        (document("full", "terminated", "terminated"), False),
        (document("full", "terminated", "active"), False),
        (document("partial", "active", "terminated"), True),
        (document("partial", "terminated", "terminated"), False),
    ],
)
def test_who_is_registered(text: str, active: bool) -> None:
    assert read_reginfo(text).active is active


BILLION = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not XML"),
        ("v=0", "not XML"),
        (RFC[:-5], "not XML"),
        (BILLION + RFC.partition("?>")[2], "document types"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd">' + document("full", None), "document types"),
        (document("full", "active").replace("sip:a@b", "&b;"), "not XML"),
        ("<presence/>", "the root"),
        (RFC.replace("ns:reginfo", "ns:other"), "the root"),
        (RFC.replace('version="1"', ""), "version"),
        (RFC.replace('version="1"', 'version="-1"'), "version"),
        (RFC.replace('version="1"', 'version="٣"'), "version"),
        (RFC.replace('version="1"', f'version="{"9" * 5000}"'), "version"),
        (RFC.replace("partial", "some"), "neither full nor partial"),
        (RFC.replace('"active"', '"maybe"'), "does not exist"),
        (document("full", None).replace("></reg", ">" + "<x>" * 20 + "</x>" * 20 + "</reg"), "too deep"),
        (document("full", None) + " " * 65536, "too long"),
        (document("full", "active").replace("sip:a@b", "\ud800"), "not XML"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadReginfo, match=why):
        read_reginfo(text)


def test_a_registration_elsewhere_says_nothing() -> None:
    inside = document("full", "active", "active").partition("<registration")
    text = f"{inside[0]}<x><registration{inside[2].replace('</reginfo>', '</x></reginfo>')}"
    assert not read_reginfo(text).active


@given(st.text() | st.text("<>/='\"& regcontasi!-[]?", max_size=200))
def test_nothing_but_bad_reginfo_is_raised(text: str) -> None:
    for candidate in (text, RFC.replace("</contact>", text), RFC.replace('"active"', f'"{text}"')):
        try:
            read_reginfo(candidate)
        except BadReginfo:
            continue


@given(
    st.lists(st.tuples(st.sampled_from(list(State)), st.lists(st.sampled_from(["active", "terminated"])))),
    st.booleans(),
)
def test_what_is_written_is_read(registrations: list[tuple[State, list[str]]], full: bool) -> None:
    elements = [
        document("full", state, *contacts).partition(">")[2].removesuffix("</reginfo>")
        for state, contacts in registrations
    ]
    start = document("full" if full else "partial", None).removesuffix("</reginfo>")
    reginfo = read_reginfo(start + "".join(elements) + "</reginfo>")
    assert reginfo.full is full
    assert [(r.state, [str(c) for c in r.contacts]) for r in reginfo.registrations] == [
        (state, contacts) for state, contacts in registrations
    ]
