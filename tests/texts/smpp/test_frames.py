"""PDUs out of a stream: any cut gives the same PDUs, and a length that cannot be ends it."""

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.texts.smpp.codec import encode
from louhua.texts.smpp.errors import FrameError
from louhua.texts.smpp.frames import LONGEST, FrameDecoder
from louhua.texts.smpp.pdu import EnquireLink, SubmitSm, SubmitSmResp

PDUS = [
    encode(pdu)
    for pdu in (EnquireLink(1), SubmitSm(2, short_message=b"hello"), SubmitSmResp(3, 0, "77"), EnquireLink(4))
]


@given(st.lists(st.sampled_from(PDUS), max_size=8), st.lists(st.integers(0, 500), max_size=20))
def test_any_cut_gives_the_same_pdus(pdus: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pdus)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    decoder = FrameDecoder()
    found: list[bytes] = []
    for start, end in itertools.pairwise(places):
        frames, error = decoder.feed(stream[start:end])
        assert error is None
        found += frames
    assert found == pdus
    assert decoder.waiting == 0


def test_octet_by_octet() -> None:
    decoder = FrameDecoder()
    found = [frames for octet in PDUS[1] + PDUS[0] for frames in decoder.feed(bytes((octet,)))[0]]
    assert found == [PDUS[1], PDUS[0]]


@pytest.mark.parametrize("length", [0, 15, LONGEST + 1, 0xFFFFFFFF])
def test_an_impossible_length_ends_the_stream_after_what_was_good(length: int) -> None:
    frames, error = FrameDecoder().feed(PDUS[0] + struct.pack(">I", length) + PDUS[1])
    assert frames == [PDUS[0]]
    assert isinstance(error, FrameError)
    assert str(length) in str(error)


@given(st.lists(st.binary(max_size=60), max_size=10))
def test_noise_never_raises_and_never_grows(chunks: list[bytes]) -> None:
    decoder = FrameDecoder(longest=100)
    for chunk in chunks:
        frames, error = decoder.feed(chunk)
        assert all(16 <= len(frame) <= 100 for frame in frames)
        assert decoder.waiting < 100
        if error is not None:
            return
