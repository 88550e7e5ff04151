"""Recorded messages in PostgreSQL."""

from collections.abc import Sequence
from typing import Final

from louhua.bus.events import CallEnded
from louhua.db.pool import Connection

# An event that comes again finds its row: nothing is inserted twice.
INSERT_MESSAGES: Final = """
INSERT INTO voicemail_message (call_id, callee, caller, recording, length_ms, left_at)
SELECT * FROM unnest(%(calls)s::text[], %(callees)s::text[], %(callers)s::text[], %(recordings)s::text[],
                     %(lengths)s::int[], %(left_at)s::timestamptz[])
    ON CONFLICT (call_id) DO NOTHING
"""


async def keep_messages(connection: Connection, calls: Sequence[CallEnded]) -> None:
    """Store the recorded messages among ``calls``."""
    left = [call for call in calls if call.recording]
    if not left:
        return
    await connection.execute(
        INSERT_MESSAGES,
        {
            "calls": [call.id for call in left],
            "callees": [call.callee for call in left],
            "callers": [call.caller for call in left],
            "recordings": [call.recording for call in left],
            "lengths": [call.recording_ms for call in left],
            "left_at": [call.ended_at for call in left],
        },
    )
