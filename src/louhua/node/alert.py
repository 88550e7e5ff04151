"""The ``alert`` role: consumers of the bus, loops over due rows, and the connections to the SMSCs."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import nats.errors
import psycopg
import structlog
import uvloop
from psycopg_pool import PoolTimeout

from louhua.alerts.enquiries import Enquiries
from louhua.alerts.notices import Notices
from louhua.alerts.worker import AlertWorker
from louhua.bus.events import CallEnded, Event, PhoneReachable, TextReceipt, TextReceived
from louhua.bus.nats import Bus, BusAway
from louhua.charging.balances import Balances
from louhua.charging.cashier import Cashier
from louhua.charging.cdr.worker import CdrWorker
from louhua.charging.diameter.online import OnlineCharging
from louhua.charging.run.runner import RentalRun
from louhua.config import Config, load_from_environment
from louhua.db.pool import Pool, database_url, open_pool
from louhua.health import PERIOD_S, Check, HealthFile
from louhua.log import setup_logging
from louhua.processes import StartError
from louhua.reachability.asking import keep_asking
from louhua.reachability.prober import Prober
from louhua.reachability.reg.registrar import RegistrarSource
from louhua.reachability.sources import Sources
from louhua.retention.housekeeper import Housekeeper
from louhua.texts.gateway import Gateway
from louhua.texts.routes import Routes
from louhua.together import run_together

log = structlog.get_logger()
T = TypeVar("T")

_RETRY_S: Final = 2.0
_CONNECTIONS: Final = 6


class AlertRole:
    """One process of the role; any number may share a database and a bus."""

    def __init__(self, config: Config, pool: Pool, bus: Bus) -> None:
        self._config = config
        self._pool = pool
        self._bus = bus
        self._sources = Sources(config)
        self._registrars = [
            RegistrarSource(registrar, self._sources, bus.publish)
            for registrar in config.registrars
            if f"reg:{registrar.name}" in self._sources.known
        ]
        self._worker = AlertWorker(config, pool, self._publish, self._wake)
        self._enquiries = Enquiries(config, pool, self._worker.wording, self._wake)
        self._notices = Notices(config, pool, self._worker.wording, self._wake)
        self._housekeeper = Housekeeper(config, bus)
        diameter = config.charging.diameter if config.charging.keeper == "diameter" else None
        self._online = OnlineCharging(diameter) if diameter else None
        self._rentals = RentalRun(config, self._online)
        self._cashier = Cashier(
            config,
            pool,
            self._online or Balances(pool),
            self._worker.outcomes.texts_changed,
            self._publish,
            self._wake_senders,
        )
        self._cdr = CdrWorker(config)
        routes = Routes(config)
        self._gateways = [
            Gateway(
                smsc,
                pool,
                bus,
                self._worker.outcomes.texts_changed,
                self._worker.replenish,
                routes,
                country=config.service.country,
            )
            for smsc in config.smsc
        ]

    async def run(self) -> None:
        """Work until cancelled."""
        await run_together(
            self._bus.consume(CallEnded, "alert-calls", self._worker.calls_ended),
            self._bus.consume(PhoneReachable, "alert-phones", self._worker.phones_reachable),
            self._bus.consume(TextReceipt, "alert-receipts", self._worker.receipts_came),
            self._bus.consume(TextReceived, "alert-texts", self._enquiries.texts_received),
            keep_asking(self._pool, self._sources, [Prober(self._config), *self._registrars], self._wake),
            *(registrar.run() for registrar in self._registrars),
            self._worker.sweep(),
            self._notices.run(),
            self._housekeeper.run(),
            self._rentals.run(),
            self._cashier.run(),
            *([self._online.run()] if self._online else []),
            self._cdr.run(),
            *(gateway.run() for gateway in self._gateways),
            self._report(),
        )

    def _wake(self) -> None:
        self._cashier.look()
        self._wake_senders()

    def _wake_senders(self) -> None:
        for gateway in self._gateways:
            gateway.sender.wake.set()

    async def _publish(self, events: Sequence[Event]) -> None:
        """Tell others what this role learned; its own rows are already right, so it may be given up."""
        try:
            await self._bus.publish(events)
        except BusAway as error:
            log.warning("alert.untold", events=len(events), error=str(error))

    async def _report(self) -> None:
        file = HealthFile(self._config.node.data, "alert")
        while True:
            file.write({
                "nats": Check(ok=self._bus.connected),
                "database": Check(ok=self._worker.database_answers),
            } | {
                f"smsc {health.smsc}": Check(
                    ok=any(link.bound for link in health.links),
                    detail=f"{sum(link.bound for link in health.links)} of {len(health.links)} bound",
                )
                for health in (gateway.health() for gateway in self._gateways)
            } | {f"registrar {reg.name}": reg.health() for reg in self._registrars}
              | ({"charging system": self._online.health()} if self._online else {}))  # fmt: skip
            await asyncio.sleep(PERIOD_S)


async def _when_there(server: str, connect: Callable[[], Awaitable[T]], away: tuple[type[Exception], ...]) -> T:
    """Connect, however long that takes."""
    while True:
        try:
            return await connect()
        except away as error:
            log.warning("alert.server_away", server=server, error=str(error))
            await asyncio.sleep(_RETRY_S)


async def _serve(config: Config) -> None:
    pool = await _when_there(
        "database", lambda: open_pool(database_url(config), size=_CONNECTIONS), (psycopg.Error, PoolTimeout)
    )
    bus = await _when_there(
        "nats",
        lambda: Bus.connect(config, f"{config.node.name}-alert"),
        (StartError, nats.errors.Error, OSError, TimeoutError),
    )
    work = asyncio.create_task(AlertRole(config, pool, bus).run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("alert.stopping")
    finally:
        await bus.close()
        await pool.close()


def main() -> None:
    """Run the role until SIGTERM."""
    setup_logging("alert")
    uvloop.run(_serve(load_from_environment()))


if __name__ == "__main__":
    main()
