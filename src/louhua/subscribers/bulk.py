"""Subscribers by the million, in PostgreSQL: a chunk at a time, by COPY into a temporary table."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec
from psycopg.sql import SQL, Identifier

from louhua.db.pool import Connection
from louhua.subscribers.rows import Row

# One of each to a connection: the chunk, and which lines numbers stood in.
STAGE: Final = """
CREATE TEMPORARY TABLE incoming (line int, number text, status text, voicemail bool, language text, power_on text,
                                 power_on_hours text, quiet_hours text, digest bool, sender text,
                                 daily_limit int, plan text, prepaid bool) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE stood (number text, line int)
"""

# Primary-key look-ups.
KNOWN: Final = "SELECT count(*) FROM incoming JOIN subscribers_subscriber USING (number)"

# Primary-key look-ups, in the order of the numbers. Only rows that differ are touched: a file that comes again
# costs little. Another plan begins today, beside the one of the month's first day (store.SUBSCRIBE).
CHANGE: Final = """
WITH wanted AS (
    SELECT s.number, coalesce(i.status, s.status) AS status, coalesce(i.voicemail, s.voicemail) AS voicemail,
           coalesce(i.language, s.language) AS language, coalesce(i.power_on, s.power_on) AS power_on,
           coalesce(i.power_on_hours, s.power_on_hours) AS power_on_hours,
           coalesce(i.quiet_hours, s.quiet_hours) AS quiet_hours, coalesce(i.digest, s.digest) AS digest,
           coalesce(i.sender, s.sender) AS sender,
           nullif(coalesce(i.daily_limit, s.daily_limit), -1) AS daily_limit,
           coalesce(i.prepaid, s.prepaid) AS prepaid,
           CASE WHEN another AND s.next_plan_on <= date_trunc('month', %(day)s::date) THEN s.next_plan
                ELSE s.plan END AS plan,
           CASE WHEN another THEN i.plan ELSE s.next_plan END AS next_plan,
           CASE WHEN another THEN %(day)s::date ELSE s.next_plan_on END AS next_plan_on,
           CASE WHEN s.status <> 'registered' AND i.status = 'registered' THEN now() ELSE s.served_since END
               AS served_since,
           CASE WHEN coalesce(i.status, s.status) = 'registered' THEN NULL
                WHEN s.status = 'registered' THEN now() ELSE s.served_until END AS served_until,
           coalesce(s.activated_at, CASE s.status WHEN 'registered' THEN s.created_at END,
                    CASE i.status WHEN 'registered' THEN now() END) AS activated_at,
           %(notice)s AND coalesce(i.status, s.status) = 'registered'
               AND (s.notice_due OR s.status = 'unregistered') AS notice_due
      FROM incoming AS i JOIN subscribers_subscriber AS s ON s.number = i.number
     CROSS JOIN LATERAL (SELECT i.plan IS NOT NULL AND (
                s.next_plan_on > %(day)s OR
                i.plan <> CASE WHEN s.next_plan_on IS NULL THEN s.plan ELSE s.next_plan END)) AS given (another)
     WHERE another OR
           (s.status, s.voicemail, s.language, s.power_on, s.power_on_hours, s.quiet_hours, s.digest, s.sender,
            s.daily_limit, s.prepaid, s.notice_due)
           IS DISTINCT FROM
           (coalesce(i.status, s.status), coalesce(i.voicemail, s.voicemail), coalesce(i.language, s.language),
            coalesce(i.power_on, s.power_on), coalesce(i.power_on_hours, s.power_on_hours),
            coalesce(i.quiet_hours, s.quiet_hours), coalesce(i.digest, s.digest), coalesce(i.sender, s.sender),
            nullif(coalesce(i.daily_limit, s.daily_limit), -1), coalesce(i.prepaid, s.prepaid),
            %(notice)s AND coalesce(i.status, s.status) = 'registered'
                AND (s.notice_due OR s.status = 'unregistered'))
     ORDER BY s.number
       FOR UPDATE OF s
)
UPDATE subscribers_subscriber AS s
   SET status = wanted.status, voicemail = wanted.voicemail, language = wanted.language,
       power_on = wanted.power_on, power_on_hours = wanted.power_on_hours, quiet_hours = wanted.quiet_hours,
       digest = wanted.digest, sender = wanted.sender, daily_limit = wanted.daily_limit,
       plan = wanted.plan, next_plan = wanted.next_plan, next_plan_on = wanted.next_plan_on,
       prepaid = wanted.prepaid, activated_at = wanted.activated_at, served_since = wanted.served_since,
       served_until = wanted.served_until, notice_due = wanted.notice_due, updated_at = now()
  FROM wanted
 WHERE s.number = wanted.number
"""

# Primary key, in the order of the numbers.
ADD: Final = """
INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on, power_on_hours, quiet_hours,
                                    digest, sender, daily_limit, plan, prepaid, activated_at, served_since,
                                    notice_due, created_at, updated_at)
SELECT number, coalesce(status, 'registered'), coalesce(voicemail, false), coalesce(language, ''),
       coalesce(power_on, 'everybody'), coalesce(power_on_hours, ''), coalesce(quiet_hours, ''),
       coalesce(digest, false), coalesce(sender, ''), nullif(daily_limit, -1), coalesce(plan, ''),
       coalesce(prepaid, false), CASE WHEN coalesce(status, 'registered') = 'registered' THEN now() END,
       CASE WHEN coalesce(status, 'registered') = 'registered' THEN now() END,
       %(notice)s AND coalesce(status, 'registered') = 'registered', now(), now()
  FROM incoming ORDER BY number
    ON CONFLICT (number) DO NOTHING
"""

REMEMBER: Final = "INSERT INTO stood (number, line) SELECT number, line FROM incoming"

# Everything once, sorted on disk where there is much of it.
REPEATED: Final = """
SELECT (sum(count(*) - 1) OVER ())::bigint, min(line), max(line) FROM stood
 GROUP BY number HAVING count(*) > 1 ORDER BY min(line) LIMIT 1
"""


class Stored(msgspec.Struct, frozen=True):
    """What became of a chunk."""

    new: int
    changed: int


async def stage(connection: Connection) -> None:
    """Make ready for chunks on this connection."""
    for statement in STAGE.split(";"):
        await connection.execute(statement.encode())


async def store(
    connection: Connection, columns: Sequence[str], rows: Sequence[Row], today: date, *, notice: bool
) -> Stored:
    """Store a chunk, each number once; all of it or nothing. ``notice``: who becomes registered is told."""
    names = SQL(", ").join(map(Identifier, ("line", "number", *columns)))
    copy_in = SQL("COPY incoming ({}) FROM STDIN").format(names)
    data = "".join(["\t".join((str(row.line), row.number, *row.cells)) + "\n" for row in rows])
    async with connection.transaction():
        async with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
            await copy.write(data)
        await connection.execute("ANALYZE incoming")
        changed = new = 0
        while True:
            known = int(((await (await connection.execute(KNOWN)).fetchone()) or (0,))[0])
            changed += (await connection.execute(CHANGE, {"notice": notice, "day": today})).rowcount
            if known == len(rows):
                break
            # Somebody who registers at this moment is known in the next round.
            new += (await connection.execute(ADD, {"notice": notice})).rowcount
            if known + new == len(rows):
                break
        await connection.execute(REMEMBER)
    return Stored(new, changed)


async def repeated(connection: Connection) -> tuple[int, int, int]:
    """How many rows of later chunks repeat a number; the lines (first, last) of one of these numbers."""
    row = await (await connection.execute(REPEATED)).fetchone()
    return (row[0], row[1], row[2]) if row else (0, 0, 0)
