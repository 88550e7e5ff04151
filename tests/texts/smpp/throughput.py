"""How many texts with receipts go through client and sandbox SMSC, each in a process of its own.

``python tests/texts/smpp/throughput.py [texts] [window] [connections]`` prints one line. Not a test.
"""

import asyncio
import multiprocessing
import resource
import sys
import time
from multiprocessing.connection import Connection

import uvloop

from louhua.config import Smsc
from louhua.sandbox.smsc import SandboxSmsc
from louhua.texts.encoding import segment
from louhua.texts.smpp.client import SmppClient
from louhua.texts.smpp.messages import Inbound, PhoneAvailable, Submit, SubmitResult

BODY = "13900139000号码于11月23日9时5分前呼叫过您2次,正在期待您的回电,请您与他联系。"
LIMIT_S = 120.0


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def serve(pipe: Connection) -> None:
    """The SMSC's process: tells its port, and its CPU time when asked."""

    async def run() -> None:
        smsc = SandboxSmsc()
        pipe.send(await smsc.start())
        await asyncio.to_thread(pipe.recv)
        pipe.send(cpu_s())
        await smsc.stop()

    uvloop.run(run())


async def drive(port: int, count: int, window: int, connections: int) -> tuple[float, float]:
    """Submit, answer every receipt; return elapsed and CPU seconds."""
    receipts = 0
    done = asyncio.Event()

    def arrived(batch: list[Inbound]) -> None:
        nonlocal receipts
        client.respond_many([one.handle for one in batch if not isinstance(one, PhoneAvailable)])
        receipts += len(batch)
        if receipts == count:
            done.set()

    def answered(batch: list[SubmitResult]) -> None:
        assert all(result.status == 0 for result in batch)

    config = Smsc(
        name="bench",
        host="127.0.0.1",
        port=port,
        system_id="bench",
        rate=0,
        window=window,
        connections=connections,
    )
    client = SmppClient(config, answered, arrived)
    await client.start()
    await client.wait_bound()
    began, cpu, sent = time.perf_counter(), cpu_s(), 0
    async with asyncio.timeout(LIMIT_S):
        while sent < count:
            wanted = min(await client.wait_room(), count - sent)
            client.submit_many(
                Submit(
                    key=sent + place,
                    source="06001",
                    destination=f"8613{sent + place:09d}",
                    segments=tuple(segment(BODY, 1)),
                )
                for place in range(wanted)
            )
            sent += wanted
        await done.wait()
    result = time.perf_counter() - began, cpu_s() - cpu
    await client.stop()
    return result


def main() -> None:
    count, window, connections = [*map(int, sys.argv[1:]), *(60_000, 100, 1)[len(sys.argv) - 1 :]]
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    smsc = context.Process(target=serve, args=(theirs,))
    smsc.start()
    elapsed, cpu = uvloop.run(drive(pipe.recv(), count, window, connections))
    pipe.send("done")
    smsc_cpu = pipe.recv()
    smsc.join()
    print(
        f"{count} texts with receipts, window {window}, {connections} connection(s): {count / elapsed:.0f}/s; "
        f"CPU a text: client {cpu / count * 1e6:.0f} µs, SMSC {smsc_cpu / count * 1e6:.0f} µs"
    )


if __name__ == "__main__":
    main()
