"""Profiles and lists in PostgreSQL, a batch at a time."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

import msgspec
from msgspec import structs

from louhua.db.pool import Connection
from louhua.hours import parse_hours
from louhua.subscribers.plan import NumberPlan
from louhua.subscribers.profiles import Contract, Language, Listing, Privacy, Profile, Sender, Status

# Primary-key look-ups of the numbers asked for.
LOOKUP: Final = """
SELECT s.number, s.status, s.voicemail, s.language, s.power_on, s.power_on_hours, s.quiet_hours, s.digest,
       s.sender, s.daily_limit, s.plan, s.next_plan, s.next_plan_on, s.prepaid,
       coalesce(s.activated_at, s.created_at), coalesce(s.served_since, s.created_at)
  FROM subscribers_subscriber AS s
 WHERE s.number = ANY(%(numbers)s)
"""

# Primary-key look-ups. Of rows older than the columns, what is not known began with the row.
CONTRACTS: Final = """
SELECT s.number, s.status <> 'unregistered', s.plan, s.next_plan, s.next_plan_on, s.prepaid,
       coalesce(s.activated_at, s.created_at), coalesce(s.served_since, s.created_at)
  FROM subscribers_subscriber AS s
 WHERE s.number = ANY(%(numbers)s)
"""

# Primary-key look-ups. What is replaced stays beside it, as a month's rental is by the plan of its first day; a
# change that had come by %(lasting)s takes its place.
SUBSCRIBE: Final = """
UPDATE subscribers_subscriber AS s
   SET plan = CASE WHEN s.next_plan_on <= %(lasting)s THEN s.next_plan ELSE s.plan END,
       next_plan = %(plan)s, next_plan_on = %(from)s, updated_at = now()
 WHERE s.number = ANY(%(numbers)s)
"""

# Primary-key look-ups.
PAY: Final = """
UPDATE subscribers_subscriber SET prepaid = %(prepaid)s, updated_at = now() WHERE number = ANY(%(numbers)s)
"""

# Primary-key look-ups, two a pair.
LISTED_OF: Final = """
SELECT l.owner, l.list, l.number
  FROM (SELECT DISTINCT * FROM unnest(%(owners)s::text[], %(numbers)s::text[])) AS given (owner, number)
 CROSS JOIN (VALUES ('allow'), ('block')) AS lists (list)
  JOIN subscribers_listed AS l ON l.owner = given.owner AND l.list = lists.list AND l.number = given.number
"""

# One row a number; what is there is replaced. Who becomes registered is told of it, once, unless he is told
# already.
SAVE: Final = """
INSERT INTO subscribers_subscriber AS known
       (number, status, voicemail, language, power_on, power_on_hours, quiet_hours, digest, sender, daily_limit,
        notice_due, activated_at, served_since, created_at, updated_at)
SELECT number, status, voicemail, language, power_on, power_on_hours, quiet_hours, digest, sender, daily_limit,
       status = 'registered' AND NOT told, CASE WHEN status = 'registered' THEN now() END,
       CASE WHEN status = 'registered' THEN now() END, now(), now()
  FROM unnest(%(numbers)s::text[], %(statuses)s::text[], %(voicemail)s::bool[], %(languages)s::text[],
              %(power_on)s::text[], %(power_on_hours)s::text[], %(quiet_hours)s::text[], %(digest)s::bool[],
              %(senders)s::text[], %(daily_limits)s::int[], %(told)s::bool[])
    AS given (number, status, voicemail, language, power_on, power_on_hours, quiet_hours, digest, sender,
              daily_limit, told)
    ON CONFLICT (number) DO UPDATE
   SET status = excluded.status, voicemail = excluded.voicemail, language = excluded.language,
       power_on = excluded.power_on, power_on_hours = excluded.power_on_hours,
       quiet_hours = excluded.quiet_hours, digest = excluded.digest, sender = excluded.sender,
       daily_limit = excluded.daily_limit,
       notice_due = excluded.notice_due AND (known.notice_due OR known.status = 'unregistered'),
       activated_at = coalesce(known.activated_at,
                               CASE known.status WHEN 'registered' THEN known.created_at END,
                               excluded.activated_at),
       served_since = CASE WHEN known.status <> 'registered' AND excluded.status = 'registered' THEN now()
                           ELSE known.served_since END,
       served_until = CASE WHEN excluded.status = 'registered' THEN NULL
                           WHEN known.status = 'registered' THEN now() ELSE known.served_until END,
       updated_at = excluded.updated_at
"""

# Some versions of some plans.
PLAN_NAMES: Final = "SELECT DISTINCT name FROM charging_planversion"

# Index subscriber_notice, from a number on.
AWAITING_NOTICE: Final = """
SELECT number FROM subscribers_subscriber
 WHERE notice_due AND number > %(after)s ORDER BY number LIMIT %(limit)s
"""

# Primary-key look-ups. Who is in others' hands is theirs; who is registered no more is not told.
CLAIM_NOTICES: Final = """
UPDATE subscribers_subscriber AS s SET notice_due = false
  FROM (SELECT number FROM subscribers_subscriber
         WHERE number = ANY(%(numbers)s) AND notice_due
         ORDER BY number FOR UPDATE SKIP LOCKED) AS due
 WHERE s.number = due.number
RETURNING s.number, s.status = 'registered'
"""

# Primary-key look-ups, in the order of the numbers, as every writer of several rows goes.
HOLD: Final = """
SELECT number FROM subscribers_subscriber WHERE number = ANY(%(numbers)s) ORDER BY number FOR UPDATE
"""

# Primary-key look-ups; partial index rental_owing. In thousandths of a yuan; all of it is locked.
BALANCE: Final = "SELECT balance FROM charging_balance WHERE payer = %(number)s FOR UPDATE"
OWED: Final = """
SELECT due - collected, asking FROM charging_rental
 WHERE payer = %(number)s AND collected < due ORDER BY month FOR UPDATE
"""

# Partial index rental_owing.
FORGIVE: Final = "UPDATE charging_rental SET due = collected WHERE payer = %(number)s AND collected < due"

# Primary-key look-ups.
FORGET: Final = "DELETE FROM subscribers_subscriber WHERE number = %(number)s"

# Primary key, the owner's range of it.
FORGET_LISTS: Final = "DELETE FROM subscribers_listed WHERE owner = %(number)s"

# Primary key.
LIST: Final = """
INSERT INTO subscribers_listed (owner, list, number, created_at)
SELECT owner, list, number, now()
  FROM unnest(%(owners)s::text[], %(lists)s::text[], %(numbers)s::text[]) AS given (owner, list, number)
    ON CONFLICT (owner, list, number) DO NOTHING
"""

# Primary-key look-ups.
UNLIST: Final = """
DELETE FROM subscribers_listed AS l
 USING unnest(%(owners)s::text[], %(lists)s::text[], %(numbers)s::text[]) AS given (owner, list, number)
 WHERE l.owner = given.owner AND l.list = given.list AND l.number = given.number
"""

# Primary key, one owner's range of it.
LISTED: Final = """
SELECT owner, list, number FROM subscribers_listed WHERE owner = ANY(%(owners)s) ORDER BY owner, list, created_at
"""

Entry = tuple[str, Listing, str]
"""(owner, list, number) of a list's entry."""


class Profiles:
    """The answer to a look-up: a profile for every number, the default one for who is not known."""

    def __init__(self, known: Mapping[str, Profile], plan: NumberPlan) -> None:
        self.known = known
        self._plan = plan

    def __getitem__(self, number: str) -> Profile:
        return self.known.get(number) or self._plan.stranger(number)


async def lookup(
    connection: Connection, numbers: Iterable[str], plan: NumberPlan, pairs: Iterable[tuple[str, str]] = ()
) -> Profiles:
    """Profiles of many numbers; ``pairs``: whose lists are asked about whom, (owner, number)."""
    cursor = await connection.execute(LOOKUP, {"numbers": sorted(set(numbers))})
    known = {
        number: Profile(
            number=number,
            status=Status(status),
            voicemail=voicemail,
            language=Language(language) if language else None,
            textable=plan.textable(number),
            served=plan.served(number),
            power_on=Privacy(power_on),
            power_on_hours=parse_hours(power_on_hours) if power_on_hours else None,
            quiet_hours=parse_hours(quiet_hours) if quiet_hours else None,
            digest=digest,
            sender=Sender(sender) if sender else None,
            daily_limit=daily_limit,
            contract=contract_of(Status(status) is not Status.UNREGISTERED, *contract),
        )
        for (
            number, status, voicemail, language, power_on, power_on_hours, quiet_hours, digest, sender,
            daily_limit, *contract,
        ) in await cursor.fetchall()
    }  # fmt: skip
    for owner, listing, number in await _among(connection, [pair for pair in pairs if pair[0] in known]):
        profile = known[owner]
        if listing is Listing.BLOCK:
            known[owner] = structs.replace(profile, blocked=profile.blocked | {number})
        else:
            known[owner] = structs.replace(profile, allowed=profile.allowed | {number})
    return Profiles(known, plan)


def contract_of(
    registered: bool,
    plan: str,
    next_plan: str,
    on: date | None,
    prepaid: bool,
    activated: datetime,
    since: datetime,
) -> Contract:
    """A contract of the columns that ``CONTRACTS`` reads."""
    return Contract(
        registered=registered,
        plan=plan,
        next_plan=next_plan,
        next_plan_on=on,
        prepaid=prepaid,
        activated_at=activated,
        served_since=since,
    )


async def contracts(connection: Connection, numbers: Iterable[str]) -> dict[str, Contract]:
    """The contracts of those of these numbers that are known."""
    cursor = await connection.execute(CONTRACTS, {"numbers": sorted(set(numbers))})
    return {row[0]: contract_of(*row[1:]) for row in await cursor.fetchall()}


async def subscribe(connection: Connection, numbers: Sequence[str], plan: str, today: date, since: date) -> int:
    """Give a plan to those who are known, from today or a later day on; how many."""
    lasting = today.replace(day=1) if since == today else today
    parameters = {"numbers": list(numbers), "plan": plan, "lasting": lasting, "from": since}
    return (await connection.execute(SUBSCRIBE, parameters)).rowcount


async def pay(connection: Connection, numbers: Sequence[str], *, prepaid: bool) -> int:
    """Let those who are known pay from a balance, or afterwards; how many."""
    return (await connection.execute(PAY, {"numbers": list(numbers), "prepaid": prepaid})).rowcount


async def plan_names(connection: Connection) -> frozenset[str]:
    """The plans there are."""
    return frozenset(row[0] for row in await (await connection.execute(PLAN_NAMES)).fetchall())


async def _among(connection: Connection, pairs: Sequence[tuple[str, str]]) -> list[Entry]:
    """The entries of these owners' lists about these numbers."""
    if not pairs:
        return []
    cursor = await connection.execute(
        LISTED_OF, {"owners": [owner for owner, _ in pairs], "numbers": [number for _, number in pairs]}
    )
    return [(owner, Listing(name), number) for owner, name, number in await cursor.fetchall()]


async def awaiting_notice(connection: Connection, after: str, limit: int) -> list[str]:
    """The next numbers, in their order, that are to be told of their activation."""
    cursor = await connection.execute(AWAITING_NOTICE, {"after": after, "limit": limit})
    return [row[0] for row in await cursor.fetchall()]


async def claim_notices(connection: Connection, numbers: Sequence[str]) -> set[str]:
    """Those of these numbers to tell now; they await nothing any more. Part of the transaction that tells them."""
    cursor = await connection.execute(CLAIM_NOTICES, {"numbers": list(numbers)})
    return {number for number, registered in await cursor.fetchall() if registered}


async def hold(connection: Connection, numbers: Iterable[str]) -> None:
    """Let nobody else change these subscribers before the end of the transaction."""
    await connection.execute(HOLD, {"numbers": list(numbers)})


class Accounts(msgspec.Struct, frozen=True):
    """What somebody ``has`` on a balance and ``owes`` of rentals, in thousandths of a yuan; ``asking``: another
    system was asked for some of that, and what it said is not known."""

    has: int
    owes: int
    asking: bool


async def accounts(connection: Connection, number: str) -> Accounts:
    """Somebody's money, which nobody else changes before the end of the transaction."""
    has = await (await connection.execute(BALANCE, {"number": number})).fetchone()
    owed = await (await connection.execute(OWED, {"number": number})).fetchall()
    return Accounts(
        has=has[0] if has else 0,
        owes=sum(amount for amount, _ in owed),
        asking=any(asking for _, asking in owed),
    )


async def forgive(connection: Connection, number: str) -> None:
    """Give up what somebody owes of rentals."""
    await connection.execute(FORGIVE, {"number": number})


async def forget(connection: Connection, number: str) -> bool:
    """Remove a subscriber with his lists; whether he was known."""
    await connection.execute(FORGET_LISTS, {"number": number})
    return (await connection.execute(FORGET, {"number": number})).rowcount > 0


async def save(connection: Connection, profiles: Sequence[Profile], told: Container[str] = ()) -> None:
    """Store profiles (not their lists); those of the same numbers are replaced. A number may stand there once.

    Who becomes registered gets the activation notice, but for the numbers in ``told``: these await none.
    """
    profiles = sorted(profiles, key=_number)
    await connection.execute(
        SAVE,
        {
            "numbers": [profile.number for profile in profiles],
            "statuses": [profile.status for profile in profiles],
            "voicemail": [profile.voicemail for profile in profiles],
            "languages": [profile.language or "" for profile in profiles],
            "power_on": [profile.power_on for profile in profiles],
            "power_on_hours": [str(profile.power_on_hours or "") for profile in profiles],
            "quiet_hours": [str(profile.quiet_hours or "") for profile in profiles],
            "digest": [profile.digest for profile in profiles],
            "senders": [profile.sender or "" for profile in profiles],
            "daily_limits": [profile.daily_limit for profile in profiles],
            "told": [profile.number in told for profile in profiles],
        },
    )


def _number(profile: Profile) -> str:
    return profile.number


async def change_lists(connection: Connection, added: Sequence[Entry], removed: Sequence[Entry]) -> None:
    """Put entries on lists and take others off; what is there, or not there, already changes nothing."""
    for statement, entries in ((LIST, added), (UNLIST, removed)):
        if entries:
            await connection.execute(
                statement,
                {
                    "owners": [owner for owner, _, _ in entries],
                    "lists": [listing for _, listing, _ in entries],
                    "numbers": [number for _, _, number in entries],
                },
            )


async def listed(connection: Connection, owners: Sequence[str]) -> list[Entry]:
    """Everything on the lists of these subscribers, the oldest first."""
    cursor = await connection.execute(LISTED, {"owners": list(owners)})
    return [(owner, Listing(name), number) for owner, name, number in await cursor.fetchall()]
