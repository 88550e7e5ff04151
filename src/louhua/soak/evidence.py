"""Collects what the reckoning judges by, and sees whether the platform is at rest."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from louhua.bus.events import Choice
from louhua.config import Config
from louhua.db.pool import connect
from louhua.soak.books import open_books, read_books, still_open
from louhua.soak.journal import read
from louhua.soak.ledger import Ledger, Person
from louhua.soak.reckoning import Evidence, Record, Written
from louhua.soak.smsc import JournalLine
from louhua.subscribers.profiles import Privacy, Profile, Status
from louhua.subscribers.store import save

_RECORDS: Final = "SELECT id, sip_call_id, caller, callee, choice FROM alerts_call ORDER BY started_at, id"
_OUTBOX: Final = """
SELECT t.id, t.recipient, t.resent, a.id, a.calls
  FROM texts_text AS t JOIN alerts_alert AS a ON a.id = ANY(t.alert_ids)
 ORDER BY t.id
"""
_RESTLESS: Final = """
SELECT (SELECT count(*) FROM alerts_alert WHERE state IN ('held', 'due', 'sending', 'sent')),
       (SELECT count(*) FROM texts_text WHERE state IN ('reserving', 'queued', 'sending', 'submitted')),
       (SELECT count(*) FROM reachability_watch)
"""


async def introduce(config: Config, people: Sequence[Person]) -> None:
    """Tell the platform who its subscribers are, what everything costs, and how they pay."""
    async with connect(config) as connection:
        await save(
            connection,
            [
                Profile(
                    number=person.number,
                    status=Status.REGISTERED if person.registered else Status.UNREGISTERED,
                    voicemail=person.voicemail,
                    power_on=Privacy.EVERYBODY if person.tells_power_on else Privacy.NOBODY,
                )
                for person in people
            ],
            told={person.number for person in people},
        )
        await open_books(connection, config, people)


async def collect(config: Config, ledger: Ledger, people: Sequence[Person], journal: Path) -> tuple[Evidence, str]:
    """The evidence as it is now, and what the platform still has to do (empty: it is at rest).

    Raises ``psycopg.OperationalError`` while there is no database.
    """
    async with connect(config) as connection:
        restless = await (await connection.execute(_RESTLESS)).fetchone() or (0, 0, 0)
        records = await (await connection.execute(_RECORDS)).fetchall()
        outbox = await (await connection.execute(_OUTBOX)).fetchall()
        books = await read_books(connection, config)
        unsettled = await still_open(connection)
    evidence = Evidence(
        people=people,
        calls=ledger.calls,
        records=[
            Record(id=row[0], sip_call_id=row[1], caller=row[2], callee=row[3], choice=Choice(row[4]))
            for row in records
        ],
        outbox=[
            Written(id=row[0], recipient=row[1], resent=row[2], alert_id=row[3], alert_calls=row[4])
            for row in outbox
        ],
        journal=list(read(journal, JournalLine)),
        books=books,
    )
    left = [
        f"{count} {what}" for count, what in zip(restless, ("alerts", "texts", "watches"), strict=True) if count
    ]
    if unsettled:
        left.append(unsettled)
    return evidence, ", ".join(left)
