"""``louhua bench charging``: receipts from NATS through matching to rated rows of the ledger.

Payers are registered, on a plan with quotas and caps. A unit is a delivery; its latency is the time from the
publication of its receipt, with a hundred others, until the ledger has as many charges as receipts were published.
"""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import psycopg

from louhua.bench.results import Result, percentile
from louhua.bench.smsc import smsc_process
from louhua.bench.usage import Usage
from louhua.bus.events import ReceiptState, TextReceipt
from louhua.bus.nats import Bus
from louhua.charging.catalogue import add_version
from louhua.charging.plans import Plan
from louhua.config import Config
from louhua.db.pool import connect, database_url
from louhua.sandbox.platform import Platform, settings

_MESSAGE: Final = 100
_LIMIT_S: Final = 300.0
_LOOK_EVERY_S: Final = 0.1

Say = Callable[[str], None]

_REGISTER: Final = """
INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on, power_on_hours, quiet_hours,
                                    digest, sender, plan, notice_due, created_at, updated_at)
SELECT '86138' || lpad(n::text, 8, '0'), 'registered', false, '', 'everybody', '', '', false, '', 'bench', false,
       now(), now()
  FROM generate_series(0, %(count)s) AS n
"""
_TEXTS: Final = """
INSERT INTO texts_text (kind, sender, recipient, body, parts, reference, priority, validity_s, protocol_id,
                        set_dpf, smsc, state, due_at, attempts, resent, submitted_at, expires_at, error, item,
                        payer, party, created_at)
SELECT 'alert', '06001', number, '', 1, n & 65535, 2, 259200, 0, false, 'sandbox', 'submitted', now(), 1, false,
       now(), now() + interval '3 days', '', (ARRAY['detail', 'missed', 'call_back'])[1 + n % 3], number,
       '8613900139000', now()
  FROM (SELECT n, '86138' || lpad((n % {payers})::text, 8, '0') AS number
          FROM generate_series(1, {count}) AS n) AS numbered
"""
_PARTS: Final = """
INSERT INTO texts_part (text_id, seq, smsc, message_id, smsc_id, recipient, state, error)
SELECT id, 0, 'sandbox', id::text, id::text, recipient, 'submitted', '' FROM texts_text
"""
_PLAN: Final = Plan.model_validate({
    "name": "bench", "valid_from": "2020-01-01", "day_cap": "1", "month_cap": "10",
    "items": {
        "detail": {"price": "0.10", "free": 2, "cap": "5"}, "missed": {"price": "0.03"},
        "call_back": {"price": "0.05", "free": 1},
    },
})  # fmt: skip


def run(count: int, payers: int, say: Say) -> Result:
    """Have ``count`` texts delivered; raises ``StartError`` when the platform cannot start."""
    with smsc_process() as centre:
        say("Starting the platform …")
        with Platform(settings(centre.port, {"node": {"roles": ["alert"]}})) as platform:
            say(f"Adding {count:,} texts of {payers:,} payers …")
            _fill(platform.config, count, payers)
            say(f"Publishing {count:,} receipts …")
            with Usage(platform.role_processes) as usage:
                rate, latencies, missing = asyncio.run(_deliver(platform, _receipts(count, payers)))
            wrong = _wrong_sums(database_url(platform.config))
    return Result(
        bench="charging",
        unit="delivery",
        count=count,
        rate=rate,
        failures=missing + wrong,
        p50_ms=percentile(latencies, 0.5),
        p99_ms=percentile(latencies, 0.99),
        cpu_ms=usage.cpu_ms_each(count),
        peak_mb=usage.peak_mb,
        details={"payers": payers},
    )


def _fill(config: Config, count: int, payers: int) -> None:
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        connection.execute(_REGISTER, {"count": payers})
        connection.execute(_TEXTS.format(count=count, payers=payers).encode())
        connection.execute(_PARTS)
        for table in ("subscribers_subscriber", "texts_text", "texts_part"):
            connection.execute(f"VACUUM ANALYZE {table}".encode())

    async def add_plan() -> None:
        async with connect(config) as connection, connection.transaction():
            await add_version(connection, _PLAN, "bench", _PLAN.valid_from)

    asyncio.run(add_plan())


def _receipts(count: int, payers: int) -> list[TextReceipt]:
    """One a text, in no order."""
    numbers = list(range(1, count + 1))
    random.Random(20261123).shuffle(numbers)  # noqa: S311  # test data
    at = datetime.now(UTC)
    return [
        TextReceipt(
            id=f"bench:{number}", smsc="sandbox", message_id=str(number), number=f"86138{number % payers:08}",
            state=ReceiptState.DELIVERED, at=at,
        )
        for number in numbers
    ]  # fmt: skip


async def _deliver(platform: Platform, receipts: list[TextReceipt]) -> tuple[float, list[float], int]:
    """Charges a second, latencies in milliseconds, and how many charges are missing."""
    bus = await Bus.connect(platform.config, "bench")
    looking = asyncio.create_task(_look(platform.config, len(receipts)))
    started = time.monotonic()
    published: list[float] = []
    for first in range(0, len(receipts), _MESSAGE):
        await bus.publish(receipts[first : first + _MESSAGE])
        published.append(time.monotonic())
    seen = await looking
    await bus.close()
    ended, done = seen[-1]
    latencies = [
        1000 * max(0.0, next((at for at, charges in seen if charges >= (n + 1) * _MESSAGE), ended) - moment)
        for n, moment in enumerate(published)
    ]
    return done / (ended - started), latencies, len(receipts) - done


async def _look(config: Config, wanted: int) -> list[tuple[float, int]]:
    """Count the charges again and again until all are there: (when, how many)."""
    seen: list[tuple[float, int]] = []
    deadline = time.monotonic() + _LIMIT_S
    async with connect(config) as connection:
        while time.monotonic() < deadline:
            row = await (await connection.execute("SELECT count(*) FROM charging_charge")).fetchone()
            seen.append((time.monotonic(), int(row[0]) if row else 0))
            if seen[-1][1] >= wanted:
                break
            await asyncio.sleep(_LOOK_EVERY_S)
    return seen


def _wrong_sums(url: str) -> int:
    """How many months of payers whose counters do not say what the ledger says."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM charging_usage AS u"
            "  FULL JOIN (SELECT payer, month, count(*) AS charges, sum(amount) AS amount FROM charging_charge"
            "              GROUP BY payer, month) AS c USING (payer, month)"
            " WHERE (u.charges, (SELECT sum(value::bigint) FROM jsonb_each_text(u.days)))"
            "       IS DISTINCT FROM (c.charges, c.amount)"
        ).fetchone()
    return int(row[0]) if row else 0
