"""G.711 against its own definition."""

from louhua.calls.media.g711 import (
    ALAW_SAMPLES,
    ALAW_SILENCE,
    ALAW_TO_ULAW,
    PCMA,
    PCMU,
    ULAW_SAMPLES,
    ULAW_SILENCE,
    ULAW_TO_ALAW,
    to_alaw,
)


def test_the_ends_of_the_scales_are_those_of_the_recommendation() -> None:
    assert (max(ALAW_SAMPLES), min(ALAW_SAMPLES)) == (32256, -32256)
    assert (max(ULAW_SAMPLES), min(ULAW_SAMPLES)) == (32124, -32124)
    assert ALAW_SAMPLES[0xD5] == 8
    assert ALAW_SAMPLES[0x55] == -8
    assert ULAW_SAMPLES[0xFF] == ULAW_SAMPLES[0x7F] == 0
    assert ALAW_SAMPLES[0xAA] == 32256
    assert ULAW_SAMPLES[0x80] == 32124


def test_each_law_has_its_octets_once_on_each_side_of_zero() -> None:
    assert sorted(ALAW_SAMPLES) == sorted(-sample for sample in ALAW_SAMPLES)
    assert len(set(ALAW_SAMPLES)) == 256
    assert len(set(ULAW_SAMPLES)) == 255


def test_silence_stays_silence() -> None:
    assert ALAW_TO_ULAW[ALAW_SILENCE] in (ULAW_SILENCE, ULAW_SILENCE - 1)
    assert ULAW_TO_ALAW[ULAW_SILENCE] == ALAW_SILENCE


def test_conversion_keeps_sign_and_size() -> None:
    for source, target, table in (
        (ALAW_SAMPLES, ULAW_SAMPLES, ALAW_TO_ULAW),
        (ULAW_SAMPLES, ALAW_SAMPLES, ULAW_TO_ALAW),
    ):
        for code, converted in enumerate(table):
            assert abs(target[converted] - source[code]) <= max(16, abs(source[code]) // 32)
            assert (converted ^ code) & 0x80 == 0


def test_to_alaw_knows_both_laws() -> None:
    assert to_alaw(PCMA, b"\x01\x02") == b"\x01\x02"
    assert to_alaw(PCMU, b"\xff") == bytes([ALAW_SILENCE])
