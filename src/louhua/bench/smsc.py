"""The sandbox's SMSC in a process of its own, so that it does not share an interpreter with what is measured."""

import asyncio
import contextlib
import multiprocessing
import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

from louhua.processes import StartError
from louhua.sandbox.platform import free_port
from louhua.sandbox.smsc import SandboxSmsc


@contextlib.contextmanager
def smsc_process() -> Iterator[int]:
    """Run an SMSC; its port. Raises ``StartError`` when it does not start."""
    port = free_port(socket.SOCK_STREAM)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, port), daemon=True)
    process.start()
    theirs.close()
    try:
        ours.recv()
    except EOFError as error:
        raise StartError("the SMSC of the measurement did not start") from error
    try:
        yield port
    finally:
        ours.send(None)
        process.join(10)


def _serve(pipe: Connection, port: int) -> None:
    """Be the SMSC until the parent says otherwise."""
    asyncio.run(_serve_until_told(pipe, port))


async def _serve_until_told(pipe: Connection, port: int) -> None:
    smsc = SandboxSmsc({"louhua": "sandbox"})
    await smsc.start("127.0.0.1", port)
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        pipe.recv()
        loop.call_soon_threadsafe(told.set)

    threading.Thread(target=wait, daemon=True).start()
    pipe.send(None)
    await told.wait()
    await smsc.stop()
