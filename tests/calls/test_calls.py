"""Calls with SIPp as the caller: what it hears of SIP, and the one event that each call leaves."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.calls.conftest import Server, until
from tests.calls.sipp.scenario import CALLEE, DIVERSION, HOLD, RESUME, SDP, Scenario


def diverted(callee: str, reason: str = "unavailable") -> str:
    return f"Diversion: <sip:{callee}@ims;user=phone>;reason={reason};counter=1"


RELEASE = diverted("13800138001", "user-busy")
ANNOUNCE = diverted("13800138002", "no-answer")
MESSAGE = diverted("13800138003")
PATIENT = diverted("13800138004")
THOUGHTFUL = diverted("13800138005")
BROKEN = diverted("13800138006")


def summary(event: dict[str, Any]) -> tuple[str, ...]:
    return tuple(event[name] for name in ("treatment", "choice", "outcome"))


def responses(messages: str) -> list[tuple[str, str]]:
    """Status and CSeq of every response in SIPp's trace."""
    return re.findall(r"^SIP/2\.0 (\d+) .*\n(?:.+\n)*?CSeq: (.+)$", messages, re.MULTILINE)


def test_a_forwarded_call_with_a_key_in_rtp(server: Server) -> None:
    scenario = Scenario().answered(has=[("body", "RTP/AVP 8 101"), ("Allow", "INFO")])
    caller = server.call(scenario.pause(300).press("2").await_request("BYE"))
    caller.finish()
    event = server.ended(caller)
    assert summary(event) == ("menu", "call_back", "completed")
    assert (event["caller"], event["callee"], event["reason"]) == (
        "8613900139000",
        "8613800138000",
        "unreachable",
    )
    assert event["trunk"] == "connect"
    assert event["started_at"] <= event["answered_at"] <= event["ended_at"]
    assert len(event["id"]) == 32
    assert server.events_of(caller) == []


@pytest.mark.parametrize(("key", "body_type"), [("4", "application/dtmf-relay"), ("4", "application/dtmf")])
def test_a_key_by_info_interrupts_the_prompt(server: Server, key: str, body_type: str) -> None:
    scenario = Scenario().answered(DIVERSION).pause(200).info(key, body_type)
    caller = server.call(scenario.await_request("BYE", limit_ms=1500))
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "power_on", "completed")


def test_a_key_both_by_info_and_in_rtp_counts_once(server: Server) -> None:
    caller = server.call(Scenario().answered(PATIENT).pause(200).info("7").press("7").pause(450).info("8").bye())
    caller.finish()
    server.ended(caller)
    keys = [entry["key"] for entry in server.news if entry["news"] == "key" and caller.id in entry["call"]]
    assert keys == ["7", "8"]


def test_a_caller_who_presses_nothing(server: Server) -> None:
    caller = server.call(Scenario().answered(DIVERSION).await_request("BYE"))
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "completed")


def test_release_without_voice(server: Server) -> None:
    caller = server.call(Scenario().invite(RELEASE).ringing().expect(486).ack_refusal())
    caller.finish()
    event = server.ended(caller)
    assert summary(event) == ("release", "none", "released")
    assert (event["answered_at"], event["reason"]) == (None, "busy")


def test_announcement(server: Server) -> None:
    caller = server.call(Scenario().answered(ANNOUNCE).await_request("BYE"))
    caller.finish()
    assert summary(server.ended(caller)) == ("announce", "none", "completed")


@pytest.mark.parametrize(
    ("headers", "uri", "to", "source", "callee"),
    [
        (("Diversion: <tel:+8613800138001>;reason=unknown",), "", "", "127.0.0.1", "8613800138001"),
        (
            (
                "History-Info: <sip:13800138001@ims?Reason=SIP%3Bcause%3D486>;index=1",
                "History-Info: <sip:06001@louhua;cause=486>;index=1.1",
            ),
            "", "", "127.0.0.1", "8613800138001",
        ),
        (("P-Called-Party-ID: <sip:+8613800138001@ims>",), "", "", "127.0.0.1", "8613800138001"),
        (("Supported: timer",), "", "<tel:+8613800138001>", "127.0.0.1", "8613800138001"),
        (("Supported: timer",), "sip:13800138001@[remote_ip]", "", "127.0.0.1", "8613800138001"),
        (("Supported: timer",), "tel:+8613800138001", "", "127.0.0.1", "8613800138001"),
        (("Supported: timer",), "sip:9911113800138001@[remote_ip]", "", "127.0.0.3", "8613800138001"),
        (
            ("Diversion: <sip:13700137000@i>", "Diversion: <sip:13800138001@i>"),
            "", "", "127.0.0.3", "8613800138001",
        ),
    ],
)  # fmt: skip
def test_each_way_of_naming_the_called_number(
    server: Server, headers: tuple[str, ...], uri: str, to: str, source: str, callee: str
) -> None:
    scenario = Scenario().invite(*headers, uri=uri or "sip:06001@[remote_ip]:[remote_port]", to=to or CALLEE)
    caller = server.call(scenario.ringing().expect(486).ack_refusal(), source=source)
    caller.finish()
    assert server.ended(caller)["callee"] == callee


def test_a_withheld_caller_is_not_named(server: Server) -> None:
    identity = "P-Asserted-Identity: <tel:+8613900139000>"
    caller = server.call(Scenario().invite(RELEASE, identity, "Privacy: id").ringing().expect(486).ack_refusal())
    caller.finish()
    assert server.ended(caller)["caller"] == ""


@pytest.mark.parametrize(("callee", "registered"), [("13800138007", True), ("13800138008", False)])
def test_profiles_or_the_defaults_when_the_database_is_slow(server: Server, callee: str, registered: bool) -> None:
    caller = server.call(Scenario().invite(diverted(callee)).ringing().expect(480).ack_refusal())
    caller.finish()
    event = server.ended(caller)
    assert server.wait("profiles", call=event["sip_call_id"])["callee"] is registered
    waited = _seconds(event["ended_at"]) - _seconds(event["started_at"])
    assert waited < 0.3 if registered else 0.3 <= waited < 0.8


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


# The caller leaves.


def test_hanging_up_in_the_menu(server: Server) -> None:
    caller = server.call(Scenario().answered(DIVERSION).pause(300).bye())
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "abandoned")


def test_hanging_up_after_a_choice_completes_the_call(server: Server) -> None:
    caller = server.call(Scenario().answered(DIVERSION).pause(200).info("2").pause(100).bye())
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "call_back", "completed")


def test_bye_before_the_ack(server: Server) -> None:
    caller = server.call(Scenario().invite(PATIENT).ringing().expect(200).bye())
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "abandoned")


def test_cancel_before_the_answer_still_makes_an_event(server: Server) -> None:
    scenario = Scenario().invite(THOUGHTFUL).expect(100).pause(200).cancel()
    caller = server.call(scenario.expect(200).expect(487).ack_refusal())
    caller.finish()
    event = server.ended(caller)
    assert summary(event) == ("menu", "none", "abandoned")
    assert event["answered_at"] is None
    server.wait("hung up", call=event["sip_call_id"])


def test_cancel_of_an_answered_call_is_too_late(server: Server) -> None:
    scenario = Scenario().invite(PATIENT).ringing().expect(200).ack().cancel().expect(481).pause(100).bye()
    caller = server.call(scenario)
    caller.finish()
    server.ended(caller)


def test_hanging_up_while_recording_leaves_a_message(server: Server) -> None:
    caller = server.call(Scenario().answered(MESSAGE).speak().pause(1250).bye())
    caller.finish()
    event = server.ended(caller)
    assert summary(event) == ("menu", "message", "completed")
    assert 1000 < event["recording_ms"] < 2600
    assert (server.data / "recordings" / event["recording"]).stat().st_size == event["recording_ms"] * 8
    assert event["recording"].startswith(event["id"])


def test_hanging_up_within_a_second_of_recording_leaves_none(server: Server) -> None:
    caller = server.call(Scenario().answered(MESSAGE).speak().pause(300).bye())
    caller.finish()
    event = server.ended(caller)
    assert (event["choice"], event["recording"], event["recording_ms"]) == ("none", "", 0)
    # The event comes first, whatever then goes wrong in letting go.
    until(lambda: not list((server.data / "recordings").glob(f"{event['id']}*")))


@pytest.mark.parametrize("by_info", [True, False])
def test_a_key_ends_the_recording(server: Server, by_info: bool) -> None:
    scenario = Scenario().answered(MESSAGE).speak().pause(400)
    scenario = scenario.info("#") if by_info else scenario.press("#")
    caller = server.call(scenario.await_request("BYE"))
    caller.finish()
    event = server.ended(caller)
    assert server.wait("recorded", call=event["sip_call_id"])["key"] == "#"
    assert event["choice"] == "message"


def test_a_key_pressed_into_the_beep_means_nothing_after_the_message(server: Server) -> None:
    scenario = Scenario().answered(diverted("13800138009")).info("5").speak().pause(1500).info("#")
    caller = server.call(scenario.await_request("BYE"))
    caller.finish()
    event = server.ended(caller)
    assert server.wait("key", call=event["sip_call_id"])["key"] is None


# The platform ends the call.


def test_a_dialogue_with_a_fault_ends_the_call_and_is_told(server: Server) -> None:
    caller = server.call(Scenario().answered(BROKEN).await_request("BYE"))
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "failed")
    assert "on purpose" in server.log()


def test_our_bye_waits_for_a_late_ack(server: Server) -> None:
    scenario = Scenario().invite(BROKEN).ringing().expect(200).pause(700).ack()
    caller = server.call(scenario.await_request("BYE"))
    messages = caller.finish()
    assert responses(messages).count(("200", "1 INVITE")) >= 2
    assert messages.index("ACK sip:") < messages.index("BYE sip:")
    server.ended(caller)


def test_our_bye_is_repeated_until_it_is_answered(server: Server) -> None:
    caller = server.call(Scenario().answered(BROKEN).await_silently("BYE").pause(700).accept())
    assert caller.finish().count("BYE sip:") >= 2
    server.ended(caller)


# The session changes.


def test_hold_and_resume(server: Server) -> None:
    scenario = Scenario().answered(PATIENT).pause(100)
    scenario.reinvite(HOLD).ringing().expect(200, has=[("body", "recvonly")]).ack()
    scenario.info("5")
    scenario.reinvite(RESUME).ringing().expect(200, has=[("body", "sendrecv")]).ack()
    caller = server.call(scenario.info("6").bye())
    caller.finish()
    event = server.ended(caller)
    for key in ("5", "6"):
        server.wait("key", call=event["sip_call_id"], key=key)


def test_a_change_that_we_cannot_follow_leaves_the_call_as_it_is(server: Server) -> None:
    scenario = Scenario().answered(PATIENT).reinvite(SDP.replace("0 8 101", "18"))
    scenario.ringing().expect(488).ack_change()
    caller = server.call(scenario.info("5").bye())
    caller.finish()
    server.wait("key", call=server.ended(caller)["sip_call_id"], key="5")


def test_a_change_without_sdp_asks_for_our_offer(server: Server) -> None:
    scenario = Scenario().answered(PATIENT).reinvite(None).ringing().expect(200, has=[("body", "RTP/AVP 8 0 101")])
    caller = server.call(scenario.ack(SDP).press("3").pause(450).bye())
    caller.finish()
    server.wait("key", call=server.ended(caller)["sip_call_id"], key="3")


def test_an_invite_without_sdp(server: Server) -> None:
    scenario = Scenario().invite(DIVERSION, sdp=None).ringing()
    scenario.expect(200, has=[("body", "RTP/AVP 8 0 101")]).ack(SDP)
    caller = server.call(scenario.pause(300).press("2").await_request("BYE"))
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "call_back", "completed")


def test_an_answer_to_our_offer_that_does_not_fit_ends_the_call(server: Server) -> None:
    scenario = Scenario().invite(DIVERSION, sdp=None).ringing().expect(200).ack(SDP.replace("0 8 101", "18"))
    caller = server.call(scenario.await_request("BYE"))
    caller.finish()
    assert summary(server.ended(caller))[2] == "failed"


# Early media.


def test_early_media_is_free_until_the_end(server: Server) -> None:
    scenario = Scenario().invite(DIVERSION, "P-Early-Media: supported").ringing()
    scenario.expect(183, has=[("P-Early-Media", "sendrecv"), ("body", "RTP/AVP 8 101")])
    caller = server.call(scenario.pause(200).info("2").expect(480).ack_refusal(), source="127.0.0.2")
    messages = caller.finish()
    assert ("200", "1 INVITE") not in responses(messages)
    assert ("480", "1 INVITE") in responses(messages)
    event = server.ended(caller)
    assert summary(event) == ("menu", "call_back", "completed")
    assert event["answered_at"] is not None


def test_early_media_without_the_header_of_its_kind(server: Server) -> None:
    scenario = Scenario().invite(ANNOUNCE).ringing().expect(183).expect(480).ack_refusal()
    caller = server.call(scenario, source="127.0.0.2")
    assert "P-Early-Media" not in caller.finish()
    assert summary(server.ended(caller)) == ("announce", "none", "completed")


def test_early_media_and_then_an_answer_for_a_message(server: Server) -> None:
    scenario = Scenario().invite(MESSAGE).ringing().expect(183).expect(200).ack().speak().pause(1250).bye()
    caller = server.call(scenario, source="127.0.0.2")
    caller.finish()
    event = server.ended(caller)
    assert event["choice"] == "message"
    free = [server.wait("free", call=event["sip_call_id"])["free"] for _ in range(2)]
    assert free == [True, False]


def test_cancel_while_early_media_plays(server: Server) -> None:
    scenario = Scenario().invite(PATIENT).ringing().expect(183).pause(200).cancel()
    caller = server.call(scenario.expect(200).expect(487).ack_refusal(), source="127.0.0.2")
    caller.finish()
    assert summary(server.ended(caller)) == ("menu", "none", "abandoned")


def test_reliable_early_media_is_repeated_until_prack(server: Server) -> None:
    scenario = Scenario().invite(MESSAGE, "Supported: 100rel, timer").ringing()
    scenario.expect(183, has=[("Require", "100rel"), ("RSeq", "1")]).pause(700)
    scenario.request("PRACK", "RAck: 1 1 INVITE").expect(200, has=[("CSeq", "PRACK")])
    caller = server.call(scenario.expect(200, has=[("CSeq", "INVITE")]).ack().bye(), source="127.0.0.2")
    messages = caller.finish()
    assert responses(messages).count(("183", "1 INVITE")) == 2
    server.ended(caller)


def test_prack_of_something_else_is_refused(server: Server) -> None:
    scenario = Scenario().invite(PATIENT, "Require: 100rel").ringing().expect(183)
    scenario.request("PRACK", "RAck: 7 1 INVITE").expect(481)
    scenario.request("PRACK", "RAck: 1 1 INVITE").expect(200)
    caller = server.call(scenario.cancel().expect(200).expect(487).ack_refusal(), source="127.0.0.2")
    caller.finish()
    server.ended(caller)


def test_a_caller_who_never_confirms_is_given_up(servers: list[Server], tmp_path: Path) -> None:
    servers.append(Server(tmp_path, ack_limit_s=1.2))
    scenario = Scenario().invite(PATIENT).ringing().expect(200).await_request("BYE")
    caller = servers[0].call(scenario)
    messages = caller.finish()
    assert responses(messages).count(("200", "1 INVITE")) >= 2
    assert summary(servers[0].ended(caller)) == ("menu", "none", "failed")
