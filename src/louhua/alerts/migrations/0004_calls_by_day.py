"""Calls in a partition a day, so that a day of old calls is dropped as a whole (docs/decisions/0009).

What there is becomes the first partition as it stands: nothing is copied, and what takes long (indexes, the check
that spares a scan) locks no call out. PostgreSQL wants the partition's key in the primary key; an event's start
never changes, so it still finds its record.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import migrations, models

_BEFORE_THE_LOCK = (
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS alerts_call_before_once ON alerts_call (id, started_at)",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS alerts_call_before_caller ON alerts_call (caller, started_at DESC)",
    "ALTER TABLE alerts_call ADD CONSTRAINT alerts_call_before_end CHECK (started_at < '{end}') NOT VALID",
    "ALTER TABLE alerts_call VALIDATE CONSTRAINT alerts_call_before_end",
)

# All of it changes the catalogue only.
_UNDER_THE_LOCK = """
ALTER TABLE alerts_call RENAME TO alerts_call_before;
ALTER TABLE alerts_call_before DROP CONSTRAINT alerts_call_pkey;
ALTER TABLE alerts_call_before
  ADD CONSTRAINT alerts_call_before_pkey PRIMARY KEY USING INDEX alerts_call_before_once;
ALTER INDEX call_callee RENAME TO alerts_call_before_callee;
CREATE TABLE alerts_call (LIKE alerts_call_before, PRIMARY KEY (id, started_at)) PARTITION BY RANGE (started_at);
CREATE INDEX call_callee ON alerts_call (callee, started_at DESC);
CREATE INDEX call_caller ON alerts_call (caller, started_at DESC);
ALTER TABLE alerts_call ATTACH PARTITION alerts_call_before FOR VALUES FROM (MINVALUE) TO ('{end}');
CREATE TABLE alerts_call_rest PARTITION OF alerts_call DEFAULT;
"""


def partition(_apps: Any, editor: Any) -> None:
    with editor.connection.cursor() as cursor:
        cursor.execute("SELECT greatest(max(started_at), now()) FROM alerts_call")
        newest: datetime = cursor.fetchone()[0]
        midnight = newest.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        end = (midnight + timedelta(days=2)).isoformat()
        cursor.execute("ALTER TABLE alerts_call DROP CONSTRAINT IF EXISTS alerts_call_before_end")
        for statement in _BEFORE_THE_LOCK:
            cursor.execute(statement.format(end=end))
        cursor.execute(_UNDER_THE_LOCK.format(end=end))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("alerts", "0003_daily")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(partition)],
            state_operations=[
                migrations.AddIndex("call", models.Index(fields=["caller", "-started_at"], name="call_caller"))
            ],
        ),
    ]
