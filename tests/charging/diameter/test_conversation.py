"""Real conversations: Louhua's adapter, freeDiameter as the relay, the sandbox's charging system."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from tests.charging.diameter.conversation import (
    PATIENCE_S,
    Network,
    OcsProcess,
    ask,
    charging,
    diameter,
    network,
    until_routed,
    used,
)
from tests.peers.freediameter import free_port

from louhua.charging.credit import Settled, Verdict
from louhua.charging.diameter.online import OnlineCharging

POOR = "8613900139000"
OWN = "alert1.louhua.example"
GRANTED, REFUSED, AWAY = Verdict.GRANTED, Verdict.REFUSED, Verdict.AWAY
DONE, AGAIN = Settled.DONE, Settled.AGAIN


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Network]:
    """The relay and the charging system, up."""
    with network(tmp_path) as built:
        yield built


@pytest.fixture
def ocs(tmp_path: Path) -> Iterator[OcsProcess]:
    """A charging system without a relay, not started."""
    server = OcsProcess(tmp_path, free_port(), OWN)
    yield server
    server.kill()


def talk(net: Network, what: Callable[[OnlineCharging], Awaitable[None]]) -> None:
    """Do ``what`` with the adapter once requests reach the charging system."""

    async def run() -> None:
        async with charging(net.config) as adapter:
            await until_routed(adapter)
            await what(adapter)

    uvloop.run(run())


def assert_balances(net: Network, *expected: str) -> None:
    """What each request left."""
    assert [balance for _, balance in net.ocs.await_requests(len(expected))] == list(expected)


def test_money_is_reserved_and_charged(net: Network) -> None:
    async def what(adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a", 100)]) == [GRANTED]
        assert await adapter.settle([used("a", 100)]) == [DONE]

    talk(net, what)
    assert_balances(net, "0.900", "0.900")


def test_money_is_given_back_in_whole_or_in_part(net: Network) -> None:
    async def what(adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a", 100), ask("b", 300)]) == [GRANTED, GRANTED]
        assert await adapter.settle([used("a", 0), used("b", 200)]) == [DONE, DONE]

    talk(net, what)
    assert_balances(net, "0.900", "0.600", "0.700", "0.800")


def test_who_has_no_money_is_refused_and_others_are_not(net: Network) -> None:
    async def what(adapter: OnlineCharging) -> None:
        asks = [ask("a", 100), ask("b", 100, POOR), ask("c", 900), ask("d", 1)]
        assert await adapter.reserve(asks) == [GRANTED, REFUSED, GRANTED, REFUSED]

    talk(net, what)
    assert_balances(net, "0.900", "0.000", "0.000", "0.000")


def test_a_debit_takes_money_once(net: Network) -> None:
    async def what(adapter: OnlineCharging) -> None:
        assert await adapter.debit([ask("rent", 600), ask("poor", 600, POOR)]) == [GRANTED, REFUSED]
        assert await adapter.debit([ask("rent", 600, again=True)]) == [GRANTED]
        assert await adapter.debit([ask("rent-2", 600)]) == [REFUSED]

    talk(net, what)
    assert_balances(net, "0.400", "0.000", "0.400", "0.400")


def test_what_is_settled_twice_is_charged_once(net: Network) -> None:
    async def what(adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a", 100)]) == [GRANTED]
        assert await adapter.settle([used("a", 100)]) == [DONE]
        assert await adapter.settle([used("a", 100, again=True)]) == [DONE]

    talk(net, what)
    assert_balances(net, "0.900", "0.900", "0.900")


def test_an_answer_that_is_lost_is_asked_for_again_and_charged_once(net: Network) -> None:
    """The charging system hangs when the question comes, does what it was asked later, and is asked again."""

    async def what(adapter: OnlineCharging) -> None:
        net.ocs.freeze()
        assert await adapter.reserve([ask("a", 100)]) == [AWAY]
        net.ocs.thaw()
        await asyncio.to_thread(net.ocs.await_line, "reserve.*;a$")
        assert await adapter.reserve([ask("a", 100, again=True)]) == [GRANTED]
        assert await adapter.settle([used("a", 100)]) == [DONE]

    talk(net, what)
    assert_balances(net, "0.900", "0.900", "0.900")
    assert net.ocs.await_line(r"reserve.*\(again\).*;a$")


def test_a_charging_system_that_dies_is_away_until_it_is_back(net: Network) -> None:
    async def what(adapter: OnlineCharging) -> None:
        assert await adapter.reserve([ask("a", 100), ask("b", 100)]) == [GRANTED, GRANTED]
        net.ocs.freeze()
        asked = asyncio.create_task(adapter.reserve([ask("c", 100)]))
        await asyncio.sleep(0)
        net.ocs.kill()
        assert await asked == [AWAY]
        assert await adapter.settle([used("a", 100)]) == [AGAIN]
        assert await adapter.debit([ask("rent", 100)]) == [AWAY]
        await asyncio.to_thread(net.ocs.start)
        await until_routed(adapter)
        # What it had reserved is forgotten; what it was asked when it died is asked again.
        assert await adapter.settle([used("a", 100, again=True)]) == [DONE]
        assert await adapter.reserve([ask("c", 100, again=True)]) == [GRANTED]
        assert await adapter.reserve([ask("c", 100, again=True)]) == [GRANTED]
        assert await adapter.settle([used("c", 100)]) == [DONE]

    talk(net, what)
    assert_balances(net, "1.000", "0.900", "0.900", "0.900")


def test_what_was_used_of_a_reservation_that_timed_out_is_debited(tmp_path: Path) -> None:
    """The phone was off for longer than the charging system keeps a session."""
    ocs = OcsProcess(tmp_path, free_port(), OWN, "1.000", "--forget", "0s")

    async def run() -> None:
        async with charging(diameter(ocs.port)) as adapter:
            assert await adapter.reserve([ask("a", 400), ask("b", 400), ask("c", 900)]) == [GRANTED] * 3
            assert await adapter.settle([used("a", 400), used("b", 0), used("c", 900)]) == [DONE] * 3
            assert await adapter.settle([used("a", 400, late=True)]) == [DONE]

    ocs.start()
    try:
        uvloop.run(run())
        assert ocs.await_line(r"settle  0.900 .*: 5002, .*;c$")
        assert ocs.await_line(r"debit   0.400 .*: 2001, balance 0.600, .*;a-late$")
        assert ocs.await_line(r"debit   0.900 .*: 4012, .*;c-late$")
        assert ocs.await_line(r"debit   0.400 .*: 2001 \(again\), balance 0.600, .*;a-late$")
        assert not [line for line in ocs.lines if "b-late" in line]
    finally:
        ocs.kill()


def test_three_hundred_reservations_at_once(net: Network) -> None:
    async def what(adapter: OnlineCharging) -> None:
        asks = [ask(f"s{number}", 100, f"86138{number:08}") for number in range(300)]
        assert await adapter.reserve(asks) == [GRANTED] * 300
        assert await adapter.settle([used(each.session, 100, each.payer) for each in asks]) == [DONE] * 300

    talk(net, what)
    assert_balances(net, *["0.900"] * 600)


def test_whose_peer_is_away_at_start_is_served_when_it_comes(ocs: OcsProcess) -> None:
    async def run() -> None:
        async with charging(diameter(ocs.port), connected=False) as adapter:
            assert await adapter.reserve([ask("a")]) == [AWAY]
            assert adapter.health().ok, "texts go by policy"
            assert f"127.0.0.1:{ocs.port}" in adapter.health().detail
            await asyncio.to_thread(ocs.start)
            await asyncio.wait_for(adapter.connected(), PATIENCE_S)
            assert adapter.health().detail == ""
            assert await adapter.reserve([ask("a", again=True)]) == [GRANTED]

    uvloop.run(run())


def test_the_next_peer_is_asked_while_the_first_is_away(tmp_path: Path, ocs: OcsProcess) -> None:
    (tmp_path / "second").mkdir()
    second = OcsProcess(tmp_path / "second", free_port(), OWN)

    async def run() -> None:
        peers = [f"127.0.0.1:{server.port}" for server in (ocs, second)]
        async with charging(diameter(ocs.port, peers=peers)) as adapter:
            async with asyncio.timeout(PATIENCE_S):
                while adapter.health().detail:
                    await asyncio.sleep(0.05)
            assert await adapter.reserve([ask("a")]) == [GRANTED]
            ocs.kill()
            async with asyncio.timeout(PATIENCE_S):
                while await adapter.reserve([ask("b")]) == [AWAY]:
                    await asyncio.sleep(0.05)
            assert adapter.health().ok
            assert str(ocs.port) in adapter.health().detail
            assert {session for session, _ in second.await_requests(1)} == {"louhua.example;louhua;b"}

    ocs.start()
    second.start()
    try:
        uvloop.run(run())
    finally:
        second.kill()


def test_who_is_not_known_to_the_peer_is_told_why(ocs: OcsProcess) -> None:
    async def run() -> None:
        stranger = diameter(ocs.port, origin_host="stranger.louhua.example")
        async with charging(stranger, connected=False) as adapter, asyncio.timeout(PATIENCE_S):
            while "3010" not in adapter.health().detail:
                await asyncio.sleep(0.05)

    ocs.start()
    uvloop.run(run())
