"""A story of calls, phones, receipts and texts against the real PostgreSQL, told step by step."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.charging.steps import StepwiseCashier

from louhua.alerts.enquiries import Enquiries
from louhua.alerts.offers import expire_offers
from louhua.alerts.worker import AlertWorker
from louhua.bus.events import (
    CallEnded,
    Choice,
    Event,
    Outcome,
    PhoneReachable,
    Reason,
    ReceiptState,
    Source,
    TextReceipt,
    TextReceived,
    Treatment,
)
from louhua.charging.balances import Balances
from louhua.charging.catalogue import add_version
from louhua.charging.diameter.online import OnlineCharging
from louhua.charging.movements import Movements
from louhua.charging.plans import Plan
from louhua.config import Config
from louhua.db.pool import Pool
from louhua.reachability.prober import Prober
from louhua.subscribers.profiles import Profile, Status
from louhua.subscribers.store import pay, save
from louhua.texts import receipts, store
from louhua.texts.encoding import segment
from louhua.texts.outbox import TextKind
from louhua.texts.retries import Retries
from louhua.texts.sender import LEASE, announce

CALLEE = "8613800138000"


class Story:
    """The alert role without its loops: each step is one of its transactions."""

    def __init__(
        self,
        pool: Pool,
        reachability: str = "probe",
        ranges: Sequence[Any] = (),
        charging: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.config = Config.model_validate(
            {
                "smsc": [{"name": "s", "host": "h", "port": 1, "system_id": "x", "reachability": reachability}],
                "ranges": ranges,
                "charging": charging or {},
                "alerts": {"quiet_time": "0s", "probe_hold_off": "0s", **settings},
            }
        )
        self.pool = pool
        self.published: list[Event] = []
        self.worker = AlertWorker(self.config, pool, self._publish, lambda: None)
        self.enquiries = Enquiries(self.config, pool, self.worker.wording, lambda: None)
        online = self.config.charging.diameter
        self.cashier = StepwiseCashier(
            self.config,
            pool,
            OnlineCharging(online) if online else Balances(pool),
            self.worker.outcomes.texts_changed,
            self._publish,
            lambda: None,
        )
        self._prober = Prober(self.config)
        self._sent = 0
        self._parts: dict[str, list[str]] = {}

    async def _publish(self, events: Sequence[Event]) -> None:
        self.published += events

    def call(self, caller: str = "8613900139000", choice: Choice = Choice.CALL_BACK, **changes: Any) -> CallEnded:
        """A call that just ended."""
        at = changes.pop("at", datetime.now(UTC))
        values: dict[str, Any] = {
            "id": uuid.uuid4().hex, "node": "n", "trunk": "t", "sip_call_id": "s", "callee": CALLEE,
            "caller": caller, "reason": Reason.UNREACHABLE, "treatment": Treatment.MENU, "choice": choice,
            "outcome": Outcome.COMPLETED, "started_at": at, "ended_at": at,
        }  # fmt: skip
        return CallEnded(**(values | changes))

    async def calls(self, *calls: CallEnded) -> None:
        """These calls ended, told in one batch."""
        await self.worker.calls_ended(list(calls))

    async def phone_on(self, number: str = CALLEE, at: datetime | None = None) -> None:
        """The phone is back."""
        await self.phones_on([number], at)

    async def phones_on(self, numbers: Sequence[str], at: datetime | None = None) -> None:
        """These phones are back, told in one batch."""
        at = at or datetime.now(UTC)
        await self.worker.phones_reachable(
            [PhoneReachable(id=uuid.uuid4().hex, number=number, source=Source.API, at=at) for number in numbers]
        )

    async def texted(
        self, body: str, sender: str = CALLEE, at: datetime | None = None, **changes: Any
    ) -> TextReceived:
        """A phone texted us."""
        event = TextReceived(
            id=changes.get("id", uuid.uuid4().hex), smsc="s", sender=sender, recipient="06001", body=body,
            at=at or datetime.now(UTC),
        )  # fmt: skip
        await self.enquiries.texts_received([event])
        return event

    async def texts(self, *texts: tuple[str, str]) -> None:
        """Phones texted us, one after the other, told in one batch: (sender, body)."""
        now = datetime.now(UTC)
        await self.enquiries.texts_received([
            TextReceived(
                id=uuid.uuid4().hex, smsc="s", sender=sender, recipient="06001", body=body,
                at=now + timedelta(milliseconds=number),
            )
            for number, (sender, body) in enumerate(texts)
        ])  # fmt: skip

    async def probe(self) -> int:
        """Queue the probes that are due."""
        async with self.pool.connection() as connection:
            return await self._prober.ask(connection, datetime.now(UTC))

    async def sweep(self) -> None:
        """End the watches and the offers whose limits are over."""
        async with self.pool.connection() as connection:
            await self.worker._end_watches(connection, datetime.now(UTC))
            await expire_offers(connection, datetime.now(UTC))

    async def claim(self, limit: int = 500) -> list[store.Claimed]:
        """Word what is due and take it for sending."""
        await self.worker.replenish(limit)
        async with self.pool.connection() as connection:
            return await store.claim(connection, ("", "s"), limit, datetime.now(UTC), LEASE)

    async def accepted(self, *texts: store.Claimed) -> list[str]:
        """The SMSC took these texts; its message ids, of a text of several parts that of the first."""
        ids = [f"m{self._sent + n}" for n in range(1, len(texts) + 1)]
        self._sent += len(texts)
        await self._accept(dict(zip(ids, texts, strict=True)))
        return ids

    async def accepted_as(self, text: store.Claimed, message_id: str) -> None:
        """The SMSC took this text and gave it this id."""
        await self._accept({message_id: text})

    async def _accept(self, named: Mapping[str, store.Claimed]) -> None:
        now = datetime.now(UTC)
        parts = []
        for message_id, text in named.items():
            names = [message_id + "+" * seq for seq in range(max(1, len(segment(text.body, 0))))]
            self._parts[message_id] = names
            parts += [store.Accepted(text.id, seq, name, name) for seq, name in enumerate(names)]
        texts = list(named.values())
        async with self.pool.connection() as connection, connection.transaction():
            await receipts.take_turns(connection, ["s"])
            await store.add_parts(connection, "s", parts)
            changes = await store.mark_submitted(connection, "s", [text.id for text in texts], now)
            changes += await receipts.adopt_orphans(connection, "s", [text.id for text in texts], now, Retries(()))
            self.published += await announce(connection, changes, self.worker.outcomes.texts_changed)

    async def receipt(
        self,
        message_id: str,
        state: ReceiptState = ReceiptState.DELIVERED,
        number: str = CALLEE,
        reference: int | None = None,
    ) -> None:
        """The SMSC reported, of each part of a text."""
        events = [
            TextReceipt(
                id=f"{name}:{state}", smsc="s", message_id=name, number=number, state=state,
                at=datetime.now(UTC), reference=reference,
            )
            for name in self._parts.get(message_id, [message_id])
        ]  # fmt: skip
        await self.worker.receipts_came(events)

    async def receipts(self, message_ids: Sequence[str], state: ReceiptState) -> None:
        """The SMSC reported about several texts at once."""
        events = [
            TextReceipt(
                id=f"{message_id}:{state}", smsc="s", message_id=message_id, number=CALLEE, state=state,
                at=datetime.now(UTC),
            )
            for message_id in message_ids
        ]  # fmt: skip
        await self.worker.receipts_came(events)

    async def deliver_all(self) -> list[str]:
        """Send and deliver everything that is due; the bodies of what people read."""
        bodies: list[str] = []
        while texts := await self.claim():
            for text, message_id in zip(texts, await self.accepted(*texts), strict=True):
                await self.receipt(message_id, number=text.recipient)
                if text.kind != TextKind.PROBE:
                    bodies.append(text.body)
        return bodies

    async def register(self, **profile: Any) -> None:
        """Somebody has a profile."""
        async with self.pool.connection() as connection:
            await save(connection, [Profile(**{"number": CALLEE, "status": Status.REGISTERED, **profile})])

    async def plan(self, name: str = "standard", **values: Any) -> None:
        """There is a plan, valid from today on."""
        today = datetime.now(self.config.service.zone).date()
        plan = Plan.model_validate({"name": name, "valid_from": today} | values)
        async with self.pool.connection() as connection, connection.transaction():
            await add_version(connection, plan, "test", today)

    async def prepaid(self, number: str = CALLEE, money: int = 0) -> None:
        """Somebody is registered, prepaid, and has so many thousandths of a yuan more."""
        async with self.pool.connection() as connection:
            await save(connection, [Profile(number=number, status=Status.REGISTERED)], told=[number])
            await pay(connection, [number], prepaid=True)
            if money:
                await Movements(self.config, datetime.now(UTC)).top_up(
                    connection, number, money, "test", "cash", uuid.uuid4().hex
                )

    async def money(self) -> list[tuple[Any, ...]]:
        """Balances: payer, balance, reserved."""
        return await self.rows("SELECT payer, balance, reserved FROM charging_balance ORDER BY payer")

    async def charges(self) -> list[tuple[Any, ...]]:
        """The ledger: payer, item, amount, why."""
        return await self.rows(
            "SELECT payer, item, amount, why FROM charging_charge WHERE kind = 'usage' ORDER BY id"
        )

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database holds."""
        async with self.pool.connection() as connection:
            return list(await (await connection.execute(query.encode())).fetchall())

    async def alerts(self) -> list[tuple[Any, ...]]:
        """Every alert: kind, caller, state, calls."""
        return await self.rows("SELECT kind, caller, state, calls FROM alerts_alert ORDER BY kind, caller, id")

    async def later(self, length: timedelta) -> None:
        """Let time pass: everything stored is so much older."""
        for table, columns in {
            "alerts_alert": "first_at last_at due_at expires_at updated_at",
            "reachability_watch": "since last_call_at limit_at next_probe_at",
            "reachability_probed": "asked_at",
            "texts_text": "due_at lease_until submitted_at created_at",
            "texts_helpsent": "sent_at",
            "texts_inbound": "received_at",
        }.items():
            changes = ", ".join(f"{column} = {column} - %(length)s" for column in columns.split())
            async with self.pool.connection() as connection:
                await connection.execute(f"UPDATE {table} SET {changes}".encode(), {"length": length})


Tell = Callable[..., None]
