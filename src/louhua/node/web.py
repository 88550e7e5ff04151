"""The ``web`` role: Django under uvicorn. On a node without the role it serves health and metrics only."""

import asyncio
import contextlib

import psycopg
import uvicorn

from louhua.bus.nats import addresses, nats_url
from louhua.config import Config, load_from_environment, split_address
from louhua.db.migrate import setup_django
from louhua.db.pool import connect
from louhua.health import PERIOD_S, Check, HealthFile
from louhua.log import setup_logging
from louhua.processes import StartError


async def _report(config: Config, server: uvicorn.Server) -> None:
    """Renew this role's health report for ever."""
    file = HealthFile(config.node.data, "web")
    while True:
        if server.started:
            postgres, nats = await asyncio.gather(_postgres(config), _nats(config))
            file.write({"postgres": postgres, "nats": nats})
        await asyncio.sleep(PERIOD_S if server.started else 0.05)


async def _postgres(config: Config) -> Check:
    try:
        async with connect(config) as connection:
            await connection.execute("SELECT 1")
    except psycopg.Error as error:
        return Check(ok=False, detail=str(error).strip())
    return Check(ok=True)


async def _nats(config: Config) -> Check:
    """Whether one of the configured NATS servers greets us."""
    problems: list[str] = []
    try:
        for host, port in addresses(nats_url(config)):
            if not (problem := await _ungreeted(host, port)):
                return Check(ok=True)
            problems.append(f"{host}:{port}: {problem}")
    except StartError as error:
        problems.append(str(error))
    return Check(ok=False, detail="; ".join(problems))


async def _ungreeted(host: str, port: int) -> str:
    """Why a server does not greet us as NATS servers do; empty when it does."""
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection(host, port)
            greeting = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as error:
        return repr(error)
    return "" if greeting.startswith(b"INFO ") else "no NATS server"


async def _serve(config: Config) -> None:
    host, port = split_address(config.web.listen)
    server = uvicorn.Server(
        uvicorn.Config(
            "louhua.web.asgi:application", host=host, port=port, log_config=None, access_log=False,
            lifespan="off", server_header=False, timeout_graceful_shutdown=5,
            forwarded_allow_ips=list(config.web.proxies),
        )
    )  # fmt: skip
    reporting = asyncio.create_task(_report(config, server))
    try:
        await server.serve()
    finally:
        reporting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reporting


def main() -> None:
    """Run the role until SIGTERM."""
    setup_logging("web")
    config = load_from_environment()
    setup_django(config)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(config))


if __name__ == "__main__":
    main()
