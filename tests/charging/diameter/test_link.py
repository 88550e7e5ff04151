"""What a peer may do to a connection."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import pytest
import uvloop
from diameter.message import Message
from diameter.message.avp.errors import AvpEncodeError
from diameter.message.avp.grouped import MultipleServicesCreditControl, ProxyInfo
from diameter.message.commands import (
    AbortSessionRequest,
    CreditControlRequest,
    DeviceWatchdogAnswer,
    DeviceWatchdogRequest,
    DisconnectPeerAnswer,
    DisconnectPeerRequest,
    ReAuthRequest,
)
from hypothesis import given
from hypothesis import strategies as some
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from tests.charging.diameter.conversation import PAYER, ask, charging, diameter, used
from tests.charging.diameter.far_end import FarEnd, Say, answer, far_end, granted, nothing, welcome

from louhua.charging.credit import Settled, Settlement, Verdict
from louhua.charging.diameter import breaker, link, online
from louhua.charging.diameter.link import PeerFault
from louhua.charging.diameter.messages import read
from louhua.charging.diameter.online import OnlineCharging

GRANTED, REFUSED, LESS, AWAY = Verdict.GRANTED, Verdict.REFUSED, Verdict.LESS, Verdict.AWAY
DONE, AGAIN, UNSENT, LATE = Settled.DONE, Settled.AGAIN, Settled.UNSENT, Settled.LATE
Talk = Callable[[FarEnd, OnlineCharging], Awaitable[None]]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "RETRY_S", 0.05)
    monkeypatch.setattr(link, "_ANSWER_S", 0.5)


def meet(say: Say, talk: Talk, timeout: str = "300ms", *, capabilities: Callable[[Any], Any] = welcome) -> None:
    """Connect to a far end that says so, and talk."""

    async def run() -> None:
        async with (
            far_end(say, capabilities) as end,
            charging(diameter(end.port, timeout=timeout), connected=capabilities is welcome) as adapter,
        ):
            await talk(end, adapter)

    uvloop.run(run())


def request_of(kind: type[Any], **values: Any) -> bytes:
    request = kind()
    request.header.hop_by_hop_identifier = request.header.end_to_end_identifier = 7
    request.origin_host, request.origin_realm = b"ocs.ocs.example", b"ocs.example"
    for name, value in values.items():
        setattr(request, name, value)
    return bytes(request.as_bytes())


def figure(kind: str, result: str) -> float:
    return REGISTRY.get_sample_value("louhua_diameter_requests_total", {"kind": kind, "result": result}) or 0


def test_less_than_was_asked_for_is_refused_and_to_be_given_back() -> None:
    async def talk(_: FarEnd, adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a", 100), ask("b", 50)]) == [LESS, GRANTED]

    meet(lambda request: answer(request, service=granted(60)), talk)


def test_a_service_refused_in_an_open_session_leaves_a_session_to_end() -> None:
    async def talk(_: FarEnd, adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a")]) == [LESS]

    meet(lambda request: answer(request, service=MultipleServicesCreditControl(result_code=4012)), talk)


@pytest.mark.parametrize(("taken", "debited"), [(granted(60), 60), (granted(100, currency=978), 0)])
def test_a_debit_of_less_is_not_refused(taken: Any, debited: int) -> None:
    """Money was taken: refused, it would be taken again by a session of another name."""

    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        with capture_logs() as logs:
            assert await adapter.debit([ask("a", 100)]) == [AWAY]
            assert await adapter.debit([ask("a", 100, again=True)]) == [AWAY]
        assert [each.session_id for each in end.heard] == ["louhua.example;louhua;a"] * 2
        (first, *_) = [each for each in logs if each["log_level"] == "warning"]
        assert (first["event"], first["asked"], first["debited"]) == ("diameter.debited_less", 100, debited)
        assert PAYER not in str(logs)

    meet(lambda request: answer(request, service=taken), talk)


def test_a_debit_that_is_refused_has_no_session_to_end() -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        assert await adapter.debit([ask("a", 100)]) == [REFUSED]
        assert len(end.heard) == 1

    meet(lambda request: answer(request, service=MultipleServicesCreditControl(result_code=4012)), talk)


def unknown(outcome: str) -> float:
    return REGISTRY.get_sample_value("louhua_diameter_unknown_sessions_total", {"outcome": outcome}) or 0


@pytest.mark.parametrize(
    ("code", "about", "said", "sessions", "outcome"),
    [
        (2001, used("a", 9), DONE, ["a", "a-late"], "debited"),
        (4011, used("a", 9), DONE, ["a", "a-late"], "debited"),
        (4012, used("a", 9), DONE, ["a", "a-late"], "refused"),
        (5012, used("a", 9), LATE, ["a", "a-late"], ""),
        (None, used("a", 9), LATE, ["a", "a-late"], ""),
        (2001, used("a", 9, late=True, again=True), DONE, ["a-late"], "debited"),
        (5012, used("a", 9, late=True, again=True), LATE, ["a-late"], ""),
        (2001, used("a", 0), DONE, ["a"], ""),
        (2001, used("a", 9, again=True), DONE, ["a"], "unclear"),  # its earlier settlement may have been heard
    ],
)
def test_what_was_used_of_a_session_nobody_knows_is_debited_by_one_of_its_own(
    code: int | None, about: Settlement, said: Settled, sessions: list[str], outcome: str
) -> None:
    outcomes = ("debited", "refused", "unclear")

    def say(request: Any) -> bytes:
        return answer(request, 5002 if request.cc_request_type == 3 else code)

    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        before = {each: unknown(each) for each in outcomes}
        with capture_logs() as logs:
            assert await adapter.settle([about]) == [said]
        assert [each.session_id.rpartition(";")[2] for each in end.heard] == sessions
        debits = [each for each in end.heard if each.cc_request_type == 4]
        assert all(each.header.is_retransmit is about.late for each in debits)
        amounts = [each.multiple_services_credit_control[0].requested_service_unit.cc_money for each in debits]
        assert all(money.unit_value.value_digits == about.used for money in amounts)
        assert {each: unknown(each) - before[each] for each in outcomes} == {
            each: int(each == outcome) for each in outcomes
        }
        assert [each["event"] for each in logs] == ["diameter.late_refused"] * (outcome == "refused")
        assert PAYER not in str(logs)

    meet(say, talk)


def test_answers_in_any_order_find_their_questions() -> None:
    held: list[Any] = []

    def say(request: Any) -> bytes | None:
        held.append(request)
        if len(held) < 3:
            return None
        codes = {"a": 2001, "b": 4012, "c": 3004}
        return b"".join(answer(each, codes[each.session_id[-1]]) for each in reversed(held))

    async def talk(_: FarEnd, adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a"), ask("b"), ask("c")]) == [GRANTED, REFUSED, AWAY]

    meet(say, talk)


def test_no_more_wait_for_an_answer_than_the_window_has() -> None:
    async def talk(end: FarEnd, _: OnlineCharging) -> None:
        config = diameter(end.port, window=5)
        async with charging(config) as adapter:
            asked = asyncio.create_task(adapter.reserve([ask(f"s{number}") for number in range(8)]))
            debits = asyncio.create_task(adapter.debit([ask(f"d{number}") for number in range(3)]))
            await end.until(lambda: len(end.heard) == 5)
            await asyncio.sleep(0.05)
            assert sorted(request.cc_request_type for request in end.heard) == [1, 1, 1, 1, 4]
            end.say = answer
            end.send(b"".join(map(answer, end.heard)))
            assert await asked == [GRANTED] * 8
            assert await debits == [GRANTED] * 3

    meet(nothing, talk)


def test_who_has_no_turn_in_time_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "_TURN_S", 0.05)

    async def talk(end: FarEnd, _: OnlineCharging) -> None:
        async with charging(diameter(end.port, window=1, timeout="20s")) as adapter:
            asked = asyncio.create_task(adapter.reserve([ask("a"), ask("b"), ask("c")]))
            before = figure("settle", "no turn")
            await end.until(lambda: end.heard)
            assert await adapter.settle([used("d", 1)]) == [UNSENT]
            assert figure("settle", "no turn") == before + 1
            end.send(answer(end.heard[0]))
            assert await asked == [GRANTED, AWAY, AWAY]
            assert len(end.heard) == 1

    meet(nothing, talk)


def test_while_a_system_hangs_behind_a_relay_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(request: Any) -> bytes | None:
        return watchdog_answer(request) if isinstance(request, DeviceWatchdogRequest) else None

    async def talk(end: FarEnd, _: OnlineCharging) -> None:
        async with charging(diameter(end.port, window=3, timeout="300ms")) as adapter:
            with capture_logs() as logs:
                assert await adapter.reserve([ask(f"s{number}") for number in range(9)]) == [AWAY] * 9
                monkeypatch.setattr(breaker, "TRY_EVERY_S", 3600)
                for _round in range(100):  # without end, if each waited
                    assert await adapter.reserve([ask("a")] * 9) == [AWAY] * 9
                    assert await adapter.settle([used("a", 1)] * 9) == [UNSENT] * 9
            questions = [each for each in end.heard if isinstance(each, CreditControlRequest)]
            assert 2 <= len(questions) < 4, "places are free again one after another"
            assert [each["event"] for each in logs] == ["diameter.hangs", "diameter.no_answer"]
            assert "no reservation is answered" in adapter.health().detail
            assert REGISTRY.get_sample_value("louhua_diameter_hangs") == 1
            await it_answers_again(end, adapter)

    async def it_answers_again(end: FarEnd, adapter: OnlineCharging) -> None:
        monkeypatch.setattr(breaker, "TRY_EVERY_S", 0)
        assert await adapter.reserve([ask("b")]) == [AWAY], "it is asked and not waited for"
        await end.until(lambda: getattr(end.heard[-1], "session_id", "").endswith(";b"))
        end.say = answer
        end.send(answer(end.heard[-1]))
        async with asyncio.timeout(20):
            while adapter.health().detail:
                await asyncio.sleep(0.01)
        assert REGISTRY.get_sample_value("louhua_diameter_hangs") == 0
        assert await adapter.reserve([ask("c")] * 9) == [GRANTED] * 9

    meet(hangs, talk)


def test_debits_that_nobody_answers_hold_no_texts_up() -> None:
    """A system that does no events; and the other way about."""

    def but_events(request: Any) -> bytes | None:
        if isinstance(request, DeviceWatchdogRequest):
            return watchdog_answer(request)
        return None if request.cc_request_type == 4 else answer(request)

    async def talk(end: FarEnd, _: OnlineCharging) -> None:
        async with charging(diameter(end.port, window=8, timeout="300ms")) as adapter:
            debits = asyncio.create_task(adapter.debit([ask(f"d{number}") for number in range(40)]))
            while "no debit is answered" not in adapter.health().detail:
                assert await adapter.reserve([ask("a"), ask("b")]) == [GRANTED] * 2
                assert await adapter.settle([used("a", 1), used("b", 0)]) == [DONE] * 2
            assert await debits == [AWAY] * 40
            assert await adapter.reserve([ask("c")] * 9) == [GRANTED] * 9
            assert "reservation" not in adapter.health().detail
            assert REGISTRY.get_sample_value("louhua_diameter_hangs") == 1

    meet(but_events, talk)


def test_a_settlement_that_tries_a_system_that_hung_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "TRY_EVERY_S", 0)

    async def talk(end: FarEnd, _: OnlineCharging) -> None:
        async with charging(diameter(end.port, window=1, timeout="300ms")) as adapter:
            assert await adapter.settle([used("a", 1)]) == [AGAIN]
            end.say = answer
            assert await adapter.settle([used("a", 1, again=True)]) == [DONE]
            assert await adapter.reserve([ask("b")]) == [GRANTED]

    meet(lambda request: watchdog_answer(request) if isinstance(request, DeviceWatchdogRequest) else None, talk)


def watchdog_answer(request: Any) -> bytes:
    said = request.to_answer()
    said.result_code, said.origin_host, said.origin_realm = 2001, b"ocs.ocs.example", b"ocs.example"
    return bytes(said.as_bytes())


def test_a_late_answer_is_nobodys() -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        before = figure("reserve", "timeout")
        assert await adapter.reserve([ask("a")]) == [AWAY]
        assert figure("reserve", "timeout") == before + 1
        end.send(answer(end.heard[0]))
        assert await adapter.reserve([ask("b")]) == [REFUSED]

    def say(request: Any) -> bytes | None:
        if isinstance(request, DeviceWatchdogRequest):
            return watchdog_answer(request)
        return None if request.session_id.endswith("a") else answer(request, 4012)

    meet(say, talk)


def test_a_peer_that_answers_nothing_is_left_after_one_watchdog() -> None:
    """Requests without answer make the connection doubtful at once, not only after half a minute of silence."""

    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a")]) == [AWAY]
        await end.until(lambda: end.connections == 2)
        assert isinstance(end.heard[1], DeviceWatchdogRequest)

    meet(nothing, talk)


def test_a_silent_connection_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_IDLE_S", 0.1)

    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        await end.until(lambda: len(end.heard) == 3)
        assert all(isinstance(each, DeviceWatchdogRequest) for each in end.heard)
        assert adapter.health().detail == ""
        assert end.connections == 1

    meet(watchdog_answer, talk)


def test_the_peers_watchdog_is_answered() -> None:
    async def talk(end: FarEnd, _: OnlineCharging) -> None:
        end.send(request_of(DeviceWatchdogRequest))
        await end.until(lambda: end.heard)
        (said,) = end.heard
        assert isinstance(said, DeviceWatchdogAnswer)
        assert (said.result_code, said.header.hop_by_hop_identifier) == (2001, 7)
        assert said.origin_host == b"alert1.louhua.example"

    meet(nothing, talk)


def test_a_peer_that_closes_the_connection_is_named_so() -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        with capture_logs() as logs:
            end.close()
            async with asyncio.timeout(20):
                while not adapter.health().detail:
                    await asyncio.sleep(0)
        assert adapter.health().detail == f"127.0.0.1:{end.port}: the peer closed the connection"
        assert [(each["event"], each["why"]) for each in logs] == [
            ("diameter.away", "the peer closed the connection")
        ]

    meet(nothing, talk)


@pytest.mark.parametrize("kind", [AbortSessionRequest, ReAuthRequest])
def test_a_request_that_is_not_for_us_is_refused(kind: type[Any]) -> None:
    proxies = [
        ProxyInfo(proxy_host=f"proxy{number}.ocs.example".encode(), proxy_state=b"\x07") for number in (1, 2)
    ]

    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        session = "louhua.example;louhua;a"
        end.send(request_of(kind, session_id=session, auth_application_id=4, proxy_info=proxies))
        await end.until(lambda: end.heard)
        (said,) = end.heard
        assert said.result_code == 3001
        assert said.header.is_error
        assert said.session_id == session
        assert [each.proxy_host for each in said.proxy_info] == [each.proxy_host for each in proxies]
        assert {each.proxy_state for each in said.proxy_info} == {b"\x07"}
        assert adapter.health().detail == ""

    meet(nothing, talk)


@pytest.mark.parametrize(("cause", "comes_back"), [(0, True), (1, False), (2, False)])
def test_a_peer_may_disconnect(cause: int, comes_back: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_SENT_AWAY_S", 60)

    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        end.send(request_of(DisconnectPeerRequest, disconnect_cause=cause))
        await end.until(lambda: end.heard)
        assert isinstance(end.heard[0], DisconnectPeerAnswer)
        if comes_back:
            await end.until(lambda: end.connections == 2)
        else:
            await asyncio.sleep(0.3)
            assert end.connections == 1
            assert f"cause {cause}" in adapter.health().detail

    meet(nothing, talk)


def test_who_stops_says_so() -> None:
    async def run() -> None:
        async with far_end(nothing) as end:
            async with charging(diameter(end.port)):
                pass
            await end.until(lambda: end.heard)
            assert isinstance(end.heard[0], DisconnectPeerRequest)
            assert end.heard[0].disconnect_cause == 0

    uvloop.run(run())


def test_what_was_asked_when_the_connection_ends_is_away_at_once() -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        before = figure("settle", "lost")
        async with asyncio.timeout(10):
            assert await adapter.settle([used("a", 1), used("b", 1)]) == [AGAIN, AGAIN]
        assert figure("settle", "lost") == before + 2
        await end.until(lambda: end.connections >= 2)

    meet(lambda _: b"not Diameter at all", talk, timeout="20s")


def test_a_connection_that_is_reset_harms_nobody_who_asks() -> None:
    """The transport is closed some turns of the loop before the connection ends: somebody asks in each of them."""

    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        adapter._links[0]._wire.transport.abort()  # type: ignore[union-attr]
        asked: list[asyncio.Task[list[Verdict]]] = []
        while adapter._links[0]._up:
            asked.append(asyncio.create_task(adapter.reserve([ask(f"s{len(asked)}")])))
            await asyncio.sleep(0)
        assert len(asked) > 1
        assert await asyncio.gather(*asked) == [[AWAY]] * len(asked)
        await end.until(lambda: end.connections == 2)

    meet(nothing, talk)


def test_who_stops_while_a_connection_is_reset_says_nothing_on_it() -> None:
    async def run() -> None:
        async with far_end(nothing) as end:
            with capture_logs() as logs:
                async with charging(diameter(end.port)) as adapter:
                    wire = adapter._links[0]._wire
                    assert wire is not None
                    wire.transport.get_protocol().connection_lost = Mock()  # type: ignore[method-assign]
                    wire.transport.abort()
                    for _turn in range(3):
                        await asyncio.sleep(0)
            assert [each["event"] for each in logs] == ["diameter.up"]

    uvloop.run(run())


@pytest.mark.parametrize(
    "front",
    [b"\x01\x00\x00\x00", b"\x01\x00\x00\x13", b"\x01\x00\x00\x15", b"\x01\xff\xff\xfc", b"\x02\x00\x00\x14"],
)
def test_what_is_not_diameter_ends_the_connection(front: bytes) -> None:
    async def talk(end: FarEnd, _: OnlineCharging) -> None:
        end.send(front + bytes(60))
        await end.until(lambda: end.connections == 2)

    meet(nothing, talk)


def test_a_message_that_cannot_be_read_spoils_no_other() -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        broken = bytearray(answer(granted_request()))
        broken[27] = 0xFF  # the first AVP ends far behind the message
        end.send(bytes(broken))
        assert await adapter.reserve([ask("a")]) == [GRANTED]
        assert end.connections == 1

    meet(answer, talk)


def test_a_command_nobody_knows_harms_nothing() -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        strange = bytearray(request_of(DeviceWatchdogRequest))
        strange[5:8] = (9999).to_bytes(3)
        end.send(bytes(strange))
        await end.until(lambda: end.heard)
        assert await adapter.reserve([ask("a")]) == [GRANTED]
        assert end.connections == 1

    def say(message: Any) -> bytes | None:
        return answer(message) if isinstance(message, CreditControlRequest) else None

    meet(say, talk)


@pytest.mark.parametrize("peer", ["no..host:3868", "127.0.0.1:1", "[::1]:1", "no-such-host.invalid:3868"])
def test_a_peer_that_cannot_be_reached_is_tried_for_ever(peer: str) -> None:
    async def run() -> None:
        async with charging(diameter(1, peers=[peer]), connected=False) as adapter, asyncio.timeout(20):
            while "not yet connected" in adapter.health().detail:
                await asyncio.sleep(0.02)
            assert await adapter.debit([ask("a")]) == [AWAY]
            assert await adapter.settle([used("a", 1)]) == [UNSENT]

    uvloop.run(run())


def test_a_question_that_cannot_be_asked_takes_no_place_in_the_window() -> None:
    async def talk(end: FarEnd, _: OnlineCharging) -> None:
        async with charging(diameter(end.port, window=1)) as adapter:
            for _attempt in range(2):
                with pytest.raises(AvpEncodeError, match="too large"):
                    await adapter.reserve([ask("a", 2**70)])
            assert await adapter.reserve([ask("a")]) == [GRANTED]

    meet(answer, talk)


def test_an_answer_of_another_kind_is_none() -> None:
    async def talk(_: FarEnd, adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a")]) == [AWAY]

    def say(request: Any) -> bytes:
        other = DeviceWatchdogRequest()
        other.header.hop_by_hop_identifier = request.header.hop_by_hop_identifier
        return watchdog_answer(other)

    meet(say, talk)


def granted_request() -> Any:
    request = CreditControlRequest()
    request.header.hop_by_hop_identifier = 1
    request.session_id = "louhua.example;louhua;x"
    request.cc_request_type, request.cc_request_number = 1, 0
    return Message.from_bytes(request.as_bytes())


def refuses(request: Any) -> Any:
    said = welcome(request)
    said.result_code = 5010
    return said


def lacks_credit_control(request: Any) -> Any:
    said = welcome(request)
    said.auth_application_id = [16777238]
    return said


@pytest.mark.parametrize(("capabilities", "why"), [(refuses, "5010"), (lacks_credit_control, "application 4")])
def test_a_peer_of_no_use_is_named_with_the_reason(capabilities: Callable[[Any], Any], why: str) -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        await end.until(lambda: end.connections == 2)
        assert await adapter.reserve([ask("a")]) == [AWAY]
        assert why in adapter.health().detail

    meet(nothing, talk, capabilities=capabilities)


def test_a_relay_is_of_use() -> None:
    def relay(request: Any) -> Any:
        said = welcome(request)
        said.auth_application_id = [0xFFFFFFFF]
        return said

    async def talk(_: FarEnd, adapter: OnlineCharging) -> None:
        await asyncio.wait_for(adapter.connected(), 10)
        assert await adapter.reserve([ask("a")]) == [GRANTED]

    meet(answer, talk, capabilities=relay)


def test_we_say_nothing_of_our_state() -> None:
    """An Origin-State-Id that grows with each start would tell servers that all our sessions are gone."""
    seen: list[Any] = []

    def look(request: Any) -> Any:
        seen.append(request)
        return welcome(request)

    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        await asyncio.wait_for(adapter.connected(), 10)
        await adapter.reserve([ask("a")])
        assert [each.origin_state_id for each in (*seen, *end.heard)] == [None, None]

    meet(answer, talk, capabilities=look)


def test_numbers_are_masked_and_figures_told() -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        refused, up = figure("reserve", "4012"), {"peer": f"127.0.0.1:{end.port}"}
        with capture_logs() as logs:
            await adapter.reserve([ask("a")])
            await adapter.settle([used("a", 1)])
        assert [each["event"] for each in logs] == ["diameter.not_granted", "diameter.not_settled"]
        assert {each["payer"] for each in logs} == {"*********8000"}
        assert PAYER not in str(logs)
        assert figure("reserve", "4012") == refused + 1
        assert REGISTRY.get_sample_value("louhua_diameter_peer_up", up) == 1
        stray = REGISTRY.get_sample_value("louhua_diameter_stray_answers_total", up) or 0
        end.send(answer(end.heard[0]))
        end.send(request_of(DeviceWatchdogRequest))
        await end.until(lambda: isinstance(end.heard[-1], DeviceWatchdogAnswer))
        assert REGISTRY.get_sample_value("louhua_diameter_stray_answers_total", up) == stray + 1

    meet(lambda request: answer(request, 4012 if getattr(request, "cc_request_type", 0) == 1 else 5012), talk)


@given(some.binary(max_size=200), some.integers(0, 300))
def test_whatever_bytes_come_are_a_message_or_a_fault(body: bytes, length: int) -> None:
    async def run() -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(b"\x01" + length.to_bytes(3) + b"\x40\x00\x01\x10" + body)
        reader.feed_eof()
        with suppress(PeerFault, EOFError):
            message = await link._read(reader)
            assert message is None or read(message, 156) is not None

    asyncio.run(run())


def test_whoever_stops_waiting_spoils_nothing() -> None:
    async def talk(end: FarEnd, adapter: OnlineCharging) -> None:
        asked = asyncio.create_task(adapter.reserve([ask("a")]))
        await end.until(lambda: end.heard)
        asked.cancel()
        end.send(answer(end.heard[0]))
        with pytest.raises(asyncio.CancelledError):
            await asked
        end.say = answer
        assert await adapter.reserve([ask(f"s{number}") for number in range(500)]) == [GRANTED] * 500

    meet(nothing, talk, timeout="5s")
