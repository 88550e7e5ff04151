"""How many texts everybody got today, in PostgreSQL: what the daily limit asks."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from louhua.db.pool import Connection

# Primary key, in the order of the numbers.
COUNT_TEXTS: Final = """
INSERT INTO alerts_daily AS d (number, day, texts)
SELECT number, %(day)s, texts FROM unnest(%(numbers)s::text[], %(texts)s::int[]) AS given (number, texts)
    ON CONFLICT (number, day) DO UPDATE SET texts = d.texts + excluded.texts
RETURNING d.number, d.texts
"""

# Primary key. What was counted before midnight is taken off that day, not off the new one.
UNCOUNT_TEXTS: Final = """
UPDATE alerts_daily AS d SET texts = greatest(d.texts - given.texts, 0)
  FROM unnest(%(numbers)s::text[], %(texts)s::int[]) AS given (number, texts)
 WHERE d.number = given.number AND d.day = %(day)s
"""

# Index daily_day; some at a time.
FORGET_COUNTS: Final = """
DELETE FROM alerts_daily
 WHERE (number, day) IN (SELECT number, day FROM alerts_daily WHERE day < %(day)s LIMIT %(limit)s)
"""


async def count_texts(connection: Connection, texts: Mapping[str, int], day: date) -> dict[str, int]:
    """Count texts to these numbers; how many each has got on this day, with them."""
    if not texts:
        return {}
    numbers = sorted(texts)
    cursor = await connection.execute(
        COUNT_TEXTS, {"numbers": numbers, "texts": [texts[number] for number in numbers], "day": day}
    )
    return dict(await cursor.fetchall())


async def uncount_texts(connection: Connection, texts: Mapping[str, int], day: date) -> None:
    """Take back what was counted on a day and is not sent."""
    if texts:
        numbers = sorted(texts)
        await connection.execute(
            UNCOUNT_TEXTS, {"numbers": numbers, "texts": [texts[number] for number in numbers], "day": day}
        )


async def forget_counts(connection: Connection, before: date, limit: int = 5000) -> int:
    """Remove some of the counts of past days; how many."""
    return (await connection.execute(FORGET_COUNTS, {"day": before, "limit": limit})).rowcount
