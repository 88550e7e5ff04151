"""The sandbox's network through its door, with an ESME bound to its SMSC and a far end where Louhua would be."""

import asyncio
import json
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.sandbox.far_end import FarEnd, far_end
from tests.texts.smpp.harness import PHONE, esme, text

from louhua.config import Config, Smsc, load, split_address
from louhua.ivr.prompts import PROMPTS
from louhua.processes import StartError
from louhua.sandbox.door import (
    Answer,
    Call,
    CallOver,
    Done,
    News,
    Problem,
    Read,
    Request,
    SandboxAway,
    Send,
    State,
    Switch,
    Text,
    ask,
    door,
)
from louhua.sandbox.network import Network, script_of
from louhua.sandbox.phone import After, HangUp, Press, Quiet, Say, Wait
from louhua.sandbox.platform import free_port, settings, to_toml

CALLEE, CALLER = "13800138000", "13900139000"


def prompt(name: str) -> bytes:
    """A prompt's frames, the last one filled up with silence."""
    audio = (PROMPTS / f"{name}.al").read_bytes()
    return audio + b"\xd5" * (-len(audio) % 160)


DIGIT = prompt("zh-hans/digit-1")
Story = Callable[[Config, FarEnd], Awaitable[None]]


def configuration(directory: Path, **overrides: Any) -> Config:
    path = directory / "louhua.toml"
    values = {"node": {"data": str(directory / "var")}} | overrides
    path.write_text(to_toml(settings(free_port(socket.SOCK_STREAM), values)))
    return load(path)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configuration(tmp_path)


@pytest.fixture
def play(config: Config, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[Story], None]]:
    """Run a story in a running network, which stops in the end without a word of complaint."""

    def run(story: Story) -> None:
        async def told() -> None:
            network = Network(config)
            async with asyncio.timeout(20), far_end(split_address(config.sip.listen)[1]) as far:
                await network.start()
                try:
                    await story(config, far)
                finally:
                    await network.stop()

        asyncio.run(told())

    yield run
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


class Visit:
    """A request at the door, whose answers are read as they come; ``line`` is the open socket."""

    def __init__(self, config: Config, request: Request) -> None:
        self._answers = ask(config, request)

    async def next(self) -> Answer | None:
        async with asyncio.timeout(8):
            return await asyncio.to_thread(next, self._answers, None)

    async def rest(self) -> list[Answer]:
        answers = []
        while (answer := await self.next()) is not None:
            answers.append(answer)
        return answers

    def leave(self) -> None:
        self._answers.close()  # type: ignore[attr-defined]


async def carry_out(config: Config, request: Request) -> list[Answer]:
    return await Visit(config, request).rest()


@contextmanager
def neighbour(config: Config) -> Iterator[socket.socket]:
    """A visitor with manners of its own."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(8)
        line.connect(str(door(config)))
        yield line


def bound(config: Config) -> Any:
    return esme(config.smsc[0].port, password=config.smsc[0].password)


def test_a_text_waits_for_the_phone_and_is_read(play: Callable[[Story], None]) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        async with bound(config) as client:
            assert await carry_out(config, Switch(number=CALLEE, state="off")) == [Done()]
            await client.submit([text(1, "您好", PHONE)])
            assert await carry_out(config, Read(number=CALLEE)) == [Done()]
            following = Visit(config, Read(number=CALLEE, follow=True))
            first = asyncio.create_task(following.next())
            assert await carry_out(config, Switch(number=CALLEE, state="on")) == [Done()]
            came = await first
            assert isinstance(came, Text)
            assert (came.sender, came.body) == ("06001", "您好")
            await client.submit([text(2, "again", PHONE)])
            more = await following.next()
            assert isinstance(more, Text)
            assert more.body == "again"
            following.leave()
            assert [answer.body for answer in await carry_out(config, Read(number="+86 138 0013 8000"))
                    if isinstance(answer, Text)] == ["您好", "again"]  # fmt: skip

    play(story)


def test_a_text_that_takes_another_s_place_is_followed_too(play: Callable[[Story], None]) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        async with bound(config) as client:
            following = Visit(config, Read(number=CALLEE, follow=True))
            for body in ("one", "two", "three"):
                waiting = asyncio.create_task(following.next())
                await client.submit([text(body, body, PHONE, protocol_id=0x41)])
                came = await waiting
                assert isinstance(came, Text)
                assert came.body == body
            following.leave()

    play(story)


def test_a_text_from_a_phone_reaches_the_service(play: Callable[[Story], None]) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        async with bound(config) as client:
            assert await carry_out(config, Send(number=CALLEE, to="06001", body="D")) == [Done()]
            await client.until(lambda: bool(client.texts))
            (arrived,) = client.texts
            assert (arrived.sender, arrived.recipient, arrived.body) == (PHONE, "06001", b"D")

    play(story)


def test_a_phone_that_is_off_sends_nothing(play: Callable[[Story], None]) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        await carry_out(config, Switch(number=CALLEE, state="off"))
        (problem,) = await carry_out(config, Send(number=CALLEE, to="06001", body="D"))
        assert isinstance(problem, Problem)
        assert "switch it on first" in problem.why

    play(story)


@pytest.mark.parametrize(
    ("state", "reason"),
    [(None, "no-answer"), ("on", "no-answer"), ("no-answer", "no-answer"), ("busy", "user-busy"),
     ("off", "unavailable")],
)  # fmt: skip
def test_a_phone_s_state_decides_why_a_call_is_forwarded(
    play: Callable[[Story], None], state: State | None, reason: str
) -> None:
    async def story(config: Config, far: FarEnd) -> None:
        if state is not None:
            await carry_out(config, Switch(number=CALLEE, state="off"))
            await carry_out(config, Switch(number=CALLEE, state=state))
        visit = Visit(config, Call(number=CALLER, callee=CALLEE))
        call = asyncio.create_task(visit.rest())
        invite = await far.connect()
        await far.hang_up()
        await call
        assert f";reason={reason};" in invite.header("Diversion")

    play(story)


def test_a_call_is_told_from_beginning_to_end(play: Callable[[Story], None]) -> None:
    async def story(config: Config, far: FarEnd) -> None:
        await carry_out(config, Switch(number=CALLEE, state="off"))
        request = Call(number=CALLER, callee=CALLEE, press=("2",), after="digit-1", keep=True)
        call = asyncio.create_task(carry_out(config, request))
        invite = await far.connect()
        assert invite.target.startswith("sip:06001@")
        far.play(DIGIT)
        assert await far.key() == "2"
        await far.hang_up()
        *news, over = await call
        assert news == [
            News(what="forwarded", detail="unreachable"), News(what="answered", detail="200"),
            News(what="hears", detail="zh-hans/digit-1"), News(what="presses", detail="2"),
            News(what="ended", detail="platform"),
        ]  # fmt: skip
        assert isinstance(over, CallOver)
        assert (over.status, over.ended_by, over.pressed) == (200, "platform", "2")
        assert over.audio == DIGIT

    play(story)


def test_a_message_is_left_after_the_beep(play: Callable[[Story], None]) -> None:
    async def story(config: Config, far: FarEnd) -> None:
        call = asyncio.create_task(carry_out(config, Call(number=CALLER, callee=CALLEE, say=DIGIT)))
        await far.connect()
        far.play(prompt("beep"))
        said = b""
        while len(said) < len(DIGIT):
            said += (await far.packet()).payload
        assert said.startswith(DIGIT)
        assert await far.key() == "#"
        await far.hang_up()
        assert isinstance((await call)[-1], CallOver)

    play(story)


def test_who_leaves_hangs_up(play: Callable[[Story], None]) -> None:
    async def story(config: Config, far: FarEnd) -> None:
        visit = Visit(config, Call(number=CALLER, callee=CALLEE))
        await visit.next()
        await far.connect()
        visit.leave()
        await far.is_hung_up()

    play(story)


def test_stopping_hangs_up(play: Callable[[Story], None]) -> None:
    async def story(config: Config, far: FarEnd) -> None:
        network = Network(second(config))
        await network.start()
        visit = Visit(network._config, Call(number=CALLER, callee=CALLEE))
        call = asyncio.create_task(visit.rest())
        await far.connect()
        stopping = asyncio.create_task(network.stop())
        await far.is_hung_up()
        await stopping
        with pytest.raises(SandboxAway, match="stopped"):
            await call
        assert not door(network._config).exists()

    play(story)


def second(config: Config) -> Config:
    """A second network beside the first: another port, another door."""
    smsc = Smsc(**config.smsc[0].model_dump() | {"port": free_port(socket.SOCK_STREAM)})
    node = config.node.model_copy(update={"data": config.node.data / "second"})
    return config.model_copy(update={"smsc": (smsc,), "node": node})


def test_a_visitor_who_says_nothing_holds_up_nobody(play: Callable[[Story], None]) -> None:
    with socket.socket(socket.AF_UNIX) as line:

        async def story(config: Config, _far: FarEnd) -> None:
            line.connect(str(door(config)))
            assert await carry_out(config, Read(number=CALLEE)) == [Done()]

        play(story)


@pytest.mark.parametrize(
    "line",
    [b"", b"nonsense", b"{}", b'{"do": "dance", "number": "13800138000"}', b'{"do": "switch", "number": 1}'],
)
def test_what_is_no_request_is_explained(play: Callable[[Story], None], line: bytes) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        def visit() -> dict[str, str]:
            with neighbour(config) as open_line:
                open_line.sendall(line + b"\n")
                return dict(json.loads(open_line.makefile().readline()))

        answer = await asyncio.to_thread(visit)
        assert answer["is"] == "problem"
        assert answer["why"].startswith("not a request")

    play(story)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (Switch(number="abc", state="on"), "'abc' is not a telephone number"),
        (Send(number=CALLEE, to="", body="D"), "'' is not a telephone number"),
        (Call(number=CALLER, callee="x"), "'x' is not a telephone number"),
        (Call(number=CALLER, callee=CALLEE, press=("2x",)), "a phone has no key 'x'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_explained(play: Callable[[Story], None], request_: Request, why: str) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        (problem,) = await carry_out(config, request_)
        assert isinstance(problem, Problem)
        assert problem.why.startswith(why)

    play(story)


def test_a_call_that_louhua_does_not_take_is_explained(
    play: Callable[[Story], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("louhua.sandbox.network._ANSWER_LIMIT_S", 0.1)

    async def story(config: Config, _far: FarEnd) -> None:
        *_, problem = await carry_out(config, Call(number=CALLER, callee=CALLEE))
        assert isinstance(problem, Problem)
        assert "is louhua running there" in problem.why

    play(story)


def test_the_door_is_the_owner_s_only(play: Callable[[Story], None]) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        assert stat.S_IMODE(door(config).stat().st_mode) == 0o600

    play(story)


def test_a_door_that_nobody_keeps_is_replaced(config: Config, play: Callable[[Story], None]) -> None:
    door(config).parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(door(config)))

    async def story(config: Config, _far: FarEnd) -> None:
        assert await carry_out(config, Read(number=CALLEE)) == [Done()]

    play(story)
    assert not door(config).exists()


def test_two_sandboxes_with_the_same_data_are_explained(play: Callable[[Story], None]) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        with pytest.raises(StartError, match="another sandbox is running"):
            await Network(config).start()
        assert await carry_out(config, Read(number=CALLEE)) == [Done()], "the first one is as it was"

    play(story)


def test_a_port_in_use_is_explained(play: Callable[[Story], None], tmp_path: Path) -> None:
    async def story(config: Config, _far: FarEnd) -> None:
        node = config.node.model_copy(update={"data": tmp_path / "elsewhere"})
        other = config.model_copy(update={"node": node})
        with pytest.raises(StartError, match="is another sandbox running"):
            await Network(other).start()
        assert not door(other).exists()

    play(story)


def test_a_path_that_is_too_long_for_a_door_is_explained(tmp_path: Path) -> None:
    config = configuration(tmp_path, node={"data": str(tmp_path / ("long" * 30))})
    with pytest.raises(StartError, match=r"set node\.data"):
        asyncio.run(Network(config).start())


def test_a_configuration_without_smsc_is_explained() -> None:
    with pytest.raises(StartError, match="add one"):
        Network(Config())


def test_no_sandbox_is_explained(config: Config) -> None:
    with pytest.raises(SandboxAway, match="louhua sandbox run"):
        list(ask(config, Read(number=CALLEE)))


def test_a_request_becomes_a_script() -> None:
    call, quiet = Call(number=CALLER, callee=CALLEE), Quiet(limit_s=30)
    assert script_of(call) == []
    assert script_of(replace(call, press=("2",))) == [quiet, Press("2")]
    assert script_of(replace(call, press=("3 0108888#", "1"), after="menu-other")) == [
        After("menu-other", 30), Press("3"), quiet, Press("0108888#"), quiet, Press("1"),
    ]  # fmt: skip
    assert script_of(replace(call, press=("1",), say=b"x", hang_up_after_s=2)) == [
        quiet, Press("1"), After("beep", 30), Wait(0.3), Say(b"x"), Press("#"), Wait(2), HangUp(),
    ]  # fmt: skip
