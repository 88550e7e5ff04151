"""Each bench runs, small: it measures what it says and finds no failure. Speed is not tested here."""

import os

import pytest

from louhua.bench import alerts, billing, calls, charging, imports, reachable, texts
from louhua.bench.calls import _pace
from louhua.bench.results import Result


def quiet(_line: str) -> None:
    """Say nothing."""


def check(result: Result, count: int) -> None:
    assert result.failures == 0
    assert result.count == count
    assert result.rate > 0
    assert result.p99_ms >= result.p50_ms > 0
    assert result.cpu_ms["total"] > 0
    assert result.peak_mb > 10


@pytest.mark.skipif(os.geteuid() != 0, reason="SIPp presses keys over raw sockets")
@pytest.mark.slow
def test_calls() -> None:
    result = calls.run(5, 4, quiet)
    check(result, 20)
    assert result.details["keys_sent"] == result.details["keys_understood"] == 20
    assert result.details["records"] == 20
    assert 15 < result.details["rtp_gap_p50_ms"] < 25
    assert {"call", "alert", "postgres", "nats"} <= set(result.cpu_ms)


@pytest.mark.slow
@pytest.mark.parametrize("rules", [False, True])
def test_alerts(rules: bool) -> None:
    filling = alerts.Filling(open_alerts=1000, watches=200, old_records=3000)
    result = alerts.run(500, 50, filling, quiet, rules=rules)
    check(result, 500)
    assert result.details["failures_with_open_alerts"] == result.details["failures_while_purging"] == 0
    assert result.details["rate_with_open_alerts"] > 0
    assert result.details["rate_with_old_records"] > 0
    assert result.details["rate_while_purging"] > 0
    assert result.details["alerts_purged_meanwhile"] >= 1000
    assert 0.01 < result.details["disk_gb"] < 8


@pytest.mark.slow
def test_reachable() -> None:
    result = reachable.run(50, 2, 500, 200, quiet)
    check(result, 100)
    assert result.details["open_alerts"] == 500


@pytest.mark.slow
@pytest.mark.parametrize("rules", [False, True])
def test_texts(rules: bool) -> None:
    check(texts.run(300, quiet, rules=rules), 300)


@pytest.mark.slow
def test_charging() -> None:
    result = charging.run(300, 100, quiet)
    check(result, 300)
    assert {"alert", "postgres", "total"} <= set(result.cpu_ms)


@pytest.mark.slow
def test_import() -> None:
    result = imports.run(3000, quiet)
    assert result.failures == 0
    assert result.count == 3000
    assert result.rate > 0
    assert {"import", "postgres", "total"} <= set(result.cpu_ms)
    assert result.details["seconds_again"] > 0


@pytest.mark.slow
def test_billing() -> None:
    result = billing.run(10_000, quiet)
    check(result, 10_000)
    assert {"run", "postgres", "total"} <= set(result.cpu_ms)
    assert result.details["owing"] == 100
    assert result.details["yuan"] == 5 * 9900 + 2 * 100
    assert result.details["seconds_again"] > 0
    assert 10 < result.details["peak_mb_of_the_run"] <= result.peak_mb


@pytest.mark.parametrize("rate", [0.5, 1, 20, 33.3, 120, 150])
def test_calls_are_spread_evenly(rate: float) -> None:
    step_ms, each = _pace(rate)
    assert abs(each * 1000 / step_ms - rate) <= rate / 200
    assert each <= 4
