"""``POST /api/v1/reachable`` over HTTP, with a real server and a real NATS."""

import asyncio
import http.client
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from louhua.bus.embedded import EmbeddedNats
from louhua.bus.events import PhoneReachable, Source, decode
from louhua.bus.nats import Bus
from louhua.config import Config, Nats, current, set_current
from louhua.db.migrate import setup_django
from louhua.informants import Api

SECRET = "0123456789abcdef-hlr"
NUMBER = "8613800138000"


class Answer(msgspec.Struct):
    status: int
    body: Any
    headers: dict[str, str]


class Site:
    """The site on a port of loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    def request(self, body: bytes | None, headers: dict[str, str], method: str, path: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            return Answer(answer.status, json.loads(text) if text[:1] in b"{[" else text, dict(answer.headers))
        finally:
            connection.close()

    async def post(self, body: Any, token: str | None = SECRET, **headers: str) -> Answer:
        octets = body if isinstance(body, bytes) else json.dumps(body).encode()
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await asyncio.to_thread(self.request, octets, named, "POST", "/api/v1/reachable")

    async def get(self, path: str) -> Answer:
        return await asyncio.to_thread(self.request, None, {}, "GET", path)


Tell = Callable[..., None]


@pytest.fixture
def tell(
    config: Config, nats_server: EmbeddedNats, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Tell]:
    """Tell a story at the site; keywords are keys of ``[api]``, or ``nats``, a URL."""
    assert nats_server
    setup_django(config)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    def run(story: Callable[[Site], Awaitable[None]], nats: str = "embedded", **keys: Any) -> None:
        settings = Api.model_validate({"tokens": {"hlr": SECRET, "other": "x" * 16}, **keys})
        set_current(config.model_copy(update={"api": settings, "nats": Nats(url=nats)}))
        asyncio.run(served(story))

    yield run
    set_current(config)


async def served(story: Callable[[Site], Awaitable[None]]) -> None:
    import uvicorn

    from louhua.web.api import site
    from louhua.web.asgi import application

    site.state = site._State()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve([listening]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            await story(Site(listening.getsockname()[1]))
        finally:
            await site.state.door.close()
            server.should_exit = True
            with suppress(asyncio.CancelledError):
                await serving


async def events() -> list[PhoneReachable]:
    """What is in the stream."""
    bus = await Bus.connect(current())
    try:
        state = (await bus._stream.stream_info("PHONES")).state
        messages = [
            await bus._stream.get_msg("PHONES", seq)
            for seq in range(state.first_seq, state.last_seq + 1 if state.messages else 0)
        ]
    finally:
        await bus.close()
    return [event for message in messages for event in decode(PhoneReachable, message.data or b"")]


def test_one_phone(tell: Tell) -> None:
    async def story(site: Site) -> None:
        await fresh()
        before = datetime.now(UTC)
        answer = await site.post({"number": "138 0013 8000", "id": "n1"})
        assert (answer.status, answer.body) == (202, {"stored": 1, "ids": ["api:hlr:n1"]})
        (event,) = await events()
        assert (event.id, event.number, event.source) == ("api:hlr:n1", NUMBER, Source.API)
        assert before <= event.at <= datetime.now(UTC)

    tell(story)


def test_many_phones(tell: Tell) -> None:
    async def story(site: Site) -> None:
        await fresh()
        at = datetime.now(UTC) - timedelta(minutes=5)
        items = [{"number": f"+86138{n:08}", "at": at.isoformat()} for n in range(1000)]
        answer = await site.post(items)
        assert (answer.status, answer.body["stored"]) == (202, 1000)
        found = await events()
        assert {event.number for event in found} == {f"86138{n:08}" for n in range(1000)}
        assert {event.at for event in found} == {at}

    tell(story)


@pytest.mark.parametrize(
    ("items", "headers"),
    [
        ([{"number": NUMBER, "id": "a"}, {"number": "8613900139000", "id": "b"}], {}),
        ([{"number": NUMBER}, {"number": "8613900139000"}], {"Idempotency_Key": "batch-7"}),
        ([{"number": NUMBER, "at": "2026-11-23T12:00:00+08:00"}], {}),
    ],
)
def test_what_is_sent_again_is_the_same_event(tell: Tell, items: list[Any], headers: dict[str, str]) -> None:
    async def story(site: Site) -> None:
        await fresh()
        answers = [await site.post(items, **headers) for _ in range(3)]
        assert {answer.status for answer in answers} == {202}
        assert {tuple(answer.body["ids"]) for answer in answers} == {tuple(answers[0].body["ids"])}
        assert len(await events()) == len(items)
        other = await site.post(items, "x" * 16, **headers)
        assert not set(other.body["ids"]) & set(answers[0].body["ids"]), "another token's news are its own"

    tell(story)


def test_a_key_that_cannot_be_an_id_is_refused(tell: Tell) -> None:
    async def story(site: Site) -> None:
        answer = await site.post({"number": NUMBER}, Idempotency_Key="a b")
        assert (answer.status, answer.body["problems"][0]["field"]) == (422, "Idempotency-Key")

    tell(story)


def test_without_id_or_time_each_is_news(tell: Tell) -> None:
    async def story(site: Site) -> None:
        assert (await site.post({"number": NUMBER})).body != (await site.post({"number": NUMBER})).body

    tell(story)


SOON = (datetime.now(UTC) + timedelta(days=365)).isoformat()


@pytest.mark.parametrize(
    ("body", "status", "problems"),
    [
        ([{"number": NUMBER}, {"number": "abc"}], 422, [(1, "number", "is not a telephone number")]),
        ({"number": "0000"}, 422, [(0, "number", "is not a telephone number")]),
        ({"number": NUMBER, "at": SOON}, 422, [(0, "at", "is in the future")]),
        ({"number": NUMBER, "at": "2026-11-23T12:00:00"}, 422, [(0, "at", "Input should have timezone info")]),
        ({"number": NUMBER, "at": "yesterday"}, 422, [(0, "at", "Input should be a valid datetime")]),
        ({"number": NUMBER, "id": "a b"}, 422, [(0, "id", "String should match")]),
        ({"number": 5}, 422, [(0, "number", "Input should be a valid string")]),
        ({"number": NUMBER, "when": "now"}, 422, [(0, "when", "Extra inputs")]),
        ([{"number": NUMBER}, {}], 422, [(1, "number", "Field required")]),
        ([], 422, [(-1, "", "List should have at least 1 item")]),
        ([{"number": NUMBER}] * 1001, 422, [(-1, "", "List should have at most 1000 items")]),
        ("a", 422, [(-1, "", "Input should be a valid list")]),
        (None, 422, [(-1, "", "Input should be a valid list")]),
        (b"", 422, [(-1, "", "Field required")]),
        (b"{", 400, []),
        (b"\xff\xfe", 400, []),
        (b"[" * 100_000, 400, []),
        (b"[1e999]", 422, [(0, "", "Input should be")]),
    ],
)
def test_what_cannot_be_used_is_named_and_nothing_stored(
    tell: Tell, body: Any, status: int, problems: list[tuple[int, str, str]]
) -> None:
    async def story(site: Site) -> None:
        await fresh()
        answer = await site.post(body)
        assert answer.status == status, answer.body
        found = [(problem["index"], problem["field"], problem["problem"]) for problem in answer.body["problems"]]
        assert len(found) == len(problems)
        for (index, field, text), (wanted_index, wanted_field, beginning) in zip(found, problems, strict=True):
            assert (index, field) == (wanted_index, wanted_field)
            assert text.startswith(beginning)
        assert await events() == []

    tell(story)


def test_a_clock_that_is_a_little_ahead_is_forgiven(tell: Tell) -> None:
    async def story(site: Site) -> None:
        await fresh()
        at = datetime.now(UTC) + timedelta(seconds=30)
        assert (await site.post({"number": NUMBER, "at": at.isoformat()})).status == 202
        (event,) = await events()
        assert event.at <= datetime.now(UTC)

    tell(story)


@pytest.mark.parametrize("token", [None, "", "wrong", SECRET[:-1], SECRET + "0"])
def test_strangers_are_refused(tell: Tell, token: str | None) -> None:
    async def story(site: Site) -> None:
        await fresh()
        answer = await site.post({"number": NUMBER}, token, Cookie=f"token={SECRET}; sessionid=1")
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert await events() == []

    tell(story)


def test_guessing_shuts_out(tell: Tell) -> None:
    async def story(site: Site) -> None:
        assert {(await site.post({}, f"guess{n}")).status for n in range(10)} == {401}
        answer = await site.post({"number": NUMBER})
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) > 200

    tell(story)


def test_too_many_requests_are_told_when_to_come_again(tell: Tell) -> None:
    async def story(site: Site) -> None:
        answers = [await site.post({"number": NUMBER}) for _ in range(3)]
        assert [answer.status for answer in answers] == [202, 202, 429]
        assert int(answers[-1].headers["Retry-After"]) > 1

    tell(story, rate=2 / 30)


def test_without_tokens_the_api_is_off(tell: Tell) -> None:
    async def story(site: Site) -> None:
        answer = await site.post({"number": NUMBER})
        assert (answer.status, "[api] tokens" in answer.body["detail"]) == (403, True)

    tell(story, tokens={})


def test_while_nats_is_away(tell: Tell) -> None:
    async def story(site: Site) -> None:
        answer = await site.post({"number": NUMBER})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert "stored" not in answer.body

    tell(story, nats="nats://127.0.0.1:9")


def test_a_body_too_large_is_not_read(tell: Tell) -> None:
    async def story(site: Site) -> None:
        answer = await site.post(b" " * (512 * 1024 + 1))
        assert answer.status == 413
        assert (await site.post(b" " * (512 * 1024))).status == 400

        assert await asyncio.to_thread(refused_at_once, site._port, b"Content-Length: 6553600", 6553600) == b""

    tell(story)


def test_a_body_without_end_is_cut(tell: Tell) -> None:
    async def story(site: Site) -> None:
        chunks = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with pytest.raises(ConnectionError):
            await asyncio.to_thread(refused_at_once, site._port, b"Transfer-Encoding: chunked", 1 << 30, chunks)

    tell(story)


def refused_at_once(port: int, length: bytes, octets: int, chunk: bytes = b" " * 65536) -> bytes:
    """What comes after a 413 that was read while the body still went out."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(b"POST /api/v1/reachable HTTP/1.1\r\nHost: localhost\r\n" + length + b"\r\n\r\n")
        first = 10
        wire.sendall(chunk * first)
        answer = b""
        while not answer.endswith(b"}"):
            answer += wire.recv(1000)
        assert answer.startswith(b"HTTP/1.1 413 ")
        for _ in range(octets // 65536 - first):
            wire.sendall(chunk)
        return wire.recv(1000)


def test_requests_are_counted_and_described(tell: Tell) -> None:
    async def story(site: Site) -> None:
        schema = (await site.get("/api/v1/openapi.json")).body
        assert list(schema["paths"]) == ["/api/v1/reachable"]
        assert (await site.get("/api/v1/docs")).status == 404
        assert (await site.get("/api/v1/reachable")).status == 405

    tell(story)


async def fresh() -> None:
    """An empty stream."""
    bus = await Bus.connect(current())
    await bus._stream.purge_stream("PHONES")
    await bus.close()
