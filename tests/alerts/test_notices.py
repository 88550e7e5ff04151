"""Who was registered is told so, once."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any, Final

import psycopg
import pytest
from tests.alerts.story import CALLEE, Story, Tell

from louhua.alerts.notices import Notices, a_second_of, may_be_told
from louhua.config import Alerts, Config, Smsc
from louhua.hours import NEVER, Hours
from louhua.subscribers.profiles import Language, Profile, Status
from louhua.subscribers.store import forget, save
from louhua.texts import store
from louhua.texts.outbox import TextKind
from louhua.texts.sender import LEASE

NOON: Final = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
"""Twelve o'clock in Shanghai."""


def notices(s: Story) -> Notices:
    return Notices(s.config, s.pool, s.worker.wording, lambda: None)


async def tell_all(s: Story, works: Notices, now: datetime = NOON) -> int:
    async with s.pool.connection() as connection:
        return await works.tell(connection, now)


async def many(s: Story, count: int, **profile: Any) -> None:
    people = [
        Profile(number=f"86138{number:08}", **{"status": Status.REGISTERED, **profile}) for number in range(count)
    ]
    async with s.pool.connection() as connection:
        await save(connection, people)


async def due(s: Story) -> list[str]:
    return [row[0] for row in await s.rows("SELECT number FROM subscribers_subscriber WHERE notice_due")]


def test_who_is_registered_is_told_once_in_his_language(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(language=Language.EN, voicemail=True)
        works = notices(s)
        assert await tell_all(s, works) == 1
        (told,) = await s.deliver_all()
        assert told.startswith("You now have missed-call alerts and voicemail, free of charge")
        assert [await tell_all(s, works), await tell_all(s, notices(s))] == [0, 0]
        await s.register(voicemail=False)
        await s.register(status=Status.SUSPENDED)
        await s.register()
        assert await tell_all(s, works) == 0, "a changed profile is no activation"
        await s.register(status=Status.UNREGISTERED)
        await s.register()
        assert await tell_all(s, works) == 1, "another activation is"

    tell(story)


@pytest.mark.parametrize("status", [Status.SUSPENDED, Status.UNREGISTERED])
def test_who_is_registered_no_more_is_not_told(tell: Tell, status: Status) -> None:
    async def story(s: Story) -> None:
        await s.register()
        await s.register(status=status)
        assert await tell_all(s, notices(s)) == 0
        await s.rows("UPDATE subscribers_subscriber SET notice_due = true RETURNING 1")
        assert await tell_all(s, notices(s)) == 0
        assert await due(s) == []

    tell(story)


def test_who_is_told_already_awaits_nothing(tell: Tell) -> None:
    async def story(s: Story) -> None:
        async with s.pool.connection() as connection:
            await save(connection, [Profile(number=CALLEE, status=Status.REGISTERED)], told={CALLEE})
            assert await due(s) == []
            await forget(connection, CALLEE)
            await save(connection, [Profile(number=CALLEE, status=Status.REGISTERED)])
            await save(connection, [Profile(number=CALLEE, status=Status.REGISTERED)], told={CALLEE})
            assert await due(s) == []

    tell(story)


def test_a_kill_between_leaves_it_due(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    async def killed(*_arguments: object) -> None:
        raise psycopg.OperationalError("the connection is gone")

    async def story(s: Story) -> None:
        await s.register()
        with monkeypatch.context() as patched:
            patched.setattr("louhua.alerts.notices.enqueue", killed)
            with pytest.raises(psycopg.OperationalError):
                await tell_all(s, notices(s))
        assert await due(s) == [CALLEE]
        assert await tell_all(s, notices(s)) == 1
        assert len(await s.deliver_all()) == 1

    tell(story)


def test_two_workers_tell_nobody_twice(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await many(s, 90)
        await asyncio.gather(*(tell_all(s, notices(s)) for _ in range(4)))
        await tell_all(s, notices(s))
        recipients = await s.rows("SELECT recipient, count(*) FROM texts_text GROUP BY recipient")
        assert len(recipients) == 90
        assert {count for _, count in recipients} == {1}

    tell(story)


def test_who_is_being_changed_waits(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register()
        async with s.pool.connection() as connection, connection.transaction():
            await connection.execute("SELECT FROM subscribers_subscriber FOR UPDATE")
            assert await tell_all(s, notices(s)) == 0
        assert await tell_all(s, notices(s)) == 1

    tell(story)


def test_no_more_are_queued_than_the_smsc_takes_in_a_second(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await many(s, 350)
        works = notices(s)
        assert [await tell_all(s, works, datetime.now(UTC)) for _ in range(3)] == [100, 0, 0]
        async with s.pool.connection() as connection:
            assert len(await store.claim(connection, ("",), 30, datetime.now(UTC), LEASE)) == 30
        assert await tell_all(s, works, datetime.now(UTC)) == 30
        for _ in range(6):
            await s.deliver_all()
            await tell_all(s, works, datetime.now(UTC))
        assert await due(s) == []

    tell(story)


def test_quiet_hours_are_kept_and_hold_up_nobody_else(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await many(s, 600, quiet_hours=Hours(11 * 60, 13 * 60))
        await s.register(number="8613900139000")
        works = notices(s)
        assert [await tell_all(s, works) for _ in range(3)] == [0, 1, 0]
        assert len(await due(s)) == 600
        assert await tell_all(s, works, NOON.replace(hour=6)) == 99, "one is queued"

    tell(story)


@pytest.mark.parametrize(
    ("own", "service", "at", "told"),
    [
        (None, NEVER, time(3), True),
        (None, Hours(22 * 60, 7 * 60), time(3), False),
        (None, Hours(22 * 60, 7 * 60), time(12), True),
        (NEVER, Hours(22 * 60, 7 * 60), time(3), True),
        (Hours(11 * 60, 13 * 60), NEVER, time(12), False),
    ],
)
def test_when_a_notice_may_come(own: Hours | None, service: Hours, at: time, told: bool) -> None:
    local = datetime.combine(NOON.date(), at)
    assert may_be_told(Profile(quiet_hours=own), Alerts(quiet_hours=service), local) is told


def smscs(*rates: float) -> dict[str, Smsc]:
    return {
        f"s{number}": Smsc(name=f"s{number}", host="h", port=1, system_id="x", rate=rate, connections=2)
        for number, rate in enumerate(rates)
    }


@pytest.mark.parametrize(
    ("route", "rates", "most"),
    [("s0,s1", (10, 50), 20), ("s1", (10, 50), 100), ("", (10, 50), 120), ("", (10, 0), 500), ("", (1000,), 500)],
)
def test_a_second_of_a_route(route: str, rates: Sequence[float], most: int) -> None:
    assert a_second_of(route, smscs(*rates)) == most


def test_alerts_go_before_notices_and_notices_before_probes(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(number="8613900139000")
        await tell_all(s, notices(s), datetime.now(UTC))
        await s.calls(s.call())
        await s.probe()
        await s.phone_on()
        async with s.pool.connection() as connection:
            assert await store.claim(connection, ("",), 3, datetime.now(UTC), LEASE, probes=0) == []
            await s.worker.replenish(3)
            order = []
            for _ in range(3):
                (text,) = await store.claim(connection, ("", "s"), 1, datetime.now(UTC), LEASE)
                order.append(text.kind)
        assert order == [TextKind.ALERT, TextKind.NOTICE, TextKind.PROBE]

    tell(story)


def test_without_an_smsc_nobody_is_told(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register()
        nobody = Notices(Config(), s.pool, s.worker.wording, lambda: None)
        assert await tell_all(s, nobody) == 0
        assert await due(s) == [CALLEE]

    tell(story)
