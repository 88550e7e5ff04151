"""Profiles in PostgreSQL, a batch at a time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from louhua.db.pool import Connection
from louhua.numbers import textable
from louhua.subscribers.profiles import Language, Profile

# Primary-key look-ups of the numbers asked for.
LOOKUP: Final = """
SELECT number, registered, voicemail, language, tells_power_on
  FROM subscribers_subscriber
 WHERE number = ANY(%(numbers)s)
"""

# One row a number; what is there is replaced.
SAVE: Final = """
INSERT INTO subscribers_subscriber AS known
       (number, registered, voicemail, language, tells_power_on, created_at, updated_at)
SELECT number, registered, voicemail, language, tells_power_on, now(), now()
  FROM unnest(%(numbers)s::text[], %(registered)s::bool[], %(voicemail)s::bool[], %(languages)s::text[],
              %(tells_power_on)s::bool[]) AS given (number, registered, voicemail, language, tells_power_on)
    ON CONFLICT (number) DO UPDATE
   SET registered = excluded.registered, voicemail = excluded.voicemail, language = excluded.language,
       tells_power_on = excluded.tells_power_on, updated_at = excluded.updated_at
"""


class Profiles:
    """The answer to a look-up: a profile for every number, the default one for who is not known."""

    def __init__(self, known: Mapping[str, Profile], country: str) -> None:
        self.known = known
        self._country = country

    def __getitem__(self, number: str) -> Profile:
        profile = self.known.get(number)
        return profile if profile is not None else default_profile(number, self._country)


def default_profile(number: str, country: str) -> Profile:
    """The profile of somebody who is not known."""
    return Profile(number=number, textable=textable(number, country))


async def lookup(connection: Connection, numbers: Iterable[str], country: str) -> Profiles:
    """Profiles of many numbers in one round trip."""
    cursor = await connection.execute(LOOKUP, {"numbers": sorted(set(numbers))})
    known = {
        number: Profile(
            number=number,
            registered=registered,
            voicemail=voicemail,
            language=Language(language) if language else None,
            textable=textable(number, country),
            tells_power_on=tells_power_on,
        )
        for number, registered, voicemail, language, tells_power_on in await cursor.fetchall()
    }
    return Profiles(known, country)


async def save(connection: Connection, profiles: Sequence[Profile]) -> None:
    """Store profiles; those of the same numbers are replaced. A number may stand in ``profiles`` once."""
    await connection.execute(
        SAVE,
        {
            "numbers": [profile.number for profile in profiles],
            "registered": [profile.registered for profile in profiles],
            "voicemail": [profile.voicemail for profile in profiles],
            "languages": [profile.language or "" for profile in profiles],
            "tells_power_on": [profile.tells_power_on for profile in profiles],
        },
    )
