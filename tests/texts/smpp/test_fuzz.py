"""Nothing an SMSC sends raises anything: a bounded run of the fuzzer, and of hypothesis on the same target."""

import platform
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.texts.smpp.fuzz_target import one_input, seeds

HERE = Path(__file__).parent
SEEDS = list(seeds())
SECONDS = 12


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_the_seeds_pass(seed: bytes) -> None:
    one_input(seed)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A seed of which octets are changed, cut out, or repeated."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(data)))
        end = min(len(data), place + draw(st.integers(0, 8)))
        data[place:end] = draw(st.binary(max_size=8)) * draw(st.sampled_from([1, 1, 30]))
    return bytes(data)


@settings(max_examples=500)
@given(spoilt() | st.binary(max_size=300))
@example(b"\0" + b"\xff" * 40)
def test_hypothesis_finds_nothing(data: bytes) -> None:
    one_input(data)


@pytest.mark.slow
def test_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    """atheris has wheels for Linux on x86-64 only; elsewhere hypothesis looks for as long."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64") and find_spec("atheris") is None:
        settings(max_examples=20_000)(given(spoilt())(one_input))()
        return
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS):
        (corpus / str(number)).write_bytes(seed)
    run = subprocess.run(
        [
            *(sys.executable, HERE / "fuzz.py", f"-max_total_time={SECONDS}", "-max_len=800", "-timeout=5"),
            *(f"-artifact_prefix={tmp_path}/", corpus),
        ],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    done = re.search(r"Done (\d+) runs", run.stderr)
    assert done is not None
    assert int(done[1]) > 1000
