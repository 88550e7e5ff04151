"""What a busy network leaves behind, written straight into the tables: open alerts, and records that are old."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg

from louhua.config import Config
from louhua.db.pool import connect, database_url
from louhua.retention.partitions import keep_days

# Open alerts as several callers each left them on phones that are off: what a network failure leaves behind.
_WATCHES: Final = """
INSERT INTO reachability_watch (callee, since, last_call_at, limit_at, source, next_probe_at, probes)
SELECT '8615' || lpad(n::text, 9, '0'), now(), now(), now() + interval '72 hours',
       'probe:sandbox', now() + interval '24 hours', 1
  FROM generate_series(1, %(watches)s) AS n
"""
_ALERTS: Final = """
INSERT INTO alerts_alert (callee, caller, kind, recipient, state, calls, first_at, last_at, other_number, watched,
                          attempts, error, updated_at)
SELECT '8615' || lpad((n %% %(watches)s + 1)::text, 9, '0'), '8616' || lpad(n::text, 9, '0'), 'call_back',
       '8615' || lpad((n %% %(watches)s + 1)::text, 9, '0'), 'held', 1, now(), now(), '', true, 0, '', now()
  FROM generate_series(1, %(alerts)s) AS n
"""

_LEAVE_ROOM: Final = """
SELECT setval('alerts_alert_id_seq', %(count)s), setval('texts_text_id_seq', %(count)s)
"""
_OLD: Final = (
    """
INSERT INTO alerts_call (id, node, trunk, sip_call_id, callee, caller, reason, treatment, choice, outcome,
                         other_number, started_at, answered_at, ended_at)
SELECT md5(n::text), 'bench', 'exchange', md5('s' || n), '86138' || lpad((n * 7919 %% 99999989)::text, 8, '0'),
       '86139' || lpad((n * 104729 %% 99999989)::text, 8, '0'), 'unreachable', 'menu', 'call_back', 'completed',
       '', at, at, at
  FROM (SELECT n, %(now)s - interval '151 days' - (%(count)s - n) * interval '4 days' / %(count)s AS at
          FROM generate_series(1::bigint, %(count)s) AS n) AS given
""",
    """
INSERT INTO alerts_alert (id, callee, caller, kind, recipient, state, calls, first_at, last_at, other_number,
                          watched, attempts, text_id, error, updated_at)
SELECT n, '86138' || lpad((n * 7919 %% 99999989)::text, 8, '0'),
       '86139' || lpad((n * 104729 %% 99999989)::text, 8, '0'), 'call_back',
       '86138' || lpad((n * 7919 %% 99999989)::text, 8, '0'), 'delivered', 1, at, at, '', false, 1, n, '', at
  FROM (SELECT n, %(now)s - interval '100 days' AS at FROM generate_series(1::bigint, %(count)s) AS n) AS given
""",
    """
INSERT INTO texts_text (id, kind, alert_ids, sender, recipient, body, parts, reference, priority, protocol_id,
                        set_dpf, validity_s, smsc, state, due_at, attempts, resent, submitted_at, final_at, error,
                        created_at)
SELECT n, 'alert', ARRAY[n], '06001', '86138' || lpad((n * 7919 %% 99999989)::text, 8, '0'),
       '13900139000号码于11月23日9时5分前呼叫过您1次,正在期待您的回电,请您与他联系。', 1, n & 65535, 2, 0, false,
       259200, 'sandbox', 'delivered', at, 1, false, at, at, '', at
  FROM (SELECT n, %(now)s - interval '100 days' AS at FROM generate_series(1::bigint, %(count)s) AS n) AS given
""",
    """
INSERT INTO texts_part (text_id, seq, smsc, message_id, smsc_id, recipient, state, error)
SELECT n, 0, 'sandbox', n::text, n::text, '86138' || lpad((n * 7919 %% 99999989)::text, 8, '0'), 'delivered', ''
  FROM generate_series(1::bigint, %(count)s) AS n
""",
)
_ALL_TABLES: Final = ("alerts_alert", "alerts_call", "reachability_watch", "texts_text", "texts_part")


def add_open(config: Config, alerts: int, watches: int) -> None:
    """Add open alerts on phones that are off."""
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        connection.execute(_WATCHES, {"watches": watches})
        connection.execute(_ALERTS, {"watches": watches, "alerts": alerts})
        _settle(connection)


def leave_room(config: Config, count: int) -> None:
    """Number what comes from ``count`` on: what is old has the lower numbers."""
    if count:
        with psycopg.connect(database_url(config), autocommit=True) as connection:
            connection.execute(_LEAVE_ROOM, {"count": count})


def add_old(config: Config, count: int) -> None:
    """Add so many calls, alerts and texts that are too old, the calls in the partitions of their days."""
    now = datetime.now(UTC)
    asyncio.run(_partition(config, now))
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        for statement in _OLD:
            connection.execute(statement.encode(), {"count": count, "now": now})
        _settle(connection)


def first_alert(config: Config) -> int:
    """The lowest number of an alert."""
    with psycopg.connect(database_url(config), autocommit=True) as connection:
        row = connection.execute("SELECT min(id) FROM alerts_alert").fetchone()
    return int(row[0] or 0) if row else 0


async def _partition(config: Config, now: datetime) -> None:
    """Have the days of a platform that has run for long: nothing from before the first of them."""
    async with connect(config) as connection:
        await connection.execute("SET timezone = 'UTC'")
        await connection.execute("DROP TABLE IF EXISTS alerts_call_before")
        for day in (now - timedelta(days=156), now):
            await keep_days(connection, day, day - timedelta(days=365))


def _settle(connection: psycopg.Connection) -> None:
    """Have done what a database does in the quiet hours after such a load."""
    for table in _ALL_TABLES:
        connection.execute(f"VACUUM ANALYZE {table}".encode())
    connection.execute("CHECKPOINT")


def disk_gb(data: Path) -> float:
    """What a data directory takes on the disk: database with its journal, bus, spool; in units of 10⁹ octets."""
    return sum(path.lstat().st_blocks * 512 for path in data.rglob("*")) / 1e9
