"""The spool: nothing lost, nothing invented, whatever byte a process dies at."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from louhua.bus.events import CallEnded, Choice, Outcome, Reason, Treatment
from louhua.calls.call import CallInfo, Recording, Result
from louhua.calls.spool import Spool, recorded_so_far

AT = datetime(2026, 11, 23, 9, 5, tzinfo=UTC)


def info(number: int) -> CallInfo:
    return CallInfo(
        id=f"call-{number}", trunk="t", sip_call_id=f"{number}@h", caller="8613900139000",
        callee="8613800138000", reason=Reason.UNREACHABLE, started_at=AT + timedelta(seconds=number),
    )  # fmt: skip


def ended(number: int, choice: Choice = Choice.CALL_BACK) -> CallEnded:
    about = info(number)
    return CallEnded(
        id=about.id, node="n", trunk=about.trunk, sip_call_id=about.sip_call_id, callee=about.callee,
        caller=about.caller, reason=about.reason, treatment=Treatment.MENU, choice=choice,
        outcome=Outcome.COMPLETED, started_at=about.started_at, ended_at=AT + timedelta(hours=1),
    )  # fmt: skip


def reopened(directory: Path, **options: int) -> tuple[Spool, dict[str, CallEnded]]:
    spool = Spool(directory, "n", **options)
    return spool, {event.id: event for event in spool.batch(10_000)}


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.journal"))


def test_an_ended_call_waits_until_it_is_stored(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "n")
    spool.begin(info(1))
    assert spool.batch(10) == []
    spool.end(ended(1))
    assert spool.batch(10) == [ended(1)]
    assert reopened(tmp_path)[1] == {"call-1": ended(1)}
    spool.stored(["call-1"])
    assert spool.waiting == 0


def test_a_live_call_of_a_dead_process_ends_as_failed_with_what_was_known(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "n")
    spool.begin(info(1))
    spool.note("call-1", Result(treatment=Treatment.MENU, choice=Choice.CALL_OTHER, other_number="861088886666"))
    spool.begin(info(2))
    _, events = reopened(tmp_path)
    first, second = events["call-1"], events["call-2"]
    assert (first.outcome, first.choice, first.other_number) == (
        Outcome.FAILED,
        Choice.CALL_OTHER,
        "861088886666",
    )
    assert (second.outcome, second.choice, second.sip_call_id) == (Outcome.FAILED, Choice.NONE, "2@h")
    assert first.ended_at >= first.started_at
    assert reopened(tmp_path)[1] == events


def test_a_call_that_was_refused_after_all_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "n")
    spool.begin(info(1))
    spool.stored(["call-1"])
    assert reopened(tmp_path)[1] == {}


@pytest.mark.parametrize(("seconds", "choice"), [(3, Choice.MESSAGE), (1, Choice.NONE)])
def test_a_recording_under_way_is_a_message_when_longer_than_a_second(
    tmp_path: Path, seconds: int, choice: Choice
) -> None:
    path = tmp_path / "call-1.alaw"
    path.write_bytes(bytes(8000 * seconds))
    spool = Spool(tmp_path / "spool", "n")
    spool.begin(info(1))
    spool.recording("call-1", str(path))
    event = reopened(tmp_path / "spool")[1]["call-1"]
    assert event.choice is choice
    assert (event.recording, event.recording_ms) == (
        ("call-1.alaw", 3000) if choice is Choice.MESSAGE else ("", 0)
    )


def test_a_finished_recording_is_named_by_a_call_that_was_live(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "n")
    spool.begin(info(1))
    recording = Recording(path="/gone/call-1.alaw", ms=4200, key="#")
    spool.note("call-1", Result(choice=Choice.MESSAGE, recording=recording))
    event = reopened(tmp_path)[1]["call-1"]
    assert (event.recording, event.recording_ms, event.choice) == ("call-1.alaw", 4200, Choice.MESSAGE)


def test_a_recording_that_never_began_is_none(tmp_path: Path) -> None:
    assert recorded_so_far(str(tmp_path / "nothing.alaw")) is None


def test_segments_go_in_their_order_and_only_when_no_call_needs_them(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "n", segment_bytes=1)
    for number in (1, 2):
        spool.begin(info(number))
        spool.end(ended(number))
    assert len(segments(tmp_path)) == 5
    spool.stored(["call-2"])
    assert len(segments(tmp_path)) == 6
    assert set(reopened(tmp_path)[1]) == {"call-1"}
    spool.stored(["call-1"])
    assert len(segments(tmp_path)) <= 2


def test_events_beyond_those_in_memory_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("louhua.calls.spool._IN_MEMORY", 2)
    spool = Spool(tmp_path, "n", segment_bytes=2000)
    for number in range(10):
        spool.begin(info(number))
        spool.end(ended(number))
    assert spool.batch(100) == [ended(number) for number in range(10)]
    assert spool.batch(3) == [ended(number) for number in range(3)]


def full(_file: int, _data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def torn(file: int, data: bytes) -> int:
    return REAL_WRITE(file, data[:20])


REAL_WRITE = os.write


@pytest.mark.parametrize("write", [full, torn])
def test_a_full_disk_takes_no_call_and_loses_none_that_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[int, bytes], int]
) -> None:
    spool = Spool(tmp_path, "n")
    assert spool.begin(info(1))
    monkeypatch.setattr("louhua.calls.spool.os.write", write)
    assert not spool.begin(info(2))
    spool.end(ended(1))
    assert spool.batch(10) == [ended(1)]
    monkeypatch.setattr("louhua.calls.spool.os.write", REAL_WRITE)
    assert spool.begin(info(3))
    restored = reopened(tmp_path)[1]
    assert {name: event.outcome for name, event in restored.items()} == dict.fromkeys(
        ("call-1", "call-3"), Outcome.FAILED
    )


def test_where_no_new_segment_can_be_the_old_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, "n", segment_bytes=1)
    before = segments(tmp_path)

    def no_file(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("louhua.calls.spool.os.open", no_file)
        assert spool.begin(info(1))
        assert spool.begin(info(2))
    assert segments(tmp_path) == before
    assert spool.begin(info(3))
    assert len(segments(tmp_path)) == len(before) + 1
    assert set(reopened(tmp_path)[1]) == {"call-1", "call-2", "call-3"}


Operation = tuple[str, int]
CALLS = st.integers(0, 7)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operations=st.lists(st.tuples(st.sampled_from(["begin", "note", "end", "stored"]), CALLS), max_size=40),
    segment_bytes=st.sampled_from([1, 700, 3000, 100_000]),
    cut=st.floats(0, 1),
    torn=st.binary(max_size=12),
)
def test_any_prefix_of_what_was_written_restores_what_it_says(
    tmp_path_factory: pytest.TempPathFactory,
    operations: list[Operation],
    segment_bytes: int,
    cut: float,
    torn: bytes,
) -> None:
    """The process may die within any write: what stands in whole lines counts, and nothing else."""
    directory = tmp_path_factory.mktemp("spool")
    spool = Spool(directory, "n", segment_bytes=segment_bytes)
    state: dict[int, str] = {}
    history = [dict(state)]
    last_write = b""
    for name, number in operations:
        legal = {"begin": None, "note": "live", "end": "live", "stored": "ended"}[name]
        if state.get(number) != legal:
            continue
        newest = segments(directory)[-1]
        before = newest.stat().st_size
        if name == "begin":
            spool.begin(info(number))
            state[number] = "live"
        elif name == "note":
            spool.note(f"call-{number}", Result(choice=Choice.POWER_ON))
        elif name == "end":
            spool.end(ended(number))
            state[number] = "ended"
        else:
            spool.stored([f"call-{number}"])
            state[number] = "stored"
        last_write = newest.read_bytes()[before:] if newest.exists() else b""
        history.append(dict(state))
    expected = history[-1]
    if last_write and segments(directory)[-1].stat().st_size:
        keep = int(cut * len(last_write))
        newest = segments(directory)[-1]
        newest.write_bytes(newest.read_bytes()[: -len(last_write)] + last_write[:keep])
        if keep < len(last_write):
            expected = history[-2]
    with segments(directory)[-1].open("ab") as file:
        file.write(torn.replace(b"\n", b""))
    _, events = reopened(directory)
    assert set(events) == {f"call-{n}" for n, s in expected.items() if s in {"live", "ended"}}
    for number, what in expected.items():
        if what == "ended":
            assert events[f"call-{number}"] == ended(number)
        elif what == "live":
            assert events[f"call-{number}"].outcome is Outcome.FAILED


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_spool import ended, info
from louhua.calls.spool import Spool
spool = Spool(Path({directory!r}), "n", segment_bytes=20_000)
number = 0
while True:
    spool.begin(info(number))
    print("begun", number, flush=True)
    if number % 3:
        spool.end(ended(number))
        print("ended", number, flush=True)
    if number % 5 == 4:
        spool.stored([f"call-{{number}}"])
        print("stored", number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("after_s", [0.01, 0.05, 0.2])
def test_kill_9_loses_nothing_that_was_said_to_be_written(tmp_path: Path, after_s: float) -> None:
    program = WRITER.format(tests=str(Path(__file__).parent), directory=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        deadline = time.monotonic() + after_s
        while time.monotonic() < deadline:
            lines.append(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        lines += [line for line in writer.stdout.readlines() if line.endswith("\n")]
    said: dict[str, set[int]] = {"begun": set(), "ended": set(), "stored": set()}
    for line in lines:
        word, number = line.split()
        said[word].add(int(number))
    _, events = reopened(tmp_path)
    found = {int(name.removeprefix("call-")) for name in events}
    assert said["begun"] - said["stored"] <= found | {max(said["begun"])}
    assert not found & said["stored"]
    assert found <= said["begun"] | {max(said["begun"]) + 1}
    completed = {n for n in found if events[f"call-{n}"].outcome is Outcome.COMPLETED}
    assert said["ended"] - said["stored"] <= completed | {max(said["begun"])}


def test_it_costs_less_than_a_tenth_of_a_millisecond_a_call(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "n")
    began = time.process_time()
    for number in range(2000):
        spool.begin(info(number))
        spool.note(f"call-{number}", Result(choice=Choice.CALL_BACK))
        spool.end(ended(number))
        if number % 50 == 49:
            spool.stored([f"call-{earlier}" for earlier in range(number - 49, number + 1)])
    per_call_ms = (time.process_time() - began) * 1000 / 2000
    spool.sync()
    spool.close()
    assert per_call_ms < 0.1, per_call_ms
