"""A client under test that keeps what it was told, and lets a test wait for it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

from louhua.config import Smsc
from louhua.texts.encoding import segment
from louhua.texts.smpp.client import SmppClient
from louhua.texts.smpp.messages import (
    Handle,
    Inbound,
    PhoneAvailable,
    ReceiptArrived,
    Submit,
    SubmitResult,
    TextArrived,
)

LIMIT_S: Final = 10.0
PHONE: Final = "8613800138000"


def text(key: Any, body: str = "hello", to: str = PHONE, **fields: Any) -> Submit:
    return Submit(key=key, source="06001", destination=to, segments=tuple(segment(body, 1)), **fields)


def numbered(count: int, **fields: Any) -> list[Submit]:
    return [text(key, f"text {key}", **fields) for key in range(count)]


class Harness:
    """``client``, and everything that came from it."""

    def __init__(
        self, port: int, *, answers: bool = True, ssl_context: ssl.SSLContext | None = None, **config: Any
    ) -> None:
        values: dict[str, Any] = {"system_id": "louhua", "rate": 0.0, "response_timeout": timedelta(seconds=5)}
        self.config = Smsc(name="test", host="127.0.0.1", port=port, **(values | config))
        self.results: list[SubmitResult] = []
        self.batches: list[int] = []
        self.inbound: list[Inbound] = []
        self.client = SmppClient(self.config, self._results, self._inbound, ssl_context=ssl_context)
        self._answers = answers
        self._news = asyncio.Event()

    @property
    def receipts(self) -> list[ReceiptArrived]:
        return [arrived for arrived in self.inbound if isinstance(arrived, ReceiptArrived)]

    @property
    def texts(self) -> list[TextArrived]:
        return [arrived for arrived in self.inbound if isinstance(arrived, TextArrived)]

    @property
    def alerts(self) -> list[PhoneAvailable]:
        return [arrived for arrived in self.inbound if isinstance(arrived, PhoneAvailable)]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; it is looked at when something came, and now and then."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._news.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._news.wait()
                except TimeoutError:
                    continue

    async def bound(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await self.client.wait_bound()

    async def submit(self, messages: Sequence[Submit]) -> list[SubmitResult]:
        """Submit texts and wait for all their results, which come back in the order of the texts."""
        before = len(self.results)
        count = sum(len(message.segments) for message in messages)
        self.client.submit_many(messages)
        await self.until(lambda: len(self.results) >= before + count)
        assert len(self.results) == before + count
        return sorted(self.results[before:], key=lambda result: (result.key, result.part))

    def _results(self, results: list[SubmitResult]) -> None:
        self.results += results
        self.batches.append(len(results))
        self._news.set()

    def _inbound(self, arrived: list[Inbound]) -> None:
        self.inbound += arrived
        if self._answers:
            self.client.respond_many(handles(arrived))
        self._news.set()


def handles(arrived: Sequence[Inbound]) -> list[Handle]:
    return [one.handle for one in arrived if not isinstance(one, PhoneAvailable)]


@asynccontextmanager
async def esme(port: int, *, bound: bool = True, **options: Any) -> AsyncIterator[Harness]:
    """A started client, bound unless told otherwise, stopped at the end of the block."""
    harness = Harness(port, **options)
    await harness.client.start()
    try:
        if bound:
            await harness.bound()
        yield harness
    finally:
        await harness.client.stop(drain=0.1)
