"""Killed at random moments: no answered call is lost, nobody is texted twice.

Five hundred calls come in while each process of the platform is killed again and again. A caller who heard the
goodbye made their choice: exactly one text. One whose call broke off may have chosen or not: exactly one text
of one kind or the other. One who was never answered may have been noticed or not.
"""

import asyncio
import random
from collections import Counter

import psutil
import pytest
from tests.node.world import Live, World

from louhua.sandbox.phone import CallReport, PhoneError, Press, Wait

CALLS = 500
PER_SECOND = 25
KILLS = 14
ROLES = ("call", "alert", "media", "nats", "postgres", "web")


async def one_call(world: World, number: int) -> CallReport | None:
    """A call that ends by itself; ``None`` when nobody answered at all."""
    phone = world.phone(f"1390000{number:04}")
    try:
        calling = phone.call(f"1380000{number:04}", [Wait(0.3), Press("2")], answer_limit_s=8)
        return await asyncio.wait_for(calling, 12)
    except (PhoneError, TimeoutError):
        return None


def victims(world: World, role: str) -> list[psutil.Process]:
    processes = world.platform.role_processes()
    if role == "media":
        return [process for process in processes.get("call", []) if is_media(process)]
    return [process for process in processes.get(role, [])[:1] if not is_media(process)]


def is_media(process: psutil.Process) -> bool:
    try:
        return "louhua.calls.media" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


async def kill_at_random(world: World, chance: random.Random, seconds: float) -> Counter[str]:
    killed: Counter[str] = Counter()
    for kill in range(KILLS):
        await asyncio.sleep(seconds / KILLS * chance.uniform(0.5, 1.5))
        role = ROLES[kill % len(ROLES)]
        for process in victims(world, role):
            process.kill()
            killed[role] += 1
    return killed


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nobody_is_told_twice(live: Live) -> None:
    async def story(world: World) -> None:
        chance = random.Random(20261123)
        for number in range(CALLS):
            world.smsc.phone_off(f"1380000{number:04}")
        killing = asyncio.create_task(kill_at_random(world, chance, CALLS / PER_SECOND))
        calls = []
        for number in range(CALLS):
            calls.append(asyncio.create_task(one_call(world, number)))
            await asyncio.sleep(1 / PER_SECOND)
        reports = await asyncio.gather(*calls)
        killed = await killing
        assert sum(killed.values()) >= KILLS - 4, killed
        answered = [number for number, report in enumerate(reports) if report and report.status == 200]
        chosen = [
            number
            for number in answered
            if any(item.clip.endswith("goodbye") and item.complete for item in reports[number].heard)  # type: ignore[union-attr]
        ]
        assert len(chosen) > CALLS // 4, f"{len(answered)} answered, {len(chosen)} chose"

        for number in range(CALLS):
            world.smsc.phone_on(f"1380000{number:04}")

        def texts(number: int) -> list[str]:
            return [text.body for text in world.smsc.inbox(f"1380000{number:04}")]

        await world.until(lambda: all(texts(number) for number in answered), 150)
        await asyncio.sleep(3)
        assert not {number: texts(number) for number in range(CALLS) if len(texts(number)) > 1}, "told twice"
        wrong = [number for number in chosen if "正在期待您的回电" not in texts(number)[0]]
        assert not wrong, "a choice was lost"

    live(story)
