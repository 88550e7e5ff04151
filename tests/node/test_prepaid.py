"""A prepaid subscriber's texts on a whole platform: the money is kept here, or at a charging system."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.charging.diameter.conversation import OcsProcess
from tests.node.world import Live, World
from tests.peers.freediameter import free_port

from louhua.bus.events import Reason
from louhua.sandbox.phone import After, HangUp

CALLEE, CALLER = "13800138000", "13900139000"
PLAN = 'name = "test"\nvalid_from = 2020-01-01\n[items.missed]\nprice = "0.40"\n'


async def louhua(world: World, *arguments: str) -> str:
    """Run a command against the platform; what it prints."""
    command = [sys.executable, "-m", "louhua.cli", *arguments, "-c", str(world.platform.config_path)]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def register(world: World, directory: Path) -> None:
    """The callee is registered, prepaid, and told of it; a missed call costs 0.4 yuan."""
    file = directory / "plan.toml"
    file.write_text(PLAN)
    await louhua(world, "plans", "add", str(file))
    await louhua(world, "subscribers", "add", CALLEE, "--no-notice")
    await louhua(world, "billing", "subscribe", CALLEE, "--prepaid")


async def miss_a_call(world: World, caller: str = CALLER) -> None:
    await world.phone(caller).call(CALLEE, [After("beep"), HangUp()], reason=Reason.NO_ANSWER)


async def bill(world: World) -> list[tuple[str, str]]:
    said = json.loads(await louhua(world, "billing", "explain", CALLEE, "--json"))
    return [(charge["amount"], charge["why"]) for charge in said["charges"] if charge["kind"] == "usage"]


def charged(world: World, rows: int) -> bool:
    return f'louhua_charges_total{{item="missed",why="price"}} {rows}.0' in world.platform.metrics()


@pytest.mark.slow
def test_a_balance_that_is_kept_here_pays_until_it_is_used_up(live: Live, tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await register(world, tmp_path)
        await louhua(world, "billing", "top-up", CALLEE, "0.50", "--reason", "cash")
        await miss_a_call(world)
        await world.until(lambda: charged(world, 1))
        await miss_a_call(world, "13900139001")
        await world.until(lambda: 'louhua_credit_total{verdict="refused"} 1.0' in world.platform.metrics())
        assert len(world.smsc.inbox(CALLEE)) == 1
        assert await bill(world) == [("0.400", "price")]
        assert "available  0.100" in await louhua(world, "billing", "balance", CALLEE)

    live(story, charging={"plan": "test", "refused": "drop"})


@pytest.mark.slow
def test_a_charging_system_is_asked_before_and_told_after(live: Live, tmp_path: Path) -> None:
    """While it is away texts go free of charge; when it is there, they are paid for until there is no money."""
    port = free_port()
    ocs = OcsProcess(tmp_path, port, "alert.louhua.example", balance="0.50")
    diameter: dict[str, Any] = {
        "peers": [f"127.0.0.1:{port}"], "origin_host": "alert.louhua.example",
        "origin_realm": "louhua.example", "destination_realm": "ocs.example",
    }  # fmt: skip

    async def story(world: World) -> None:
        await register(world, tmp_path)
        await miss_a_call(world)
        await world.until(lambda: len(world.smsc.inbox(CALLEE)) == 1)
        ocs.start()
        await world.until(
            lambda: re.search(r"louhua_diameter_peer_up.* 1\.0", world.platform.metrics()) is not None
        )
        await miss_a_call(world, "13900139001")
        await world.until(lambda: charged(world, 1))
        await miss_a_call(world, "13900139002")
        await world.until(lambda: 'louhua_credit_total{verdict="refused"} 1.0' in world.platform.metrics())
        assert len(world.smsc.inbox(CALLEE)) == 2
        assert await bill(world) == [("0.000", "credit away"), ("0.400", "price")]
        await world.until(lambda: sum("settle  0.400" in line for line in ocs.lines) == 1)

    try:
        live(
            story,
            **{
                "charging": {"plan": "test", "refused": "drop", "keeper": "diameter"},
                "charging.diameter": diameter,
            },
        )
    finally:
        ocs.kill()
