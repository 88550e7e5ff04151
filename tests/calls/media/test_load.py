"""Many callers at once, all of them streaming: no call and no key is lost among the others."""

import pytest
from tests.calls.media.load import GOODBYE_FRAMES, run


def test_no_call_and_no_key_is_lost() -> None:
    figures = run(40, 1, stream=True)
    assert figures["calls"] == figures["Closed"] == figures["key 2"] == 40
    assert figures["Played"] == 80
    assert figures["packets a call"] == pytest.approx(150 + GOODBYE_FRAMES, abs=4)
    assert figures["gaps measured"] > 200
    assert figures["gap p50 ms"] == pytest.approx(20, abs=1)
