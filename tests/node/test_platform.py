"""The platform as an operator meets it: health, figures, refusals, and a stop that lets calls end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.node.world import Clock, Live, World

from louhua.bus.events import Reason
from louhua.db.embedded import EmbeddedPostgres
from louhua.db.pool import database_url
from louhua.processes import StartError
from louhua.sandbox.phone import After, HangUp, Press, Speak, Step, Wait
from louhua.sandbox.platform import Platform, settings
from louhua.sandbox.smsc import SandboxSmsc

CALLEE, CALLER = "13800138000", "13900139000"


def healthz(world: World) -> tuple[int, dict[str, dict[str, object]]]:
    try:
        with urllib.request.urlopen(f"http://{world.platform.config.web.listen}/healthz", timeout=5) as answer:
            return answer.status, json.load(answer)["processes"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["processes"]


def test_every_role_reports_and_is_counted(live: Live) -> None:
    async def story(world: World) -> None:
        status, processes = await asyncio.to_thread(healthz, world)
        assert status == 200
        assert set(processes) == {"node", "call", "alert", "web"}
        world.smsc.phone_off(CALLEE)
        report = await world.phone(CALLER).call(CALLEE, [After("beep"), HangUp()], reason=Reason.UNREACHABLE)
        assert report.status == 200
        figures = await asyncio.to_thread(world.platform.metrics)
        assert (
            'louhua_calls_total{choice="none",outcome="abandoned",treatment="menu",trunk="exchange"} 1.0'
            in figures
        )
        assert "louhua_calls_live 0.0" in figures
        assert 'louhua_smsc_bound{smsc="sandbox"} 1.0' in figures
        expected = (
            'louhua_alerts_open{kind="teaser",state="held"} 1.0', "louhua_watches 1.0",
            'louhua_event_lag_seconds{subject="call.ended"}',
        )  # fmt: skip
        await world.until(lambda: all(figure in world.platform.metrics() for figure in expected))
        # A mapped file on a full disk kills its writer (SIGBUS), again at each start.
        assert not list(world.platform.config.node.data.resolve().rglob("counter_*.db"))

    live(story)


def test_the_smsc_goes_away_and_health_says_so(live: Live) -> None:
    async def story(world: World) -> None:
        await world.smsc.stop()

        def sick() -> bool:
            status, processes = healthz(world)
            return status == 503 and not processes["alert"]["ok"]

        async with asyncio.timeout(15):
            while not await asyncio.to_thread(sick):
                await asyncio.sleep(0.1)

    live(story)


def test_a_stop_lets_a_live_call_end(live: Live) -> None:
    async def story(world: World) -> None:
        answered = asyncio.Event()
        phone = world.phone(CALLER)
        calling = asyncio.create_task(
            phone.call(
                CALLEE,
                [After("menu-call-back"), Press("2")],
                watcher=lambda what, _detail: answered.set() if what == "hears" else None,
            )
        )
        await asyncio.wait_for(answered.wait(), 10)
        assert world.platform.process is not None
        world.platform.process.send_signal(signal.SIGTERM)
        await world.until(lambda: "calls.stopping" in world.platform.log_path.read_text(errors="replace"))
        refused = await world.phone("13900139001").call(CALLEE, [])
        assert refused.status == 503
        report = await calling
        assert report.heard[-1].clip.endswith("goodbye")
        assert report.ended_by == "platform"
        await world.until(lambda: world.platform.process is not None and world.platform.process.poll() is not None)
        assert world.platform.process.returncode == 0

    live(story, node={"drain_limit": "40s"})


def test_nothing_is_left_behind_by_a_killed_supervisor(live: Live) -> None:
    async def story(world: World) -> None:
        assert world.platform.process is not None
        family = psutil.Process(world.platform.process.pid).children(recursive=True)
        assert len(family) > 5
        os.kill(world.platform.process.pid, signal.SIGKILL)
        await world.until(lambda: not any(_runs(process) for process in family), 15)
        await asyncio.to_thread(world.platform.process.wait)
        await asyncio.to_thread(world.platform.start)
        report = await world.phone(CALLER).call(CALLEE, [HangUp()])
        assert report.status == 200

    live(story)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_migrate_beside_a_running_node_leaves_it_alone(live: Live) -> None:
    async def story(world: World) -> None:
        command = [sys.executable, "-m", "louhua.cli", "migrate", "--config", str(world.platform.config_path)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert "louhua serve is running" in done.stdout.replace("\n", " ")
        assert (await asyncio.to_thread(healthz, world))[0] == 200
        assert "server.died" not in world.platform.log_path.read_text()

    live(story)


def test_a_port_in_use_is_named_at_once(live: Live) -> None:
    async def story(world: World) -> None:
        values = settings(1, {"web": {"listen": world.platform.config.web.listen}})
        with pytest.raises(StartError, match=r"web.listen: .* in use; stop what uses it"):
            await asyncio.to_thread(Platform(values).start)

    live(story, node={"roles": ["alert"]})


def test_ctrl_c_is_the_supervisors_to_hear(live: Live) -> None:
    async def story(world: World) -> None:
        process = world.platform.process
        assert process is not None
        family = psutil.Process(process.pid).children(recursive=True)
        assert {os.getpgid(child.pid) for child in family}.isdisjoint({os.getpgid(process.pid)})
        process.send_signal(signal.SIGINT)
        await world.until(lambda: process.poll() is not None)
        assert process.returncode == 0
        log = world.platform.log_path.read_text()
        assert log.endswith("Stopped.\n")
        assert "Traceback" not in log
        assert not any(_runs(child) for child in family)

    live(story)


def test_calls_are_served_while_a_database_elsewhere_is_away_at_the_start(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    values = settings(1, {"node": {"roles": ["call"]}, "database": {"url": server.url}})
    platform = Platform(values)

    def log_says(word: str) -> Callable[[], bool]:
        return lambda: word in platform.log_path.read_text()

    async def story() -> None:
        world = World(platform, SandboxSmsc(), Clock())
        await world.until(log_says("calls.listening"))
        async with asyncio.timeout(60):
            while (report := await world.phone(CALLER).call(CALLEE, [After("beep"), Press("2")])).status == 503:
                await asyncio.sleep(0.2)  # the media process is not up yet: a caller tries again
        assert report.heard[-1].clip.endswith("goodbye"), report
        assert log_says("database.away")()
        await asyncio.to_thread(server.start)
        await world.until(log_says("database.migrated"))

    platform.launch()
    try:
        asyncio.run(story())
    finally:
        platform.close()
        server.stop()


def test_a_killed_media_process_ends_its_calls_and_the_next_one_works(live: Live) -> None:
    async def story(world: World) -> None:
        hearing = asyncio.Event()
        calling = asyncio.create_task(
            world.phone(CALLER).call(
                CALLEE, [Wait(60)], watcher=lambda what, _d: hearing.set() if what == "hears" else None
            )
        )
        await asyncio.wait_for(hearing.wait(), 10)
        (media,) = [
            process
            for process in world.platform.role_processes()["call"]
            if "louhua.calls.media" in process.cmdline()
        ]
        media.kill()
        report = await asyncio.wait_for(calling, 15)
        assert report.ended_by == "platform"
        await world.until(lambda: len(_media(world)) == 1)
        again = await world.phone("13900139001").call(CALLEE, [After("beep"), HangUp()])
        assert again.heard[0].clip.endswith("menu-intro")

    live(story)


def _media(world: World) -> list[psutil.Process]:
    found = []
    for process in world.platform.role_processes().get("call", []):
        try:
            if "louhua.calls.media" in process.cmdline():
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_a_message_is_recorded_kept_and_announced(live: Live) -> None:
    async def story(world: World) -> None:
        import psycopg

        from louhua.bus.nats import Bus

        with psycopg.connect(database_url(world.platform.config), autocommit=True) as connection:
            connection.execute(
                "INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on,"
                " power_on_hours, quiet_hours, digest, sender, notice_due, created_at, updated_at) VALUES"
                " ('8613800138000', 'registered', true, '', 'everybody', '', '', false, '', false, now(), now())"
            )
        world.smsc.phone_off(CALLEE)
        script: list[Step] = [After("menu-message"), Press("1"), After("beep"), Wait(0.2), Speak(2.0), Press("#")]
        report = await world.phone(CALLER).call(CALLEE, script)
        assert report.ended_by == "platform"
        world.smsc.phone_on(CALLEE)
        await world.until(lambda: len(world.smsc.inbox(CALLEE)) == 1)
        assert "给您留言1条" in world.smsc.inbox(CALLEE)[0].body
        bus = await Bus.connect(world.platform.config)
        (recording,) = await (await bus.recordings()).list()
        audio = (await (await bus.recordings()).get(recording.name)).data
        await bus.close()
        assert audio is not None
        assert 1.5 < len(audio) / 8000 < 4.5
        assert not list((world.platform.data / "var" / "recordings").iterdir())

    live(story)


def test_a_phone_that_is_on_is_announced_and_told_soon(live: Live) -> None:
    async def story(world: World) -> None:
        report = await world.phone(CALLER).call(CALLEE, [], reason=Reason.BUSY)
        assert [heard.clip for heard in report.heard] == ["zh-hans/announce"]
        assert report.heard[0].complete
        await world.until(lambda: len(world.smsc.inbox(CALLEE)) == 1)

    live(story)


def test_an_smsc_that_notifies_says_that_the_phone_is_back(live: Live) -> None:
    """The probe is long gone then: nothing but alert_notification can tell."""

    async def story(world: World) -> None:
        world.smsc.phone_off(CALLEE)
        await world.phone(CALLER).call(CALLEE, [After("menu-call-back"), Press("2")])
        await world.until(lambda: world.smsc.waiting(CALLEE) == 1)
        world.clock.ahead_s = 600
        await world.until(lambda: world.smsc.waiting(CALLEE) == 0)
        world.smsc.phone_on(CALLEE)
        await world.until(lambda: len(world.smsc.inbox(CALLEE)) == 1)
        assert "正在期待您的回电" in world.smsc.inbox(CALLEE)[0].body
        assert [taken.message.protocol_id for taken in world.smsc.delivered] == [0]

    live(story, smsc={"reachability": "set_dpf"})


@pytest.mark.slow
def test_calls_are_served_while_nats_and_postgres_are_away(live: Live) -> None:
    async def story(world: World) -> None:
        world.smsc.phone_off(CALLEE)
        for role in ("nats", "postgres"):
            for process in world.platform.role_processes()[role]:
                process.suspend()
        report = await world.phone(CALLER).call(CALLEE, [After("menu-call-back"), Press("2")])
        assert report.heard[-1].clip.endswith("goodbye")
        for role in ("nats", "postgres"):
            for process in world.platform.role_processes()[role]:
                process.resume()
        await world.until(lambda: world.smsc.waiting(CALLEE) > 0, 60)
        world.smsc.phone_on(CALLEE)
        await world.until(lambda: len(world.smsc.inbox(CALLEE)) == 1)
        assert "正在期待您的回电" in world.smsc.inbox(CALLEE)[0].body

    live(story)
