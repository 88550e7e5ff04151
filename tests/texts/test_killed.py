"""A process is killed between the parts of a long text: what the SMSC has is not sent again, the rest is."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.texts.conftest import PHONE, Outbox, TellOutbox

from louhua.bus.embedded import EmbeddedNats
from louhua.config import Config
from louhua.sandbox.handsets import Effect
from louhua.sandbox.smsc import SandboxSmsc
from louhua.texts import store
from louhua.texts.encoding import split_header
from louhua.texts.smpp.pdu import Pdu, SubmitSm

HERE = Path(__file__).parent
LONG = "漏话提醒" * 50


class Halting(SandboxSmsc):
    """Answers the first ``most`` submits and reads no more, until it is told to."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.parts: list[int] = []

    def answer(self, pdu: Pdu, system_id: str) -> tuple[Pdu, list[Effect]]:
        if isinstance(pdu, SubmitSm):
            part, _ = split_header(pdu.short_message)
            self.parts.append(part.number if part else 0)
            if len(self.parts) == self.most:
                self.latency = 3600.0
        return super().answer(pdu, system_id)


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway's process, killed at the end of the block."""
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1] / "src")}
    running = await asyncio.create_subprocess_exec(
        sys.executable, HERE / "lone_gateway.py", *arguments, env=environment
    )
    try:
        yield running
    finally:
        running.kill()
        await running.wait()


@pytest.mark.parametrize("taken", [1, 2])
def test_the_parts_taken_are_not_sent_again(
    tell_outbox: TellOutbox, nats_server: EmbeddedNats, config: Config, database_url: str, taken: int
) -> None:
    async def story(o: Outbox) -> None:
        smsc = Halting(taken)
        port = await smsc.start()

        async def parts_stored() -> bool:
            return len(await o.rows("SELECT FROM texts_part")) == taken

        try:
            await o.queue(LONG)
            arguments = (str(config.node.data), database_url, str(port))
            async with process(*arguments, "1"):
                await o.until(parts_stored)
            assert await o.states() == ["sending"]
            smsc.latency = 0.0
            await o.rows("UPDATE texts_text SET lease_until = now() RETURNING id")
            async with o.pool.connection() as connection:
                await store.end_leases(connection, datetime.now(UTC))
            async with process(*arguments, "100"):
                await o.until_states("submitted")
            assert Counter(smsc.parts) == Counter([1, 2, 3])
            assert [text.body for text in smsc.inbox(PHONE)] == [LONG]
            assert await o.rows("SELECT resent, attempts FROM texts_text") == [(True, 2)]
        finally:
            await smsc.stop()

    tell_outbox(story)
