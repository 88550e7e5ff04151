"""Any interleaving of calls, probes, receipts and repeats ends with each call counted once.

Random histories run against the real database; what must hold is looked at after each.
"""

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.alerts.story import CALLEE, Story, Tell

from louhua.alerts.states import TRANSITIONS
from louhua.bus.events import CallEnded, Choice, Reason, ReceiptState
from louhua.texts import store

CALLERS = ["8613900139000", "8613900139001"]

one_call = st.tuples(st.just("call"), st.sampled_from(CALLERS), st.sampled_from(Choice), st.sampled_from(Reason))
one_off_call = st.tuples(
    st.just("call"), st.sampled_from(CALLERS), st.sampled_from(Choice), st.just(Reason.UNREACHABLE)
)
one_receipt = st.tuples(st.just("receipt"), st.integers(0, 5), st.sampled_from(ReceiptState))
one_delivery = st.tuples(st.just("receipt"), st.integers(0, 5), st.just(ReceiptState.DELIVERED))
one_send = st.tuples(st.just("send"))

# What stands twice comes twice as often: most histories then have alerts that are sent.
steps = st.lists(
    st.one_of(
        one_call,
        one_off_call,
        one_off_call,
        one_send,
        one_send,
        one_receipt,
        one_delivery,
        st.tuples(st.just("phone on")),
        st.tuples(st.just("phone on")),
        st.tuples(st.just("again"), st.integers(0, 5)),
        st.tuples(st.just("probe")),
        st.tuples(st.just("claim")),
        st.tuples(st.just("accept"), st.integers(0, 5)),
        st.tuples(st.just("receipts"), st.sampled_from(ReceiptState)),
        st.tuples(st.just("D")),
        st.tuples(st.just("later"), st.sampled_from([1, 25, 73])),
        st.tuples(st.just("sweep")),
    ),
    min_size=10,
    max_size=40,
)

ALLOWED = {(old.value, new.value) for (old, _), new in TRANSITIONS.items()}

RECORD_MOVES = """
CREATE TABLE IF NOT EXISTS test_move (old text, new text);
CREATE OR REPLACE FUNCTION test_record_move() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN INSERT INTO test_move VALUES (OLD.state, NEW.state); RETURN NEW; END$$;
CREATE OR REPLACE TRIGGER test_moves AFTER UPDATE ON alerts_alert
   FOR EACH ROW EXECUTE FUNCTION test_record_move()
"""


class History:
    """Plays steps, some of which make no sense at their moment and are passed over."""

    def __init__(self, s: Story) -> None:
        self.s = s
        self.calls: list[CallEnded] = []
        self.claimed: list[store.Claimed] = []
        self.accepted: list[tuple[str, str]] = []

    async def play(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("call", caller, choice, reason):
                extra = (
                    {"recording": f"r{len(self.calls)}", "recording_ms": 2000} if choice is Choice.MESSAGE else {}
                )
                self.calls.append(self.s.call(caller, choice, reason=reason, **extra))
                await self.s.calls(self.calls[-1])
            case ("again", number) if self.calls:
                await self.s.calls(self.calls[number % len(self.calls)], self.calls[-1])
            case ("phone on",):
                await self.s.phone_on()
            case ("probe",):
                await self.s.probe()
            case ("later", hours):
                await self.s.later(timedelta(hours=hours))
            case ("sweep",):
                await self.s.sweep()
            case ("D",):
                await self.s.texted("D")
            case _:
                await self._play_texts(step)

    async def _play_texts(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("claim",):
                self.claimed += await self.s.claim()
            case ("send",):
                for text in await self.s.claim():
                    await self._accept(text)
            case ("accept", number) if self.claimed:
                await self._accept(self.claimed.pop(number % len(self.claimed)))
            case ("receipt", number, state) if self.accepted:
                message_id, recipient = self.accepted[number % len(self.accepted)]
                await self.s.receipt(message_id, state, number=recipient)
            case ("receipts", state):
                about = [message_id for message_id, recipient in self.accepted if recipient == CALLEE]
                await self.s.receipts(about, state)

    async def _accept(self, text: store.Claimed) -> None:
        self.accepted.append(((await self.s.accepted(text))[0], text.recipient))

    async def check(self) -> None:
        s = self.s
        assert await s.rows("SELECT count(*) FROM alerts_call") == [(len(self.calls),)]
        assert not await s.rows(
            "SELECT callee, caller, kind FROM alerts_alert WHERE state IN ('held', 'due', 'offered')"
            " GROUP BY 1, 2, 3 HAVING count(*) > 1"
        ), "two open alerts with one key"
        assert not await s.rows(
            "SELECT id FROM alerts_alert AS a WHERE state = 'held' AND watched"
            " AND NOT EXISTS (SELECT 1 FROM reachability_watch AS w WHERE w.callee = a.callee)"
        ), "an alert waits for a phone that nobody watches"
        assert not await s.rows(
            "SELECT id FROM alerts_alert WHERE state IN ('held', 'due') AND NOT watched AND due_at IS NULL"
        ), "an alert waits for nothing"
        assert not await s.rows(
            "SELECT unnest(alert_ids) FROM texts_text WHERE state = 'delivered' GROUP BY 1 HAVING count(*) > 1"
        ), "an alert was delivered twice"
        moves = await s.rows("SELECT DISTINCT old, new FROM test_move WHERE old <> new")
        assert set(moves) <= ALLOWED, "a move that the table does not have"
        await self.check_counts()

    async def check_counts(self) -> None:
        """Every call that asked for a call back is in one alert; a failed one may have handed its calls over."""
        asked = sum(call.choice is Choice.CALL_BACK for call in self.calls)
        ((live, failed),) = await self.s.rows(
            "SELECT coalesce(sum(calls) FILTER (WHERE state <> 'failed'), 0),"
            " coalesce(sum(calls) FILTER (WHERE state = 'failed'), 0)"
            " FROM alerts_alert WHERE kind = 'call_back'"
        )
        assert live <= asked <= live + failed


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_no_history_loses_or_doubles_anything(tell: Tell, history: list[tuple[Any, ...]]) -> None:
    async def story(s: Story) -> None:
        async with s.pool.connection() as connection:
            await connection.execute(RECORD_MOVES)
        for table in ("test_move", "alerts_alert", "alerts_call", "reachability_watch", "texts_text", "texts_part",
                      "texts_orphanreceipt", "texts_inbound", "voicemail_message"):  # fmt: skip
            await s.rows(f"WITH gone AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM gone")
        played = History(s)
        for step in history:
            await played.play(step)
        await played.check()

    tell(story)
