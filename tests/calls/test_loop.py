"""The SIP thread's loop, and the driver of dialogues on it."""

import os
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator

import pytest
from sippy.Time.Timeout import Timeout

from louhua.calls.driver import Awaited, Driver
from louhua.calls.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    loop.call_later(5.0, loop.stop)
    yield loop
    loop.close()


def test_timers_fire_in_their_order_and_not_when_cancelled(loop: Loop) -> None:
    fired: list[str] = []
    loop.call_later(0.03, fired.append, "late")
    loop.call_later(0.01, fired.append, "early")
    loop.call_later(0.02, fired.append, "never").cancel()
    loop.call_later(0.04, loop.stop)
    loop.run()
    assert fired == ["early", "late"]


def test_sippys_timers_fire_too(loop: Loop) -> None:
    began = time.monotonic()
    Timeout(loop.stop, 0.05)
    Timeout(pytest.fail, 0.02, 1, "cancelled").cancel()
    loop.run()
    assert 0.045 < time.monotonic() - began < 1.0


def test_calls_from_other_threads_arrive_in_their_order(loop: Loop) -> None:
    seen: list[tuple[str, int]] = []

    def talk(name: str) -> None:
        for number in range(200):
            loop.call_soon(seen.append, (name, number))
        loop.call_soon(done.append, name)

    done: list[str] = []
    threads = [threading.Thread(target=talk, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()

    def stop_when_done() -> None:
        loop.stop() if len(done) == 2 else loop.call_later(0.005, stop_when_done)

    stop_when_done()
    loop.run()
    for name in "ab":
        assert [number for who, number in seen if who == name] == list(range(200))


def test_a_callback_that_fails_harms_no_other(loop: Loop) -> None:
    loop.call_soon(lambda: 1 // 0)
    loop.call_later(0.0, lambda: 1 // 0)
    loop.call_later(0.01, loop.stop)
    loop.run()


def test_descriptors(loop: Loop) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)

    def take() -> None:
        assert os.read(reader, 10) == b"x"
        loop.remove_reader(reader)
        loop.stop()

    loop.add_reader(reader, take)
    os.write(writer, b"x")
    loop.run()
    os.close(reader)
    os.close(writer)


def test_many_cancelled_timers_are_forgotten(loop: Loop) -> None:
    for _ in range(5000):
        loop.call_later(600.0, pytest.fail).cancel()
    assert len(loop._timers) < 2500
    loop.call_later(0.0, loop.stop)
    loop.run()


class Played:
    """A dialogue and what became of it."""

    def __init__(self, loop: Loop, dialogue: Callable[[Driver], Awaitable[None]]) -> None:
        self.over: list[Exception | None] = []
        self.pauses = 0
        self.driver = Driver(loop, done=self.over.append, paused=self._paused)
        self.driver.start(dialogue(self.driver))

    def _paused(self) -> None:
        self.pauses += 1


def test_a_dialogue_waits_and_is_resumed(loop: Loop) -> None:
    heard: list[object] = []

    async def dialogue(driver: Driver) -> None:
        heard.append(await driver.wait(Awaited.KEY))
        heard.append(await driver.wait(Awaited.PLAYED))

    played = Played(loop, dialogue)
    assert (played.driver.awaited, played.pauses) == (Awaited.KEY, 1)
    played.driver.resume("5")
    assert (played.driver.awaited, played.pauses) == (Awaited.PLAYED, 2)
    played.driver.resume(None)
    assert (heard, played.over, played.driver.awaited) == (["5", None], [None], None)
    played.driver.resume("too late")
    played.driver.throw(ValueError())
    assert played.over == [None]


def test_a_wait_has_a_limit(loop: Loop) -> None:
    async def dialogue(driver: Driver) -> None:
        assert await driver.wait(Awaited.KEY, 0.02) is None
        loop.stop()

    played = Played(loop, dialogue)
    loop.run()
    assert played.over == [None]


def test_a_resumed_wait_has_no_limit_left(loop: Loop) -> None:
    async def dialogue(driver: Driver) -> None:
        await driver.wait(Awaited.KEY, 0.01)
        await driver.wait(Awaited.PLAYED)

    played = Played(loop, dialogue)
    played.driver.resume("1")
    loop.call_later(0.05, loop.stop)
    loop.run()
    assert (played.over, played.driver.awaited) == ([], Awaited.PLAYED)


def test_what_a_dialogue_raises_is_told_once(loop: Loop) -> None:
    async def dialogue(driver: Driver) -> None:
        try:
            await driver.wait(Awaited.KEY)
        except KeyError as error:
            raise ValueError from error

    played = Played(loop, dialogue)
    played.driver.throw(KeyError())
    assert [type(error) for error in played.over] == [ValueError]


def test_a_dialogue_may_only_await_its_call(loop: Loop) -> None:
    class Foreign:
        def __await__(self) -> Generator[str, None, None]:
            yield "an asyncio future, say"

    async def dialogue(_: Driver) -> None:
        await Foreign()

    assert [type(error) for error in Played(loop, dialogue).over] == [RuntimeError]
