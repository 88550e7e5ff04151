"""No log of any role, nor of the embedded servers, has a subscriber's number, whatever happens."""

import asyncio
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from tests.node.world import Live, World

from louhua.bus.events import CallEnded, Choice, Outcome, Reason, Treatment
from louhua.bus.nats import Bus
from louhua.db.pool import database_url
from louhua.sandbox.phone import After, HangUp, Press, Step, Wait

CALLEE, CALLER, OTHER = "13800138000", "13900139000", "13700137000"
NUMBERS = re.compile("|".join((CALLEE, CALLER, OTHER)))
BROKEN = b'[{"id": "1", "number": "8613800138000", "source": "nobody", "at": "8613800138000"}]'


def lines_with_numbers(world: World) -> list[str]:
    logs = [world.platform.log_path, *Path(world.platform.data).rglob("*.log")]
    assert len(logs) >= 3, "the node's, PostgreSQL's and NATS's"
    return [
        f"{path.name}: {line}"
        for path in logs
        for line in path.read_text(errors="replace").splitlines()
        if NUMBERS.search(line)
    ]


def indigestible() -> CallEnded:
    """An event that no column takes."""
    now = datetime.now(UTC)
    return CallEnded(
        id=uuid.uuid4().hex, node="n", trunk="t", sip_call_id="s", callee=f"86{CALLEE}" * 3, caller=f"86{CALLER}",
        reason=Reason.UNREACHABLE, treatment=Treatment.MENU, choice=Choice.NONE, outcome=Outcome.COMPLETED,
        started_at=now, ended_at=now,
    )  # fmt: skip


def violate_keys(url: str) -> None:
    """As two workers that open an alert of the same key do."""
    with psycopg.connect(url, autocommit=True) as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute(
            "INSERT INTO alerts_alert (callee, caller, kind, recipient, state, calls, first_at, last_at,"
            " other_number, watched, attempts, error, updated_at)"
            " SELECT callee, caller, kind, recipient, state, calls, first_at, last_at, other_number, watched,"
            " attempts, error, updated_at FROM alerts_alert WHERE state = 'held'"
        )


@pytest.mark.slow
def test_no_log_names_a_subscriber(live: Live) -> None:
    async def story(world: World) -> None:
        world.smsc.phone_off(CALLEE)
        wishes: dict[str, list[Step]] = {
            CALLER: [After("beep"), Press("2"), Wait(0.5), HangUp()],
            OTHER: [After("beep"), Press(f"3{CALLEE}#"), Wait(0.5), HangUp()],
        }
        for number, script in wishes.items():
            await world.phone(number).call(CALLEE, script, reason=Reason.UNREACHABLE)
        await world.phone("nobody").call("", [HangUp()], reason=Reason.UNREACHABLE)
        await world.until(lambda: world.smsc.waiting(CALLEE) > 0)
        await asyncio.to_thread(violate_keys, database_url(world.platform.config))
        bus = await Bus.connect(world.platform.config, "test")
        await bus._stream.publish("phone.reachable", BROKEN)
        await bus.publish([indigestible()])
        await bus.close()
        world.smsc.phone_on(CALLEE)
        await world.until(lambda: len(world.smsc.inbox(CALLEE)) >= 1)
        world.smsc.send(CALLEE, "06001", f"please call {OTHER}")
        world.smsc.drop_connections()

        def said(*events: str) -> bool:
            log = world.platform.log_path.read_text(errors="replace")
            return all(event in log for event in events)

        await world.until(lambda: said("bus.rejected", "bus.event_rejected", "smsc_down", "smsc_bound"))
        assert lines_with_numbers(world) == []

    live(story)
