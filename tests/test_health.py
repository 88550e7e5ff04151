"""A node is well when every process has lately said so."""

import time
from pathlib import Path

from louhua.health import Check, HealthFile, health_directory, summary


def test_nobody_has_spoken_yet(tmp_path: Path) -> None:
    assert summary(tmp_path, time.time()) == (False, {})


def test_all_is_well(tmp_path: Path) -> None:
    HealthFile(tmp_path, "call").write({"sip": Check(ok=True)})
    HealthFile(tmp_path, "alert").write({"smsc a": Check(ok=True, detail="1 of 1 bound")})
    well, processes = summary(tmp_path, time.time())
    assert well
    assert set(processes) == {"alert", "call"}


def test_one_bad_check_is_enough(tmp_path: Path) -> None:
    HealthFile(tmp_path, "alert").write({"smsc a": Check(ok=False, detail="0 of 1 bound"), "db": Check(ok=True)})
    well, processes = summary(tmp_path, time.time())
    assert not well
    assert "0 of 1 bound" in str(processes["alert"])


def test_a_silent_process_is_not_well(tmp_path: Path) -> None:
    HealthFile(tmp_path, "call").write({})
    assert summary(tmp_path, time.time())[0]
    assert not summary(tmp_path, time.time() + 60)[0]


def test_a_half_written_report_is_passed_over(tmp_path: Path) -> None:
    HealthFile(tmp_path, "call").write({})
    (health_directory(tmp_path) / "alert.json").write_text("{")
    well, processes = summary(tmp_path, time.time())
    assert well
    assert set(processes) == {"call"}


def test_a_report_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "health").touch()
    HealthFile(tmp_path, "call").write({"sip": Check(ok=True)})
    assert HealthFile(tmp_path, "call").read() is None
