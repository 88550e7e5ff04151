"""Rules of sending against the real database: quiet hours, daily limits, digests, lists, messages."""

from datetime import datetime

from tests.alerts.story import CALLEE, Story, Tell

from louhua.alerts.daily import forget_counts
from louhua.bus.events import Choice, ReceiptState
from louhua.hours import parse_hours
from louhua.subscribers.profiles import Listing, Privacy, Sender, Status
from louhua.subscribers.store import change_lists

CALLERS = [f"861390013900{number}" for number in range(5)]
ALWAYS = parse_hours("00:00-24:00")


def numbers(*bodies: str) -> list[str]:
    return [caller for caller in CALLERS if any(caller[2:] in body for body in bodies)]


async def called_and_back(s: Story, callers: list[str], choice: Choice = Choice.CALL_BACK) -> None:
    await s.calls(*(s.call(caller, choice) for caller in callers))
    await s.phone_on()


async def listed(s: Story, listing: Listing, *callers: str) -> None:
    async with s.pool.connection() as connection:
        await change_lists(connection, [(CALLEE, listing, caller) for caller in callers], [])


async def morning(s: Story) -> None:
    """The time that alerts were put off to has come."""
    await s.rows("UPDATE alerts_alert SET due_at = now() - interval '1 second' WHERE due_at > now() RETURNING id")


def test_one_digest_instead_of_a_text_a_caller(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(digest=True)
        await called_and_back(s, CALLERS)
        (body,) = await s.deliver_all()
        assert body.startswith("您有5次未接来电:")
        assert numbers(body) == CALLERS
        assert {state for _, _, state, _ in await s.alerts()} == {"delivered"}

    tell(story)


def test_a_digest_that_fails_is_told_again_with_every_caller(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(digest=True)
        await called_and_back(s, CALLERS)
        (text,) = await s.claim()
        (message_id,) = await s.accepted(text)
        await s.receipt(message_id, ReceiptState.EXPIRED)
        assert [state for _, _, state, _ in await s.alerts()] == ["held"] * 5
        assert len(await s.rows("SELECT * FROM reachability_watch")) == 1
        await s.calls(s.call(CALLERS[0]))
        await s.phone_on()
        (body,) = await s.deliver_all()
        assert body.startswith("您有6次未接来电:")

    tell(story)


def test_what_is_beyond_the_daily_limit_comes_in_one_digest_the_next_day(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(daily_limit=2)
        await called_and_back(s, CALLERS)
        first = await s.deliver_all()
        assert len(first) == 2
        waiting = await s.rows("SELECT due_at FROM alerts_alert WHERE digest AND state = 'due'")
        local = [due_at.astimezone(s.config.service.zone) for (due_at,) in waiting]
        assert {(at.hour, at.minute) for at in local} == {(8, 0)}
        assert len(local) == 3
        await s.rows("UPDATE alerts_daily SET day = day - 1 RETURNING day")
        await morning(s)
        (digest,) = await s.deliver_all()
        assert numbers(*first) + numbers(digest) != []
        assert sorted(numbers(*first) + numbers(digest)) == CALLERS
        assert await s.rows("SELECT texts FROM alerts_daily ORDER BY day") == [(2,), (1,)]

    tell(story)


def test_counts_are_of_a_day_and_forgotten(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(daily_limit=1)
        await called_and_back(s, CALLERS[:1])
        assert len(await s.deliver_all()) == 1
        await s.rows("UPDATE alerts_daily SET day = day - 1 RETURNING day")
        await called_and_back(s, CALLERS[1:2])
        assert len(await s.deliver_all()) == 1
        async with s.pool.connection() as connection:
            await forget_counts(connection, datetime.now(s.config.service.zone).date())
        assert await s.rows("SELECT count(*) FROM alerts_daily") == [(1,)]

    tell(story)


def test_quiet_hours_put_texts_off_and_lose_none(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(quiet_hours=ALWAYS)
        await called_and_back(s, CALLERS[:2])
        assert await s.deliver_all() == []
        assert [state for _, _, state, _ in await s.alerts()] == ["due", "due"]
        await s.calls(s.call(CALLERS[0]))
        await s.register(quiet_hours=None)
        await s.phone_on()
        await morning(s)
        bodies = await s.deliver_all()
        assert sum("呼叫过您2次" in body for body in bodies) == 1
        assert len(bodies) == 2

    tell(story)


def test_who_is_blocked_after_the_call_is_not_told_of(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register()
        await s.calls(s.call(CALLERS[0]), s.call(CALLERS[1]))
        await listed(s, Listing.BLOCK, CALLERS[0])
        await s.calls(s.call(CALLERS[0], Choice.POWER_ON))
        await s.phone_on()
        assert numbers(*await s.deliver_all()) == [CALLERS[1]]
        assert ("call_back", CALLERS[0], "dropped", 1) in await s.alerts()
        assert len(await s.alerts()) == 2

    tell(story)


def test_privacy_is_asked_again_when_the_text_is_due(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register()
        await s.calls(*(s.call(caller, Choice.POWER_ON) for caller in CALLERS[:2]))
        await s.register(power_on=Privacy.LIST)
        await listed(s, Listing.ALLOW, CALLERS[1])
        await s.phone_on()
        (text,) = await s.claim()
        assert text.recipient == CALLERS[1]
        assert ("power_on", CALLERS[0], "dropped", 1) in await s.alerts()

    tell(story)


def test_a_suspended_callee_gets_nothing(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.calls(s.call())
        await s.register(status=Status.SUSPENDED)
        await s.calls(s.call())
        await s.phone_on()
        assert await s.deliver_all() == []
        assert await s.alerts() == [("call_back", CALLERS[0], "dropped", 1)]

    tell(story)


def test_no_missed_text_where_the_caller_left_a_message(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(voicemail=True)
        await s.calls(s.call(CALLERS[0], Choice.NONE), s.call(CALLERS[0], Choice.MESSAGE))
        await s.calls(s.call(CALLERS[1], Choice.NONE))
        await s.phone_on()
        bodies = await s.deliver_all()
        assert len(bodies) == 2
        assert sum("留言" in body for body in bodies) == 1
        assert ("missed", CALLERS[0], "dropped", 1) in await s.alerts()

    tell(story)


def test_texts_come_from_the_callers_number_where_wanted(tell: Tell) -> None:
    async def story(s: Story) -> None:
        await s.register(sender=Sender.CALLER)
        await called_and_back(s, CALLERS[:1])
        (text,) = await s.claim()
        assert text.sender == CALLERS[0][2:]

    tell(story)


def test_the_mobile_a_land_line_named_last_is_told(tell: Tell) -> None:
    async def story(s: Story) -> None:
        for mobile in CALLERS[:2]:
            await s.calls(s.call("861088886666", Choice.POWER_ON, other_number=mobile))
        await s.phone_on()
        (text,) = await s.claim()
        assert text.recipient == CALLERS[1]

    tell(story)


def test_nobody_outside_the_served_ranges_is_told(tell: Tell) -> None:
    async def story(s: Story) -> None:
        ranged = Story(s.pool, ranges=[{"name": "own", "prefixes": ["86139"]}])
        await ranged.calls(s.call(), s.call(CALLEE, callee=CALLERS[0]))
        assert await s.rows("SELECT DISTINCT callee FROM alerts_alert") == [(CALLERS[0],)]
        assert await s.rows("SELECT count(*) FROM alerts_call") == [(2,)]

    tell(story)
