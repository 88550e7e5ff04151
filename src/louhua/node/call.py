"""The ``call`` role: SIP in the main thread, asyncio beside it, media processes below it.

Calls are served from the first moment, whether or not NATS and PostgreSQL are there: events wait in the spool,
profiles have defaults.
"""

import asyncio
import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Final

import nats.errors
import structlog

from louhua.bus.events import CallEnded
from louhua.bus.nats import Bus
from louhua.calls.engine import CallServer
from louhua.calls.media.manager import MediaManager
from louhua.calls.publisher import Publisher, remove_strays
from louhua.calls.spool import Spool
from louhua.config import Config, load_from_environment
from louhua.db.pool import database_url
from louhua.health import PERIOD_S, Check, HealthFile
from louhua.ivr.prompts import PROMPTS
from louhua.ivr.service import serve
from louhua.log import setup_logging
from louhua.node.profiles import ProfileLookup
from louhua.processes import StartError
from louhua.subscribers.plan import NumberPlan
from louhua.together import end

log = structlog.get_logger()

_RETRY_S: Final = 1.0
_LAST_EVENTS_S: Final = 5.0


class Backstage:
    """The asyncio side of the role, in a thread of its own."""

    def __init__(self, config: Config, spool: Spool, recordings: Path) -> None:
        self._config = config
        self._spool = spool
        self._recordings = recordings
        self._bus: Bus | None = None
        self._publisher: Publisher | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="asyncio", daemon=True)
        self.lookup: ProfileLookup

    def start(self) -> None:
        """Start the thread and wait until look-ups may be made."""
        self._thread.start()
        self._ready.wait()

    def publish(self, event: CallEnded) -> None:
        """A call has ended, its event is in the spool; from any thread."""
        if self._publisher is not None:
            self._publisher.notify(event)

    def report(self, server: CallServer, media: MediaManager) -> None:
        """Begin to renew the role's health report."""
        self._loop.call_soon_threadsafe(lambda: self._keep(self._report(server, media)))

    def stop(self) -> None:
        """Give the last events to the bus, then end the thread."""
        self._loop.call_soon_threadsafe(self._work.cancel)
        self._thread.join(2 * _LAST_EVENTS_S)

    def _main(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._work = asyncio.ensure_future(asyncio.Event().wait())
        self.lookup = ProfileLookup(database_url(self._config), NumberPlan(self._config))
        self._keep(self.lookup.run())
        self._keep(self._publish())
        self._ready.set()
        try:
            await self._work
        finally:
            if self._publisher is not None and not await self._publisher.drained(_LAST_EVENTS_S):
                log.warning("call.events_wait_in_spool", events=self._spool.waiting)
            await end(self._tasks)
            if self._bus is not None:
                await self._bus.close()

    def _keep(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.add(asyncio.ensure_future(work))

    async def _publish(self) -> None:
        """Connect to the bus, however long that takes, and bring it what the spool holds."""
        while self._bus is None:
            try:
                self._bus = await Bus.connect(self._config, f"{self._config.node.name}-call")
            except (StartError, nats.errors.Error, OSError, TimeoutError) as error:
                log.warning("call.bus_away", error=repr(error), waiting=self._spool.waiting)
                await asyncio.sleep(_RETRY_S)
        self._publisher = Publisher(self._spool, self._bus, self._recordings)
        await self._publisher.run()

    async def _report(self, server: CallServer, media: MediaManager) -> None:
        file = HealthFile(self._config.node.data, "call")
        while True:
            running, wanted = len(media.pids), self._config.sip.media_processes
            file.write(
                {
                    "sip": Check(ok=True, detail=f"{server.live} live calls"),
                    "media": Check(ok=running == wanted, detail=f"{running} of {wanted} processes"),
                    "nats": Check(ok=self._bus is not None and self._bus.connected),
                    "profiles": Check(ok=self.lookup.ready),
                }
            )
            await asyncio.sleep(PERIOD_S)


def hold(spool: Path) -> None:
    """Keep the spool from any other process until this one ends: each would take the other's calls for dead.

    Raises ``StartError`` when another process has it.
    """
    spool.mkdir(parents=True, exist_ok=True)
    lock = os.open(spool / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise StartError(f"another call role runs on {spool}; stop it, or wait until its calls end") from error


def run(config: Config) -> None:
    """Serve calls until SIGTERM, then let live calls end within ``node.drain_limit``."""
    data = config.node.data.resolve()
    recordings = data / "recordings"
    recordings.mkdir(parents=True, exist_ok=True)
    hold(data / "spool")
    spool = Spool(data / "spool", config.node.name)
    remove_strays(spool, recordings)
    backstage = Backstage(config, spool, recordings)
    backstage.start()
    media = MediaManager(
        address=config.sip.media_address,
        ports=config.sip.port_range,
        prompts=PROMPTS,
        processes=config.sip.media_processes,
        on_reports=lambda reports: server.on_media_reports(reports),  # noqa: PLW0108  # made below
    )
    server = CallServer(
        config,
        media=media,
        dialogue=serve(config),
        lookup=backstage.lookup,
        journal=spool,
        publish=backstage.publish,
        recordings=recordings,
    )
    limit_s = config.node.drain_limit.total_seconds()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop(limit_s))
    media.start()
    backstage.report(server, media)
    server.run()
    media.stop()
    backstage.stop()
    spool.close()
    log.info("call.stopped", waiting=spool.waiting)


def main() -> None:
    """Run the role."""
    setup_logging("call")
    try:
        run(load_from_environment())
    except (StartError, OSError) as error:
        log.error("call.not_started", error=str(error))
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
