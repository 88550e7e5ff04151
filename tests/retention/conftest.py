"""A database with old, young and open records of every kind, and a housekeeper for it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest

from louhua.bus.nats import BusAway
from louhua.config import Config, Database
from louhua.retention.housekeeper import Housekeeper

NOW: Final = datetime.now(UTC)
CALLEE: Final = "8613800138000"
CALLER: Final = "8613900139000"


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class Shelf:
    """Stands in for the object store: the recordings it has, and how many deletions it still takes."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.patience = 10**6

    async def delete_recording(self, name: str) -> None:
        if self.patience == 0:
            raise BusAway("away")
        self.patience -= 1
        self.names.discard(name)


class House:
    """The records, and who keeps them in order."""

    def __init__(self, url: str) -> None:
        self.config = Config(database=Database(url=url))
        self.shelf = Shelf()
        self.connection = psycopg.connect(url, autocommit=True)
        self.pauses = 0

    def clean(self, now: datetime = NOW, *, killed_after: int | None = None) -> dict[str, int] | None:
        """One round; it dies after so many batches."""

        async def rest(_seconds: float) -> None:
            self.pauses += 1
            if self.pauses == killed_after:
                raise KeyboardInterrupt

        self.pauses = 0
        try:
            return asyncio.run(Housekeeper(self.config, self.shelf, rest).clean(now))
        except KeyboardInterrupt:
            return None

    def insert(self, table: str, **values: Any) -> Any:
        columns, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        query = f"INSERT INTO {table} ({columns}) VALUES ({marks}) RETURNING *"
        row = self.connection.execute(query.encode(), list(values.values())).fetchone()
        assert row is not None
        return row[0]

    def call(self, name: str, at: datetime, **changes: Any) -> None:
        values = {
            "id": name, "node": "n", "trunk": "t", "sip_call_id": "s", "callee": CALLEE, "caller": CALLER,
            "reason": "unreachable", "treatment": "menu", "choice": "none", "outcome": "completed",
            "other_number": "", "started_at": at, "ended_at": at,
        }  # fmt: skip
        self.insert("alerts_call", **(values | changes))

    def alert(self, caller: str, state: str, at: datetime, kind: str = "missed", **changes: Any) -> int:
        values = {
            "callee": CALLEE, "caller": caller, "kind": kind, "recipient": CALLEE, "state": state, "calls": 1,
            "first_at": at, "last_at": at, "other_number": "", "watched": False, "attempts": 1, "error": "",
            "updated_at": at,
        }  # fmt: skip
        return int(self.insert("alerts_alert", **(values | changes)))

    def text(self, body: str, state: str, at: datetime, alerts: list[int] | None = None, **changes: Any) -> int:
        final = at if state in ("delivered", "failed") else None
        values = {
            "kind": "alert", "alert_ids": alerts or [], "sender": "06001", "recipient": CALLEE, "body": body,
            "parts": 1, "reference": 1, "priority": 2, "protocol_id": 0, "set_dpf": False, "validity_s": 60,
            "smsc": "s", "state": state, "due_at": at, "attempts": 1, "resent": False, "final_at": final,
            "error": "", "created_at": at,
        }  # fmt: skip
        text_id = int(self.insert("texts_text", **(values | changes)))
        self.insert(
            "texts_part", text_id=text_id, seq=0, smsc="s", message_id=body, smsc_id=body, recipient=CALLEE,
            state="submitted", error="",
        )  # fmt: skip
        return text_id

    def message(self, name: str, at: datetime, caller: str = CALLER) -> None:
        self.shelf.names.add(name)
        self.insert(
            "voicemail_message",
            call_id=name,
            callee=CALLEE,
            caller=caller,
            recording=name,
            length_ms=1,
            left_at=at,
        )

    def charge(self, number: int, at: datetime) -> None:
        self.insert(
            "charging_charge", event=f"text:{number}", kind="usage", payer=CALLEE, month=at.date(), at=at,
            item="x", recipient="", party="", plan="", version=0, quantity=1, price=1, amount=1, why="", used=0,
            item_sum=0, day_sum=0, month_sum=0, seq=0, prepaid=False, reason="", author="",
        )  # fmt: skip

    def cdr(self, number: int, after: int, upto: int, closed: bool = True) -> None:
        """A file of charges."""
        self.insert(
            "charging_cdrfile", number=number, after_id=after, upto_id=upto, charges=upto - after, amount=0,
            name=str(number), node="n", zone="UTC", created_at=NOW, closed_at=NOW if closed else None,
        )  # fmt: skip

    def column(self, query: str) -> list[Any]:
        return [row[0] for row in self.connection.execute(query.encode()).fetchall()]


@pytest.fixture
def house(database_url: str) -> Any:
    house = House(database_url)
    yield house
    house.connection.close()
