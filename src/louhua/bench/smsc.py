"""The sandbox's SMSC in a process of its own, so that it does not share an interpreter with what is measured."""

import asyncio
import contextlib
import multiprocessing
import signal
import socket
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import msgspec

from louhua.processes import StartError
from louhua.sandbox.handsets import Delivered
from louhua.sandbox.platform import free_port
from louhua.sandbox.smsc import SandboxSmsc


class Centre(msgspec.Struct, frozen=True):
    """A running SMSC: where it listens, and the way to ask it."""

    port: int
    pipe: Connection

    def first_texts(self) -> dict[str, float]:
        """When the first text to each phone was submitted, in seconds since 1970; probes are none."""
        self.pipe.send("first_texts")
        times: dict[str, float] = self.pipe.recv()
        return times


@contextlib.contextmanager
def smsc_process() -> Iterator[Centre]:
    """Run an SMSC. Raises ``StartError`` when it does not start."""
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
        yield Centre(port, ours)
    finally:
        ours.close()
        process.join(10)


def _serve(pipe: Connection, port: int) -> None:
    """Be the SMSC until the parent closes its end or dies; Ctrl-C is the parent's to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_serve_until_left(pipe, port))


async def _serve_until_left(pipe: Connection, port: int) -> None:
    first_texts: dict[str, float] = {}

    def note(delivered: Delivered) -> None:
        if delivered.message.body:
            first_texts.setdefault(delivered.message.recipient, delivered.message.submitted_at)

    smsc = SandboxSmsc({"louhua": "sandbox"}, on_delivered=note)
    await smsc.start("127.0.0.1", port)
    left = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            while pipe.recv():
                pipe.send(dict(first_texts))
        loop.call_soon_threadsafe(left.set)

    threading.Thread(target=wait, daemon=True).start()
    pipe.send(None)
    await left.wait()
    await smsc.stop()
