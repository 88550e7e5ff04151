"""Peers that run in Node.js: started with options, told what to do, and heard, in lines of JSON."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
LIMIT_S: Final = 10.0

Fields = dict[str, Any]


class NodePeer:
    """A running peer. ``heard`` keeps every event in order; ``event`` waits for the next of a kind."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.heard: list[Fields] = []
        self._process = process
        self._news = asyncio.Event()
        self._taken: set[int] = set()
        self._reader = asyncio.create_task(self._read())

    async def event(self, kind: str) -> Fields:
        """The next event of this kind that nobody has asked for yet."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                for place, event in enumerate(self.heard):
                    if event["event"] == kind and place not in self._taken:
                        self._taken.add(place)
                        return event
                self._news.clear()
                await self._news.wait()

    async def events(self, kind: str, count: int) -> list[Fields]:
        """The next ``count`` events of this kind."""
        return [await self.event(kind) for _ in range(count)]

    def do(self, command: str, **fields: Any) -> None:
        """Tell the peer to do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **fields}).encode() + b"\n")

    async def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(LIMIT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.heard.append(json.loads(line))
            self._news.set()


@asynccontextmanager
async def node_peer(script: str, **options: Any) -> AsyncIterator[NodePeer]:
    """Run ``tests/peers/<script>`` with options for as long as the block lasts."""
    node = shutil.which("node")
    assert node is not None, "node was not found; `make test` installs it"
    assert (HERE / "node_modules/smpp").is_dir(), "npm ci --prefix tests/peers has not been run; `make test` does"
    process = await asyncio.create_subprocess_exec(
        node,
        str(HERE / script),
        json.dumps(options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    peer = NodePeer(process)
    try:
        yield peer
    finally:
        await peer.stop()
