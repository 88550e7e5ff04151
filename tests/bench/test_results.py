"""What a measurement prints, for people and for machines."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from louhua.bench.results import Result, percentile, show

RESULT = Result(
    bench="calls",
    unit="call",
    count=2400,
    rate=120.4,
    failures=0,
    p50_ms=12.5,
    p99_ms=40.25,
    cpu_ms={"alert": 0.6, "call": 5.40004, "total": 6.0},
    peak_mb=249.7,
    details={"at_once": 620, "rtp_gap_p99_ms": 21.5},
)


def test_json_is_one_object_with_the_promised_keys() -> None:
    read = json.loads(RESULT.to_json())
    assert set(read) >= {"rate", "failures", "p50_ms", "p99_ms", "cpu_ms", "peak_mb"}
    assert read["cpu_ms"] == {"alert": 0.6, "call": 5.4, "total": 6.0}
    assert read["at_once"] == 620


def shown(result: Result) -> list[str]:
    console = Console(width=80, record=True, file=None, quiet=False)
    with console.capture() as captured:
        show(result, console)
    return captured.get().splitlines()


def test_the_table_fits_a_terminal() -> None:
    lines = shown(RESULT)
    assert max(len(line) for line in lines) <= 80
    assert any("CPU a call: total" in line and "6.00 ms" in line for line in lines)


@pytest.mark.parametrize(("unit", "rate"), [("call", "120.4 calls/s"), ("delivery", "120.4 deliveries/s")])
def test_units_are_several(unit: str, rate: str) -> None:
    assert rate in "".join(shown(msgspec.structs.replace(RESULT, unit=unit)))


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.5, 0.0),
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 3.0),
        ([float(n) for n in range(100)], 0.99, 99.0),
    ],
)
def test_percentiles(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_one_of_the_values(values: list[float], share: float) -> None:
    assert percentile(values, share) in values
