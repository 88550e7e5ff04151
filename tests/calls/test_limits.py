"""What bounds a node: full, draining, stopping; and what survives when its processes are killed."""

import re
import signal
from pathlib import Path

from tests.calls.conftest import Server, until
from tests.calls.sipp.scenario import DIVERSION, Scenario

from louhua.bus.events import Outcome

PATIENT = "Diversion: <sip:13800138004@ims>"
MESSAGE = "Diversion: <sip:13800138003@ims>"
REFUSED = Scenario().invite(DIVERSION).ringing().expect(503, has=[("Retry-After", "5")]).ack_refusal()


def waiting_caller() -> Scenario:
    return Scenario().answered(PATIENT).await_request("BYE", limit_ms=20_000)


def test_a_full_node_refuses_the_next_call(servers: list[Server], tmp_path: Path) -> None:
    servers.append(server := Server(tmp_path, max_calls=2))
    callers = [server.call(Scenario().answered(PATIENT).pause(800).bye(), calls=2)]
    server.wait("answered")
    server.wait("answered")
    refused = server.call(REFUSED)
    refused.finish()
    for caller in callers:
        caller.finish()
    server.ended(callers[0])
    server.ended(callers[0])
    again = server.call(Scenario().answered(PATIENT).bye())
    again.finish()
    server.ended(again)
    assert server.events_of(refused) == []


def test_a_call_that_cannot_be_noted_is_refused(servers: list[Server], tmp_path: Path) -> None:
    servers.append(server := Server(tmp_path))
    live = server.call(Scenario().answered(PATIENT).pause(1500).bye())
    server.wait("answered")
    server.order("disk-full")
    refused = server.call(REFUSED)
    refused.finish()
    live.finish()
    assert server.ended(live)["outcome"] == "abandoned"
    server.order("disk-free")
    again = server.call(Scenario().answered(PATIENT).bye())
    again.finish()
    server.ended(again)
    assert server.events_of(refused) == []


def test_the_longest_call(servers: list[Server], tmp_path: Path) -> None:
    servers.append(server := Server(tmp_path, longest_call="1s"))
    caller = server.call(waiting_caller())
    caller.finish()
    assert server.ended(caller)["outcome"] == "completed"


def test_draining_refuses_new_calls_and_lets_live_ones_end(servers: list[Server], tmp_path: Path) -> None:
    servers.append(server := Server(tmp_path))
    caller = server.call(Scenario().answered(PATIENT).pause(700).bye())
    server.wait("answered")
    server.order("stop 20")
    refused = server.call(REFUSED)
    refused.finish()
    assert server.process.poll() is None
    caller.finish()
    assert server.ended(caller)["outcome"] == "abandoned"
    assert server.wait("stopped")["waiting"] == 0
    server.process.wait(10)


def test_calls_that_outlast_the_limit_are_ended(servers: list[Server], tmp_path: Path) -> None:
    servers.append(server := Server(tmp_path))
    caller = server.call(waiting_caller(), calls=3)
    for _ in range(3):
        server.wait("answered")
    server.order("stop 0.3")
    caller.finish()
    assert server.wait("stopped")["waiting"] == 0
    assert [event["outcome"] for event in server.events_of(caller)] == ["completed"] * 3


def test_a_killed_media_process_ends_its_calls_and_the_next_are_served(
    servers: list[Server], tmp_path: Path
) -> None:
    servers.append(server := Server(tmp_path))
    caller = server.call(waiting_caller(), calls=3)
    speaker = server.call(Scenario().answered(MESSAGE).speak().await_request("BYE"))
    for _ in range(4):
        server.wait("answered")
    until(lambda: any(file.stat().st_size > 10_000 for file in (server.data / "recordings").iterdir()))
    server.order("kill-media")
    caller.finish()
    speaker.finish()
    outcomes = [server.ended(caller)["outcome"] for _ in range(3)]
    assert outcomes == ["failed"] * 3
    message = server.ended(speaker)
    assert (message["outcome"], message["choice"]) == ("failed", "message")
    assert 1000 < message["recording_ms"] < 4000
    until(lambda: server.log().count('"media.started"') == 2)
    again = server.call(Scenario().answered(PATIENT).bye())
    again.finish()
    server.ended(again)


def test_kill_9_in_mid_call_loses_no_event(servers: list[Server], tmp_path: Path) -> None:
    servers.append(server := Server(tmp_path))
    caller = server.call(Scenario().answered().info("2").await_request("BYE"), calls=2)
    waiting = server.call(waiting_caller(), calls=3)
    for _ in range(5):
        server.wait("answered")
    for _ in range(2):
        server.wait("key", key="2")
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    caller.stop()
    waiting.stop()
    done = {event["id"]: event for event in (*server.events_of(caller), *server.events_of(waiting))}
    servers.append(second := Server(tmp_path))
    left = [entry["event"] for entry in second.news if entry["news"] == "left"]
    ended = {event["id"]: event for event in left} | done
    assert len(ended) == 5
    assert sorted(event["choice"] for event in ended.values()) == ["call_back"] * 2 + ["none"] * 3
    assert {event["outcome"] for event in left} <= {Outcome.FAILED}


def test_many_calls_leave_one_event_each(servers: list[Server], tmp_path: Path) -> None:
    servers.append(server := Server(tmp_path))
    scenario = Scenario().answered().pause(100).press("2").await_request("BYE")
    caller = server.call(scenario, calls=60, rate=40)
    messages = caller.finish()
    pressed = len(re.findall(r"^BYE ", messages, re.MULTILINE))
    events = [server.ended(caller) for _ in range(60)]
    assert pressed == 60
    assert len({event["id"] for event in events}) == 60
    assert [event["choice"] for event in events].count("call_back") >= 59
    assert server.events_of(caller) == []
