"""A month's bill in words: each row of the ledger, and what its price, quota and caps were at that moment."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from louhua.charging.plans import BY_MINUTE, Item, Plan
from louhua.charging.rating import Why
from louhua.charging.store import Row, select
from louhua.db.pool import Connection
from louhua.money import yuan

# Index charge_payer.
OF_MONTH: Final = select(
    Row._fields, "FROM charging_charge WHERE payer = %(payer)s AND month = %(month)s ORDER BY at, id"
)


async def rows_of(connection: Connection, payer: str, month: date) -> list[Row]:
    """Everything that somebody was charged, or got back, in a month."""
    cursor = await connection.execute(OF_MONTH, {"payer": payer, "month": month})
    return [Row._make(values) for values in await cursor.fetchall()]


def is_complete(month: date, today: date, kept: timedelta) -> bool:
    """Whether no row of a month can have been removed yet.

    Rows go one by one as they get older than charges are ``kept``, so a month may not be whole any more when its
    first day is that old; a day less, as zones differ.
    """
    return month > today - kept + timedelta(days=1)


def explanation(row: Row, plan: Plan | None) -> str:
    """Why a row has its amount; ``plan`` is the version it names."""
    if row.kind == "rental":
        return f"{row.plan} version {row.version}: {row.why}, {row.quantity} days of {yuan(row.price)} a month"
    if row.kind != "usage":
        about = f"of charge {row.refunds}, " if row.refunds is not None else ""
        return f"{about}by {row.author}: {row.reason}"
    return _usage(row, plan)


def _usage(row: Row, plan: Plan | None) -> str:
    terms = plan.items.get(Item(row.item)) if plan else None
    words = [
        f"{row.plan} version {row.version}: {yuan(row.price)} a {'minute' if row.item in BY_MINUTE else 'text'}"
    ]
    if terms and terms.free:
        words.append(f"{min(row.used, terms.free)} of {terms.free} free ones used")
    caps = [
        ("item", row.item_sum, terms.cap if terms else None),
        ("day", row.day_sum, plan.day_cap if plan else None),
        ("month", row.month_sum, plan.month_cap if plan else None),
    ]
    words += [f"{name} at {yuan(so_far)} of {yuan(cap)}" for name, so_far, cap in caps if cap is not None]
    if row.why != Why.PRICE:
        words.append(f"decided by: {row.why}")
    return ", ".join(words)


def totals(rows: Sequence[Row]) -> Mapping[str, tuple[int, int]]:
    """How many rows of each item or kind there are, and their amount, in the order in which they come first."""
    sums: dict[str, tuple[int, int]] = {}
    for row in rows:
        name = row.item or row.kind
        count, amount = sums.get(name, (0, 0))
        sums[name] = (count + 1, amount + row.amount)
    return sums


def charged(rows: Sequence[Row]) -> int:
    """What somebody was charged in all, less what he got back; money that was put on a balance is none of it."""
    return sum(row.amount for row in rows if row.kind != "top_up")
