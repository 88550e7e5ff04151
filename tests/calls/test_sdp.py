"""Offers and answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.calls import sdp


def description(*media: str, connection: str = "c=IN IP4 10.0.0.1", session: str = "") -> str:
    lines = ["v=0", "o=- 1 1 IN IP4 10.0.0.1", "s=-", connection, "t=0 0", session, *media]
    return "".join(f"{line}\r\n" for line in lines if line)


EVENTS = "a=rtpmap:97 telephone-event/8000"


@pytest.mark.parametrize(
    ("kinds", "chosen"),
    [("8", sdp.PCMA), ("0", sdp.PCMU), ("0 8", sdp.PCMA), ("18 0 101", sdp.PCMU), ("8 0 3 4 9", sdp.PCMA)],
)
def test_takes_our_laws(kinds: str, chosen: int) -> None:
    media = sdp.parse(description(f"m=audio 4000 RTP/AVP {kinds}"))
    assert (media.payload_type, media.remote, media.send) == (chosen, ("10.0.0.1", 4000), True)


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        (("m=audio 4000 RTP/AVP 8 97", EVENTS), 97),
        (("m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 TELEPHONE-EVENT/8000/1"), 101),
        (("m=audio 4000 RTP/AVP 8 96 97", "a=rtpmap:96 telephone-event/16000", EVENTS), 97),
        (("m=audio 4000 RTP/AVP 8", EVENTS), None),
        (("m=audio 4000 RTP/AVP 8 101",), None),
    ],
)
def test_finds_the_payload_type_of_keys(lines: tuple[str, ...], kind: int | None) -> None:
    assert sdp.parse(description(*lines)).dtmf_type == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "junk",
        description("m=audio 4000 RTP/AVP 18 101"),
        description("m=audio 0 RTP/AVP 8"),
        description("m=audio 70000 RTP/AVP 8"),
        description("m=audio x RTP/AVP 8"),
        description("m=audio 4000 RTP/SAVP 8"),
        description("m=audio 4000 RTP/AVPF 8"),
        description("m=video 4000 RTP/AVP 8"),
        description("m=audio 4000 RTP/AVP 8", connection="c=IN IP6 ::1"),
        description("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 phone.example"),
        description("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 224.1.1.1"),
        description("m=audio 4000 RTP/AVP 8", connection=""),
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(sdp.NotAcceptable):
        sdp.parse(text)


@pytest.mark.parametrize(
    ("attribute", "ours", "send"),
    [
        ("a=sendrecv", "sendrecv", True),
        ("a=sendonly", "recvonly", False),
        ("a=recvonly", "sendonly", True),
        ("a=inactive", "inactive", False),
    ],
)
def test_hold_in_either_place(attribute: str, ours: str, send: bool) -> None:
    in_media = sdp.parse(description("m=audio 4000 RTP/AVP 8", attribute))
    in_session = sdp.parse(description("m=audio 4000 RTP/AVP 8", session=attribute))
    assert in_media == in_session
    assert (in_media.direction, in_media.send) == (ours, send)
    assert f"a={ours}\r\n" in sdp.answer(in_media, "192.0.2.1", 5000, session=7, version=2)


def test_old_hold_by_address() -> None:
    media = sdp.parse(description("m=audio 4000 RTP/AVP 8", connection="c=IN IP4 0.0.0.0"))
    assert (media.remote, media.send) == (None, False)


def test_connection_of_the_stream_goes_before_that_of_the_session() -> None:
    media = sdp.parse(description("m=audio 4000 RTP/AVP 8", "c=IN IP4 10.9.9.9"))
    assert media.remote == ("10.9.9.9", 4000)


def test_answer_refuses_the_other_streams_in_place() -> None:
    media = sdp.parse(
        description("m=video 5000 RTP/AVP 96 97", "m=audio 4002 RTP/SAVP 8", "m=audio 4000 RTP/AVP 0 8 97", EVENTS)
    )
    answer = sdp.answer(media, "192.0.2.1", 6000, session=7, version=3)
    assert answer == (
        "v=0\r\no=- 7 3 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        "m=video 0 RTP/AVP 96\r\nm=audio 0 RTP/SAVP 8\r\n"
        "m=audio 6000 RTP/AVP 8 97\r\na=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_our_offer_can_be_answered_by_ourselves() -> None:
    offer = sdp.parse(sdp.offer("192.0.2.1", 6000, session=1, version=1))
    assert (offer.payload_type, offer.dtmf_type, offer.remote) == (sdp.PCMA, 101, ("192.0.2.1", 6000))
    answer = sdp.parse(sdp.answer(offer, "192.0.2.2", 7000, session=1, version=1))
    assert (answer.payload_type, answer.dtmf_type, answer.remote) == (sdp.PCMA, 101, ("192.0.2.2", 7000))


LINES = st.sampled_from(
    ["m=audio 4000 RTP/AVP 8 97", "m=audio", "m=", "c=IN IP4 10.0.0.1", "c=", "a=", EVENTS, "a=sendonly", "\x85"]
)


@given(st.lists(LINES | st.text(alphabet="mac=IN P4audioRTP/AV 0123456789.\r\n", max_size=30), max_size=10))
def test_junk_is_refused_or_answered_with_as_many_streams(lines: list[str]) -> None:
    try:
        media = sdp.parse("\r\n".join(lines))
    except sdp.NotAcceptable:
        return
    answer = sdp.answer(media, "192.0.2.1", 6000, session=1, version=1)
    assert answer.count("m=") == len(media.streams)
    assert sdp.parse(answer).remote == ("192.0.2.1", 6000)
