"""What crosses on the wire, comes too early, too late, or not at all."""

from pathlib import Path

import pytest
from tests.calls.conftest import Server
from tests.calls.sipp.scenario import DIVERSION, HOLD, RESUME, SDP, Scenario
from tests.calls.test_calls import MESSAGE, PATIENT, responses, summary
from tests.calls.test_requests import Peer, code


def test_cancel_that_crosses_our_200(server: Server) -> None:
    """The transaction is over with the 200 (RFC 3261, section 13.3.1.4); the caller hangs up instead."""
    scenario = Scenario().invite(PATIENT).ringing().expect(200).cancel().expect(481).pause(100)
    caller = server.call(scenario.ack().bye())
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "abandoned")
    assert server.events_of(caller) == []


def test_bye_while_early_media_plays(server: Server) -> None:
    """A caller may end an early dialogue by BYE as well (RFC 3261, section 15)."""
    scenario = Scenario().invite(PATIENT).ringing().expect(183).pause(100).request("BYE")
    caller = server.call(scenario.expect(487).ack_refusal().expect(200), source="127.0.0.2")
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "abandoned")


def test_an_invite_that_expires(server: Server) -> None:
    scenario = Scenario().invite(PATIENT, "Expires: 1").ringing().expect(183).expect(487).ack_refusal()
    caller = server.call(scenario, source="127.0.0.2")
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "abandoned")


def test_a_change_before_the_ack(server: Server) -> None:
    scenario = Scenario().invite(PATIENT).ringing().expect(200)
    scenario.reinvite(HOLD).ringing().expect(200, has=[("CSeq", "2 INVITE")]).request("ACK", cseq=2).pause(100)
    caller = server.call(scenario.request("ACK", cseq=1).info("5").bye())
    caller.finish()
    server.wait("key", call=server.ended(caller)["sip_call_id"], key="5")


@pytest.mark.parametrize("answer", [SDP.replace("audio [media_port]", "audio 0"), "v=0\nnonsense"])
def test_an_answer_without_a_stream_ends_the_call(server: Server, answer: str) -> None:
    scenario = Scenario().invite(DIVERSION, sdp=None).ringing().expect(200).ack(answer).await_request("BYE")
    caller = server.call(scenario)
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "failed")


def test_an_answer_that_holds_is_resumed(server: Server) -> None:
    scenario = Scenario().invite(DIVERSION, sdp=None).ringing().expect(200).ack(HOLD).pause(200)
    scenario.reinvite(RESUME).ringing().expect(200, has=[("body", "sendrecv")]).ack()
    caller = server.call(scenario.await_request("BYE"))
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "completed")


def test_a_change_of_address_and_payload_type(server: Server) -> None:
    """From another port, keys at another payload type: what comes the old way no longer counts."""
    moved = SDP.replace("101", "96").replace("o=caller 1 1", "o=caller 1 2")
    scenario = Scenario().answered(PATIENT).reinvite(moved).ringing()
    scenario.expect(200, has=[("body", "RTP/AVP 8 96")]).ack().press("3").pause(450)
    scenario.reinvite(RESUME).ringing().expect(200, has=[("body", "RTP/AVP 8 101")]).ack().press("4").pause(450)
    caller = server.call(scenario.bye())
    caller.finish()
    call = server.ended(caller)["sip_call_id"]
    keys = [entry["key"] for entry in server.news if entry["news"] == "key" and entry["call"] == call]
    assert keys == ["4"]


def test_a_caller_who_never_acknowledges_reliable_early_media_is_given_up(
    servers: list[Server], tmp_path: Path
) -> None:
    """After as long as an ACK is waited for (RFC 3262, section 3), and never answered with 200 meanwhile."""
    servers.append(server := Server(tmp_path, ack_limit_s=2))
    scenario = Scenario().invite(MESSAGE, "Supported: 100rel").ringing().expect(183)
    caller = server.call(scenario.expect(504, limit_ms=2500).ack_refusal(), source="127.0.0.2")
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "failed")


def test_a_refusal_is_repeated_until_it_is_acknowledged_also_when_stopping(
    servers: list[Server], tmp_path: Path
) -> None:
    servers.append(server := Server(tmp_path))
    scenario = Scenario().invite(PATIENT).ringing().expect(183).expect(480).pause(700)
    caller = server.call(scenario.ack_refusal(), source="127.0.0.2")
    server.wait("answered")
    server.order("stop 0.1")
    messages = caller.finish()
    assert responses(messages).count(("480", "1 INVITE")) >= 2
    server.process.wait(5)


def test_our_bye_is_sent_also_when_stopping(servers: list[Server], tmp_path: Path) -> None:
    """It waits for the ACK, and the node waits for it."""
    servers.append(server := Server(tmp_path))
    caller = server.call(Scenario().invite(PATIENT).ringing().expect(200).pause(600).ack().await_request("BYE"))
    server.wait("answered")
    server.order("stop 0.1")
    caller.finish()
    server.process.wait(5)


def test_options_says_what_an_invite_would_get(servers: list[Server], tmp_path: Path) -> None:
    """RFC 3261, section 11.2; a proxy that asks so sends no calls to a node that refuses them."""
    servers.append(server := Server(tmp_path, max_calls=1))
    caller = server.call(Scenario().answered(PATIENT).pause(1000).bye())
    server.wait("answered")
    full = options(server)
    assert code(full) == 503
    assert "Retry-After: 5\r\n" in full
    caller.finish()
    server.ended(caller)
    assert code(options(server)) == 200
    server.order("drain")
    assert code(options(server)) == 503


def options(server: Server) -> str:
    peer = Peer(server)
    try:
        peer.request("OPTIONS")
        return peer.response()
    finally:
        peer.close()
