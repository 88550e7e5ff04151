"""The client's own promises, against the sandbox's SMSC in the same event loop."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.texts.smpp.harness import PHONE, Harness, esme, numbered, text

from louhua.sandbox.smsc import SandboxSmsc
from louhua.texts.smpp.client import back_off
from louhua.texts.smpp.codec import encode
from louhua.texts.smpp.errors import NotBound, Unanswered
from louhua.texts.smpp.pdu import BindTransceiverResp
from louhua.texts.smpp.states import State
from louhua.texts.smpp.status import Outcome
from louhua.texts.smpp.tlv import Tag

TLS = Path(__file__).parent / "tls"
Story = Callable[[SandboxSmsc, Harness], Awaitable[None]]


def play(story: Story, *, latency: float = 0.0, **options: Any) -> None:
    """Run a story with a bound client."""

    async def run() -> None:
        smsc = SandboxSmsc(latency=latency)
        port = await smsc.start()
        try:
            async with esme(port, **options) as harness:
                await story(smsc, harness)
        finally:
            await smsc.stop()

    asyncio.run(run())


def test_results_and_receipts_come_in_batches() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        results = await harness.submit(numbered(500))
        assert [result.key for result in results] == list(range(500))
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        assert len(harness.batches) < 100
        await harness.until(lambda: len(harness.receipts) == 500)

    play(story)


def test_texts_arrive_in_their_order() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        await harness.submit(numbered(300))
        assert [one.body for one in smsc.inbox(PHONE)] == [f"text {key}" for key in range(300)]

    play(story, window=7)


def test_the_rate_is_kept() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        await harness.submit(numbered(30))
        first, last = smsc.delivered[0].at, smsc.delivered[-1].at
        # A burst of eleven is allowed at first: the bucket's content.
        assert last - first >= (30 - 11) / 100 * 0.9

    play(story, rate=100.0)


def test_the_window_is_kept() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        highest = 0
        harness.client.submit_many(numbered(40))

        def done() -> bool:
            nonlocal highest
            highest = max(highest, harness.client.health().links[0].outstanding)
            return len(harness.results) == 40

        await harness.until(done)
        assert highest == 5

    play(story, window=5, latency=0.02)


def test_connections_share_the_work_and_one_may_go() -> None:
    async def story(smsc: SandboxSmsc, harness: Harness) -> None:
        assert len(harness.client.health().links) == 3
        harness.client.submit_many(numbered(30))
        await harness.until(lambda: all(link.outstanding for link in harness.client.health().links))
        await harness.until(lambda: len(harness.results) == 30)
        next(iter(smsc._connections)).drop()
        await harness.until(lambda: [link.bound for link in harness.client.health().links].count(True) == 2)
        results = await harness.submit(numbered(30))
        assert {result.outcome for result in results} == {Outcome.ACCEPTED}
        await harness.bound()

    play(story, connections=3, window=4, latency=0.01)


def test_room_says_how_much_keeps_the_connections_busy() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        client = harness.client
        assert await client.wait_room() == client.room == 40
        client.submit_many(numbered(40))
        assert client.room == 0
        waiting = asyncio.create_task(client.wait_room())
        await harness.until(lambda: len(harness.results) == 40)
        assert await waiting >= 11

    play(story, window=20, latency=0.01)


def test_what_no_pdu_can_carry_is_permanent() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        bad, good = await harness.submit([text(1, to="8" * 30), text(2)])
        assert (bad.outcome, bad.status) == (Outcome.PERMANENT, None)
        assert "30 octets" in bad.detail
        assert good.outcome is Outcome.ACCEPTED

    play(story)


def test_stopping_waits_for_what_is_in_flight_and_sends_nothing_new() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        harness.client.submit_many(numbered(20))
        await harness.until(lambda: harness.client.health().links[0].outstanding == 5)
        await harness.client.stop()
        outcomes = [result.outcome for result in harness.results]
        assert len(outcomes) == 20
        assert outcomes.count(Outcome.ACCEPTED) == 5
        assert outcomes.count(Outcome.RETRY_LATER) == 15
        harness.client.submit_many([text(99)])
        await harness.until(lambda: len(harness.results) == 21)
        assert harness.results[-1].outcome is Outcome.RETRY_LATER

    play(story, window=5, latency=0.05)


def test_stopping_does_not_wait_for_ever() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        harness.client.submit_many([text(1)])
        await harness.until(lambda: harness.client.health().links[0].outstanding == 1)
        await harness.client.stop(drain=0.05)
        assert [result.outcome for result in harness.results] == [Outcome.UNKNOWN]

    play_deaf(story)


def play_deaf(story: Story, **options: Any) -> None:
    """Run a story with an SMSC that stops answering once the client is bound."""

    async def deafened(smsc: SandboxSmsc, harness: Harness) -> None:
        smsc.latency = 30.0
        await story(smsc, harness)

    play(deafened, **options)


def test_a_query_that_is_not_answered_says_so() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        with pytest.raises(Unanswered):
            await harness.client.query("1", "06001")

    play_deaf(story, response_timeout=timedelta(seconds=0.2))


def test_an_smsc_that_comes_late_is_found() -> None:
    async def run() -> None:
        smsc = SandboxSmsc()
        port = await smsc.start()
        await smsc.stop()
        async with esme(port, bound=False) as harness:
            await harness.until(lambda: "cannot connect" in harness.client.health().links[0].problem)
            (early,) = await harness.submit([text(1)])
            assert early.outcome is Outcome.RETRY_LATER
            with pytest.raises(NotBound):
                await harness.client.cancel("1", "06001", PHONE)
            later = SandboxSmsc()
            await later.start(port=port)
            try:
                await harness.bound()
                (result,) = await harness.submit([text(2)])
                assert result.outcome is Outcome.ACCEPTED
            finally:
                await later.stop()

    asyncio.run(run())


def test_tls() -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")

    async def run() -> None:
        smsc = SandboxSmsc()
        port = await smsc.start(tls=server)
        try:
            async with esme(port, tls=True, bound=False) as stranger:
                await stranger.until(
                    lambda: "certificate verify failed" in stranger.client.health().links[0].problem
                )
            trusting = ssl.create_default_context(cafile=str(TLS / "certificate.pem"))
            async with esme(port, tls=True, ssl_context=trusting) as harness:
                (result,) = await harness.submit([text(1)])
                assert result.outcome is Outcome.ACCEPTED
        finally:
            await smsc.stop()

    asyncio.run(run())


def test_a_server_that_says_nothing_is_left() -> None:
    async def run() -> None:
        left = asyncio.Event()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            left.set()

        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with esme(port, bound=False, response_timeout=timedelta(seconds=0.2)) as harness:
            await asyncio.wait_for(left.wait(), 5)
            await harness.until(lambda: "bind" in harness.client.health().links[0].problem)
        server.close()

    asyncio.run(run())


@asynccontextmanager
async def sleeper() -> AsyncIterator[int]:
    """The port of a server that answers a bind and then reads no more."""
    done = asyncio.Event()

    async def bind_and_sleep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(16)
        writer.write(encode(BindTransceiverResp(1, 0, "sleeper")))
        await done.wait()
        writer.transport.abort()

    server = await asyncio.start_server(bind_and_sleep, "127.0.0.1", 0, limit=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        server.close()


LARGE = ((int(Tag.MESSAGE_PAYLOAD), bytes(60_000)),)


def test_an_smsc_that_does_not_read_gets_nothing_new() -> None:
    """The socket fills up; what was written has an unknown outcome, the rest is not sent."""

    async def run() -> None:
        async with sleeper() as port:
            async with esme(port, window=10_000, response_timeout=timedelta(seconds=1)) as harness:
                harness.client.submit_many(numbered(500, tlvs=LARGE))
                await harness.until(lambda: not harness.client._links()[0].ready)
                sent = harness.client.counters.submitted
                assert 0 < sent <= 500
                assert harness.client.health().bound
                harness.client.submit_many([text(1000)])
                await harness.until(lambda: len(harness.results) >= sent)
                assert {result.outcome for result in harness.results[:sent]} == {Outcome.UNKNOWN}
                assert harness.client.counters.submitted == sent
                assert harness.client.health().queued == 501 - sent
            assert len(harness.results) == 501

    asyncio.run(run())


def test_a_connection_that_cannot_be_emptied_is_cut() -> None:
    async def run() -> None:
        quick = timedelta(seconds=0.2)
        async with (
            sleeper() as port,
            esme(port, window=10_000, enquire_link=quick, response_timeout=quick) as harness,
        ):
            harness.client.submit_many(numbered(500, tlvs=LARGE))
            await harness.until(lambda: harness.client.counters.connects == 2)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("failures", "chance", "seconds"),
    [(0, 1.0, 0.5), (1, 0.0, 0.25), (1, 1.0, 0.5), (2, 1.0, 1.0), (5, 1.0, 8.0), (7, 1.0, 30.0), (99, 0.5, 22.5)],
)
def test_back_off(failures: int, chance: float, seconds: float) -> None:
    assert back_off(failures, chance) == seconds


def test_health_says_all() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        await harness.submit(numbered(3))
        await harness.until(lambda: len(harness.receipts) == 3)
        health = harness.client.health()
        assert (health.smsc, health.bound, health.queued) == ("test", True, 0)
        assert (health.links[0].kind, health.links[0].bound, health.links[0].problem) == (
            "BindTransceiver",
            True,
            "",
        )
        counters = health.counters
        assert (counters.submitted, counters.accepted, counters.received, counters.connects) == (3, 3, 3, 1)

    play(story)


def test_sessions_end_closed() -> None:
    async def story(_: SandboxSmsc, harness: Harness) -> None:
        link = harness.client._links()[0]
        await harness.client.stop()
        assert link.session.state is State.CLOSED
        assert link.closed.result() == "unbound by us"

    play(story)
