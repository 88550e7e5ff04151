"""A call server for the tests, with real media processes: run as a program of its own.

``python server.py SETTINGS``: settings are JSON. Ended calls and other news are written to standard output, one
JSON line each; commands come as lines on standard input.
"""

import json
import os
import resource
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sippy import SipTransactionManager

from louhua.bus.events import CallEnded, Choice, Treatment
from louhua.calls import leg
from louhua.calls.call import Call, HungUp
from louhua.calls.engine import CallServer
from louhua.calls.media.manager import MediaManager
from louhua.calls.spool import Spool
from louhua.config import Config, Sip, Trunk
from louhua.log import setup_logging
from louhua.subscribers.profiles import Profile, Status

TRUNKS = (
    Trunk(name="connect", peers=("127.0.0.1",)),
    Trunk(name="early", peers=("127.0.0.2/32",), answer="early-media"),
    Trunk(name="prefix", peers=("127.0.0.3",), called_prefix="99111", diversion="last"),
    Trunk(name="not-reached", peers=("127.0.0.0/30",), release_code=486),
)
TONE = "tone"


def say(news: str, **fields: Any) -> None:
    """Tell the test."""
    os.write(OUT, json.dumps({"news": news, **fields}).encode() + b"\n")


async def answer(call: Call) -> None:
    """Answer, and tell."""
    await call.answer()
    say("answered", call=call.info.sip_call_id)


async def menu(call: Call) -> None:
    """A prompt, a key, a goodbye: the shape of most calls."""
    await call.profiles()
    await answer(call)
    key = await call.play([TONE, "silence/700"]) or await call.key(1)
    call.result.choice = {"2": Choice.CALL_BACK, "4": Choice.POWER_ON}.get(key or "", Choice.NONE)
    await call.play(["silence/20"], barge_in=False)
    say("key", call=call.info.sip_call_id, key=key)
    await call.play([TONE], barge_in=False)


async def release(call: Call) -> None:
    """No voice at all."""
    call.result.treatment = Treatment.RELEASE
    await call.release(486, "Busy Here")


async def announce(call: Call) -> None:
    """A short announcement."""
    call.result.treatment = Treatment.ANNOUNCE
    await answer(call)
    await call.play([TONE], barge_in=False)


async def message(call: Call) -> None:
    """Record; a caller who hangs up has left a message too."""
    await answer(call)
    say("free", call=call.info.sip_call_id, free=call.free_answer)
    await call.connect()
    say("free", call=call.info.sip_call_id, free=call.free_answer)
    try:
        call.result.recording = await call.record(max_ms=20_000, silence_ms=20_000)
        say("recorded", call=call.info.sip_call_id, key=call.result.recording.key)
    finally:
        if call.result.recording:
            call.result.choice = Choice.MESSAGE


async def beep_first(call: Call) -> None:
    """Record after a tone that no key interrupts, and wait for a key after that."""
    await answer(call)
    await call.play([TONE, "silence/500"], barge_in=False)
    await call.record(max_ms=20_000, silence_ms=20_000)
    say("key", call=call.info.sip_call_id, key=await call.key(0.2))


async def patient(call: Call) -> None:
    """Answers and listens for long."""
    await answer(call)
    while True:
        say("key", call=call.info.sip_call_id, key=await call.key(60))


async def thoughtful(call: Call) -> None:
    """Does not answer for a while."""
    try:
        await call.key(3)
        await answer(call)
        await call.key(3)
    except HungUp:
        say("hung up", call=call.info.sip_call_id)
        raise


async def broken(call: Call) -> None:
    """A dialogue with a fault."""
    await answer(call)
    raise ZeroDivisionError("on purpose")


async def unknown_to_all(call: Call) -> None:
    """Says what profiles it got."""
    caller, callee = await call.profiles()
    say("profiles", call=call.info.sip_call_id, caller=caller.registered, callee=callee.registered)
    await call.release(480, "Temporarily Unavailable")


DIALOGUES: dict[str, Callable[[Call], Any]] = {
    "8613800138000": menu,
    "8613800138001": release,
    "8613800138002": announce,
    "8613800138003": message,
    "8613800138004": patient,
    "8613800138005": thoughtful,
    "8613800138006": broken,
    "8613800138007": unknown_to_all,
    "8613800138008": unknown_to_all,
    "8613800138009": beep_first,
}


async def dialogue(call: Call) -> None:
    """The callee's number decides which dialogue a test gets."""
    await DIALOGUES.get(call.info.callee, menu)(call)


def lookup(numbers: Sequence[str], callback: Callable[[Mapping[str, Profile]], None]) -> None:
    """Profiles: one callee is registered, about another the database never answers."""
    if "8613800138008" not in numbers:
        found = {n: Profile(number=n, status=Status.REGISTERED) for n in numbers if n == "8613800138007"}
        threading.Thread(target=callback, args=(found,)).start()


def take_orders(server: CallServer, media: MediaManager) -> None:
    """Carry out what the test says."""
    for line in sys.stdin:
        order, _, argument = line.strip().partition(" ")
        if order == "drain":
            server.drain()
        elif order == "stop":
            server.stop(float(argument))
        elif order == "kill-media":
            for pid in media.pids:
                os.kill(pid, 9)
        elif order in ("disk-full", "disk-free"):
            # Python ignores SIGXFSZ, so that writing fails as it does where there is no room.
            most = 1 if order == "disk-full" else resource.RLIM_INFINITY
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        say("done", order=order, live=server.live)


def shorten_the_wait_for_ack(limit_s: float | None) -> None:
    """32 s is what no test should wait for an ACK or a PRACK."""
    real = SipTransactionManager.Timeout
    if limit_s is not None:
        leg._GIVEN_UP_S = limit_s  # type: ignore[misc]
        SipTransactionManager.Timeout = lambda callback, wait_s, *rest: real(
            callback, limit_s if wait_s == 32.0 else wait_s, *rest
        )


def main() -> None:
    """Serve until told to stop."""
    settings = json.loads(sys.argv[1])
    data = Path(settings.pop("data"))
    first_port = settings.pop("first_port")
    shorten_the_wait_for_ack(settings.pop("ack_limit_s", None))
    config = Config(sip=Sip(listen="127.0.0.1:0", trunks=TRUNKS, **settings))
    (data / "prompts").mkdir(parents=True, exist_ok=True)
    (data / "recordings").mkdir(exist_ok=True)
    (data / "prompts" / f"{TONE}.al").write_bytes(bytes([0x55, 0xD5] * 1200))
    spool = Spool(data / "spool", "test")
    for event in spool.batch(1000):
        say("left", event=msgspec.to_builtins(event))
    servers: list[CallServer] = []
    media = MediaManager(
        address="127.0.0.1", ports=(first_port, first_port + 399), prompts=data / "prompts", processes=1,
        on_reports=lambda reports: servers[0].on_media_reports(reports),  # noqa: PLW0108
    )  # fmt: skip

    def publish(event: CallEnded) -> None:
        say("ended", event=msgspec.to_builtins(event))
        spool.stored([event.id])

    server = CallServer(
        config, media=media, dialogue=dialogue, lookup=lookup, journal=spool, publish=publish,
        recordings=data / "recordings",
    )  # fmt: skip
    servers.append(server)
    media.start()
    threading.Thread(target=take_orders, args=(server, media), daemon=True).start()
    say("listening", port=server.address[1], pid=os.getpid())
    server.run()
    media.stop()
    say("stopped", waiting=spool.waiting)


if __name__ == "__main__":
    OUT = os.dup(1)
    setup_logging("call")
    main()
