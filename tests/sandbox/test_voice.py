"""What a phone hears, presses and says, against a far end that plays and listens."""

import asyncio
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.sandbox.far_end import FarEnd, far_end

from louhua.calls.media.rtp import FRAME, Packet
from louhua.sandbox.audio import SILENCE, tone
from louhua.sandbox.listening import Library
from louhua.sandbox.phone import After, CallReport, HangUp, Phone, Press, Quiet, Say, Speak, Step, Wait

PAUSE = SILENCE * FRAME


def clip(name: str) -> bytes:
    return random.Random(name).randbytes(12 * FRAME)


CLIPS = {name: clip(name) for name in ("zh-hans/intro", "zh-hans/options", "en/options", "beep")}
INTRO, OPTIONS, BEEP = CLIPS["zh-hans/intro"], CLIPS["zh-hans/options"], CLIPS["beep"]
LIBRARY = Library(CLIPS)
Story = Callable[[FarEnd], Awaitable[None]]
News = list[tuple[str, str]]


def play(script: Sequence[Step], story: Story, *, events: int = 101) -> tuple[CallReport, News]:
    """A call with this script whose far end plays the story and then hangs up, unless the phone does."""

    async def told() -> tuple[CallReport, News]:
        news: News = []
        async with asyncio.timeout(20), far_end() as far:
            phone = Phone("13900139000", far.address, LIBRARY)
            call = asyncio.create_task(
                phone.call("13800138000", script, watcher=lambda what, detail: news.append((what, detail)))
            )
            await far.connect(events=events)
            await story(far)
            await (far.is_hung_up() if HangUp() in script else far.hang_up())
            return await call, news

    return asyncio.run(told())


async def nothing(_far: FarEnd) -> None:
    """Only listen."""


async def packets_of(far: FarEnd, count: int) -> list[Packet]:
    return [await far.packet() for _ in range(count)]


def of(news: News, *kinds: str) -> News:
    return [item for item in news if item[0] in kinds]


def test_each_key_is_an_event_whose_end_is_told_three_times() -> None:
    async def story(far: FarEnd) -> None:
        for event in (5, 11):
            packets = await packets_of(far, 7)
            assert {packet.payload_type for packet in packets} == {97}, "as the far end wants them"
            assert len({packet.timestamp for packet in packets}) == 1
            assert [packet.marker for packet in packets] == [True] + [False] * 6
            assert [packet.payload[0] for packet in packets] == [event] * 7
            assert [packet.payload[1] >> 7 for packet in packets] == [0, 0, 0, 0, 1, 1, 1]
            assert [int.from_bytes(packet.payload[2:]) for packet in packets] == [
                160,
                320,
                480,
                640,
                800,
                800,
                800,
            ]
        numbers = [number for number, _ in far.packets]
        assert all((later - earlier) & 0xFFFF == 1 for earlier, later in itertools.pairwise(numbers))

    report, news = play([Press("5#")], story, events=97)
    assert report.pressed == "5#"
    assert of(news, "presses") == [("presses", "5#")]


def test_every_key_arrives() -> None:
    async def story(far: FarEnd) -> None:
        assert [await far.key() for _ in range(14)] == list("0123456789*#11")

    play([Press("0123456789*#11")], story)


def test_a_phone_has_no_other_keys() -> None:
    with pytest.raises(ValueError, match="no key 'A'"):
        Press("12A")


def test_the_clock_of_the_voice_runs_on_in_silence() -> None:
    async def story(far: FarEnd) -> None:
        first, *_ = await packets_of(far, 7)
        spoken = await packets_of(far, 5)
        again, *_ = await packets_of(far, 7)
        assert 2400 <= spoken[0].timestamp - first.timestamp <= 8000, "0.3 s at least"
        assert [packet.timestamp - spoken[0].timestamp for packet in spoken] == [0, 160, 320, 480, 640]
        assert again.timestamp > spoken[-1].timestamp

    play([Press("1"), Wait(0.1), Speak(0.1), Press("2")], story)


def test_what_is_said_goes_out_every_20_ms() -> None:
    words = random.Random(1).randbytes(FRAME * 10 + 40)

    async def story(far: FarEnd) -> None:
        started = time.monotonic()
        packets = await packets_of(far, 11)
        assert 0.18 <= time.monotonic() - started < 1
        assert b"".join(packet.payload for packet in packets) == words + SILENCE * 120
        assert [packet.payload_type for packet in packets] == [8] * 11
        assert [packet.marker for packet in packets] == [True] + [False] * 10

    _, news = play([Say(words)], story)
    assert of(news, "speaks") == [("speaks", "0.205")]


def test_a_tone_is_made_where_there_is_nothing_to_say() -> None:
    async def story(far: FarEnd) -> None:
        assert b"".join(packet.payload for packet in await packets_of(far, 5)) == tone(0.1)

    play([Speak(0.1)], story)


def test_prompts_are_told_as_they_are_heard_and_afterwards() -> None:
    async def story(far: FarEnd) -> None:
        far.play(INTRO + BEEP + OPTIONS[: 4 * FRAME])

    report, news = play([], story)
    assert [(item.clip, item.complete) for item in report.heard] == [
        ("zh-hans/intro", True), ("beep", True), ("zh-hans/options", False),
    ]  # fmt: skip
    assert news == [
        ("answered", "200"), ("hears", "zh-hans/intro"), ("hears", "beep"), ("hears", "zh-hans/options"),
        ("ended", "platform"),
    ]  # fmt: skip
    assert report.audio == INTRO + BEEP + OPTIONS[: 4 * FRAME]


def test_a_prompt_that_comes_twice_is_told_twice() -> None:
    async def story(far: FarEnd) -> None:
        far.play(BEEP + BEEP)

    report, news = play([], story)
    assert [item.clip for item in report.heard] == ["beep", "beep"]
    assert of(news, "hears") == [("hears", "beep")] * 2


def test_lost_and_late_packets_leave_silence() -> None:
    async def story(far: FarEnd) -> None:
        far.play(INTRO, lost=(3,), swap=7)

    report, _ = play([], story)
    assert [(item.clip, item.complete) for item in report.heard] == [("zh-hans/intro", True)]
    frames = [INTRO[at : at + FRAME] for at in range(0, len(INTRO), FRAME)]
    frames[3] = frames[7] = PAUSE
    assert report.audio == b"".join(frames), "what comes too late is not heard"


def test_what_is_no_audio_is_passed_over() -> None:
    async def story(far: FarEnd) -> None:
        far.jam()
        far.play(INTRO)

    report, _ = play([], story)
    assert report.audio == INTRO


def test_another_stream_is_heard_from_its_beginning() -> None:
    async def story(far: FarEnd) -> None:
        far.play(INTRO)
        far._sequence = 20
        far.play(BEEP, ssrc=8)

    report, _ = play([], story)
    assert [item.clip for item in report.heard] == ["zh-hans/intro", "beep"]
    assert report.audio == INTRO + BEEP


def test_a_pause_is_part_of_what_was_heard() -> None:
    async def story(far: FarEnd) -> None:
        far.play(INTRO)
        await asyncio.sleep(0.3)
        far.play(BEEP)

    report, _ = play([], story)
    pause = len(report.audio) - len(INTRO) - len(BEEP)
    assert 13 * FRAME <= pause < 50 * FRAME
    assert report.audio == INTRO + SILENCE * pause + BEEP
    assert report.heard[1].from_s == pytest.approx((len(INTRO) + pause) / 8000)
    assert max(report.gaps_ms) < 200, "a pause is no gap"


def test_a_prompt_is_waited_for_in_any_language() -> None:
    async def story(far: FarEnd) -> None:
        far.play(INTRO)
        far.play(CLIPS["en/options"])
        assert await far.key() == "1"

    _, news = play([After("options"), Press("1")], story)
    assert of(news, "hears", "presses") == [
        ("hears", "zh-hans/intro"), ("hears", "en/options"), ("presses", "1"),
    ]  # fmt: skip


def test_a_prompt_that_was_cut_short_does_not_count() -> None:
    async def story(far: FarEnd) -> None:
        far.play(OPTIONS[: 5 * FRAME])
        far.play(INTRO)

    _, news = play([After("options", limit_s=0.2), HangUp()], story)
    assert of(news, "misses") == [("misses", "options")]


def test_what_was_said_before_the_keys_does_not_count() -> None:
    async def story(far: FarEnd) -> None:
        far.play(BEEP)
        far.play(OPTIONS)
        assert await far.key() == "1"
        far.play(INTRO)
        far.play(BEEP)
        assert await far.key() == "2"

    _, news = play([After("options"), Press("1"), After("beep"), Press("2")], story)
    assert [detail for _, detail in of(news, "hears", "presses")] == [
        "beep", "zh-hans/options", "1", "zh-hans/intro", "beep", "2",
    ]  # fmt: skip


def test_each_wait_takes_a_prompt_of_its_own() -> None:
    async def story(far: FarEnd) -> None:
        far.play(BEEP)

    _, news = play([After("beep"), After("beep", limit_s=0.1), HangUp()], story)
    assert of(news, "misses") == [("misses", "beep")]


def test_keys_wait_until_nothing_more_is_said() -> None:
    said_at = 0.0

    async def story(far: FarEnd) -> None:
        nonlocal said_at
        for _ in range(4):
            far.play(INTRO)
            await asyncio.sleep(0.1)
        said_at = time.monotonic()
        far.play(BEEP + PAUSE * 5)
        assert await far.key() == "7"
        assert time.monotonic() - said_at >= 0.25, "silence that is sent is silence"
        assert await far.key() == "8"

    _, news = play([Quiet(0.25), Press("7"), Quiet(0.25, limit_s=0.4), Press("8")], story)
    assert of(news, "misses", "presses") == [("presses", "7"), ("misses", "silence"), ("presses", "8")]


def test_the_script_ends_with_the_call() -> None:
    report, news = play([Wait(0.05), Wait(60), Press("1")], nothing)
    assert (report.ended_by, report.pressed) == ("platform", "")
    assert news[-1] == ("ended", "platform")


def test_a_script_s_error_ends_the_call() -> None:
    def watcher(what: str, _detail: str) -> None:
        if what == "presses":
            raise RuntimeError("told")

    async def story() -> None:
        async with asyncio.timeout(10), far_end() as far:
            phone = Phone("13900139000", far.address, LIBRARY)
            call = asyncio.create_task(phone.call("13800138000", [Press("1")], watcher=watcher))
            await far.connect()
            await far.is_hung_up()
            with pytest.raises(RuntimeError, match="told"):
                await call

    asyncio.run(story())
