"""Every rule at work, for a measurement: ranges, registered subscribers with lists and wishes, limits, hours."""

from typing import Any, Final

import psycopg

# The numbers that are called are 86138 and eight digits; each has a profile, and lists of three numbers.
_REGISTER: Final = """
INSERT INTO subscribers_subscriber (number, status, voicemail, language, power_on, power_on_hours, quiet_hours,
                                    digest, sender, daily_limit, notice_due, created_at, updated_at)
SELECT '86138' || lpad(n::text, 8, '0'), 'registered', n %% 2 = 0, '',
       CASE WHEN n %% 3 = 0 THEN 'list' ELSE 'everybody' END, '00:00-24:00', 'off', n %% 4 = 0,
       'caller', 1000, false, now(), now()
  FROM generate_series(0, %(count)s) AS n
"""
_LIST: Final = """
INSERT INTO subscribers_listed (owner, list, number, created_at)
SELECT '86138' || lpad(n::text, 8, '0'), CASE WHEN entry = 1 THEN 'block' ELSE 'allow' END,
       '86139' || lpad((n * 7 + entry)::text, 8, '0'), now()
  FROM generate_series(0, %(count)s) AS n, generate_series(1, 3) AS entry
"""


def settings_with_rules(settings: dict[str, Any]) -> dict[str, Any]:
    """The same settings, with every rule of the service switched on."""
    ranges = [
        {"name": "own", "prefixes": ["86138", "86139", "8615"], "smsc": [settings["smsc"][0]["name"]]},
        {"name": "elsewhere", "prefixes": ["86138999"], "served": False},
    ]
    rules = {
        "first": "callee", "ask_mobile": True, "quiet_hours": "23:59-24:00", "sender": "caller", "opt_out": True,
    }  # fmt: skip
    return settings | {"ranges": ranges, "alerts": settings["alerts"] | rules}


def register(url: str, count: int) -> None:
    """Give the first ``count`` of the called numbers profiles and lists."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_REGISTER, {"count": count})
        connection.execute(_LIST, {"count": count})
        connection.execute("VACUUM ANALYZE subscribers_subscriber")
        connection.execute("VACUUM ANALYZE subscribers_listed")
