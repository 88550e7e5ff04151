"""Brings ended calls from the spool to the bus: recordings first, then events in batches, until it has them.

Runs on asyncio, beside the SIP thread. While the bus is away the events wait in the spool; what is published
twice has the same id and counts once.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import msgspec
import nats.errors
import nats.js.errors
import structlog

from louhua.bus.events import CallEnded
from louhua.bus.nats import Bus, BusAway
from louhua.calls.metrics import WAITING
from louhua.calls.spool import Spool

log = structlog.get_logger()

_GATHER_S: Final = 0.05
_BATCH: Final = 500
_FIRST_RETRY_S: Final = 0.2
_LAST_RETRY_S: Final = 5.0


class Publisher:
    """Made inside the running event loop; ``notify`` may be called from any thread."""

    def __init__(self, spool: Spool, bus: Bus, recordings: Path) -> None:
        self._spool = spool
        self._bus = bus
        self._recordings = recordings
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._emptied = asyncio.Event()
        self._woken = False
        if spool.waiting:
            self._wake.set()

    def notify(self, _event: CallEnded) -> None:
        """A call has ended: its event is in the spool."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake.set)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            self._woken = False
            try:
                await self._publish_all()
            except Exception:
                log.exception("calls.publish_failed")
                self._wake.set()
                await asyncio.sleep(_LAST_RETRY_S)

    async def drained(self, limit_s: float) -> bool:
        """Wait until nothing waits for the bus, at most ``limit_s`` seconds; says whether that came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._spool.waiting:
                    self._emptied.clear()
                    await self._emptied.wait()
        return not self._spool.waiting

    async def _publish_all(self) -> None:
        retry_s = _FIRST_RETRY_S
        while events := self._spool.batch(_BATCH):
            WAITING.set(self._spool.waiting)
            try:
                await self._publish([event for event in events if not event.recording])
                await self._publish([await self._with_recording(event) for event in events if event.recording])
            except BusAway as error:
                log.warning("calls.bus_away", waiting=self._spool.waiting, error=str(error))
                await asyncio.sleep(retry_s)
                retry_s = min(retry_s * 2, _LAST_RETRY_S)
                continue
            retry_s = _FIRST_RETRY_S
        WAITING.set(0)
        self._emptied.set()

    async def _publish(self, events: list[CallEnded]) -> None:
        """Those without a recording go first: a store that takes no recordings holds up nobody else."""
        if events:
            await self._bus.publish(events)
            self._spool.stored([event.id for event in events])
        for event in events:
            if event.recording:
                (self._recordings / event.recording).unlink(missing_ok=True)

    async def _with_recording(self, event: CallEnded) -> CallEnded:
        """Keep the recording in the object store; an event whose file is gone says so by having none."""
        if not event.recording:
            return event
        try:
            data = await asyncio.to_thread((self._recordings / event.recording).read_bytes)
        except OSError as error:
            log.error("calls.recording_lost", call=event.id, error=repr(error))
            return msgspec.structs.replace(event, recording="", recording_ms=0)
        try:
            store = await self._bus.recordings()
            await store.put(event.recording, data)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError, OSError) as error:
            raise BusAway(f"recordings: {error!r}") from error
        return event


def remove_strays(spool: Spool, recordings: Path) -> None:
    """Remove recordings that no waiting event names; before the first call is taken."""
    wanted = {event.recording for event in spool.batch(spool.waiting)}
    for path in recordings.glob("*.alaw"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
