"""``louhua bench texts``: from outbox rows through submit response and receipt to the final state.

With all rules on it begins earlier: with due alerts, which are judged, counted and worded first.

The SMSC is the sandbox's, in a process of its own, without any limit of rate. A unit is a text; its
latency is the time from the outbox row to the stored receipt, waiting for its turn included.
"""

import time
from collections.abc import Callable
from typing import Final

import psycopg

from louhua.bench.results import Result
from louhua.bench.rules import register, settings_with_rules
from louhua.bench.smsc import smsc_process
from louhua.bench.usage import Usage
from louhua.db.pool import database_url
from louhua.sandbox.platform import Platform, settings

_LIMIT_S: Final = 300.0
_LOOK_EVERY_S: Final = 0.1

Say = Callable[[str], None]

_FILL: Final = """
INSERT INTO texts_text (kind, sender, recipient, body, parts, reference, priority, protocol_id, set_dpf,
                        validity_s, smsc, state, due_at, attempts, resent, error, created_at)
SELECT 'alert', '06001', '86138' || lpad(n::text, 8, '0'),
       '13900139000号码于11月23日9时5分前呼叫过您' || n || '次,正在期待您的回电,请您与他联系。',
       1, n & 65535, 2, 0, false, 259200, '', 'queued', now(), 0, false, '', now()
  FROM generate_series(1, %(count)s) AS n
"""
_FILL_ALERTS: Final = """
INSERT INTO alerts_alert (callee, caller, kind, recipient, state, calls, first_at, last_at, other_number, watched,
                          due_at, attempts, error, updated_at)
SELECT '86138' || lpad(n::text, 8, '0'), '86139' || lpad(n::text, 8, '0'), 'call_back',
       '86138' || lpad(n::text, 8, '0'), 'due', 1, now(), now(), '', false, now(), 0, '', now()
  FROM generate_series(1, %(count)s) AS n
"""
_DONE: Final = "SELECT count(*) FROM texts_text WHERE state NOT IN ('queued', 'sending', 'submitted')"
_FIGURES: Final = """
SELECT count(*) FILTER (WHERE state = 'delivered'),
       coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM final_at - created_at)), 0),
       coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM final_at - created_at)), 0)
  FROM texts_text
"""


def run(count: int, say: Say, *, rules: bool = False) -> Result:
    """Send ``count`` texts; raises ``StartError`` when the platform cannot start.

    ``rules``: every rule is on, every recipient has a profile and lists, and texts are worded from due alerts.
    """
    with smsc_process() as centre:
        values = settings(centre.port, {"node": {"roles": ["alert"]}, "smsc": {"window": 500}})
        say("Starting the platform …")
        with Platform(settings_with_rules(values) if rules else values) as platform:
            if rules:
                register(database_url(platform.config), count)
            say(f"Sending {count:,} texts …")
            return _measure(platform, count, _FILL_ALERTS if rules else _FILL)


def _measure(platform: Platform, count: int, fill: str) -> Result:
    with (
        psycopg.connect(database_url(platform.config), autocommit=True) as connection,
        Usage(platform.role_processes) as usage,
    ):
        connection.execute(fill.encode(), {"count": count})
        started = time.monotonic()
        _await_final(connection, count)
        elapsed = time.monotonic() - started
        delivered, p50, p99 = connection.execute(_FIGURES).fetchone() or (0, 0.0, 0.0)
    return Result(
        bench="texts",
        unit="text",
        count=count,
        rate=delivered / elapsed,
        failures=count - delivered,
        p50_ms=1000 * float(p50),
        p99_ms=1000 * float(p99),
        cpu_ms=usage.cpu_ms_each(count),
        peak_mb=usage.peak_mb,
    )


def _await_final(connection: psycopg.Connection, count: int) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        row = connection.execute(_DONE).fetchone()
        if row is not None and row[0] >= count:
            return
        time.sleep(_LOOK_EVERY_S)
