"""What is old and finished goes, what is young or open stays, whenever the housekeeper dies."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from tests.retention.conftest import CALLEE, NOW, House, ago

from louhua.db import locks
from louhua.db.locks import Lock
from louhua.retention import store

OPEN_STATES = ["held", "offered", "due", "sending", "sent"]
FINAL_STATES = ["delivered", "failed", "expired", "dropped"]


NAMES = "SELECT id FROM alerts_call ORDER BY started_at"
PLACES = "SELECT tableoid::regclass::text FROM alerts_call ORDER BY started_at"


def test_each_call_is_kept_in_its_day(house: House) -> None:
    house.clean()
    ahead = NOW + timedelta(days=10)
    for name, at in {"young": ago(3), "ahead": ahead, "far": NOW + timedelta(days=3000)}.items():
        house.call(name, at)
    house.call("strange", ago(3000))
    assert house.column(PLACES) == [
        "alerts_call_before", "alerts_call_before", f"alerts_call_{ahead:%Y%m%d}", "alerts_call_rest",
    ]  # fmt: skip
    house.clean()
    assert house.column(NAMES) == ["strange", "young", "ahead", "far"]


@pytest.fixture
def later(database_url: str) -> Iterator[House]:
    """A house of its own, as its days will be others."""
    server, name = database_url.replace("/louhua?", "/postgres?"), "louhua_later"
    with psycopg.connect(server, autocommit=True) as connection:
        # A template may have no session: those that tests before have closed may not have ended yet.
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'louhua'"
        )
        connection.execute(f"CREATE DATABASE {name} TEMPLATE louhua".encode())
        house = House(database_url.replace("/louhua?", f"/{name}?"))
        yield house
        house.connection.close()
        connection.execute(f"DROP DATABASE {name}".encode())


def test_calls_go_by_whole_days(later: House) -> None:
    later.clean()
    days = {f"day {number}": NOW + timedelta(days=number) for number in range(-1, 14)}
    for name, at in {**days, "far": NOW + timedelta(days=30)}.items():
        later.call(name, at)
    for passed in range(0, 14, 3):
        removed = later.clean(now=NOW + later.config.retention.calls + timedelta(days=passed))
        assert removed is not None
        first = passed or -1
        assert later.column(NAMES) == [*(f"day {number}" for number in range(first, 14)), "far"]
    later.clean(now=NOW + later.config.retention.calls + timedelta(days=40))
    assert later.column(NAMES) == []


def test_a_busy_table_is_left_for_the_next_round(later: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("louhua.retention.partitions._TRIES", 2)
    monkeypatch.setattr("louhua.retention.partitions._TRY_AGAIN_S", 0.01)
    later.call("old", ago(3))
    in_two_hundred_days = NOW + timedelta(days=200)
    with psycopg.connect(later.config.database.url) as reader:
        reader.execute("SELECT count(*) FROM alerts_call")
        assert later.clean(now=in_two_hundred_days) is not None
        assert later.column(NAMES) == ["old"]
    later.clean(now=in_two_hundred_days)
    assert later.column(NAMES) == []


@pytest.mark.parametrize("state", FINAL_STATES)
def test_finished_alerts_go(house: House, state: str) -> None:
    house.alert("1", state, ago(61))
    house.alert("2", state, ago(59))
    house.alert("3", state, ago(70), updated_at=ago(1))
    removed = house.clean()
    assert removed is not None
    assert removed["alerts"] == 1
    assert house.column("SELECT caller FROM alerts_alert ORDER BY caller") == ["2", "3"]


@pytest.mark.parametrize("state", OPEN_STATES)
def test_open_alerts_stay_however_old(house: House, state: str) -> None:
    house.alert("1", state, ago(300))
    house.alert("2", "delivered", ago(300))
    house.clean()
    assert house.column("SELECT caller FROM alerts_alert") == ["1"]


def test_the_walk_goes_on_behind_a_batch_of_old_ones_that_stay(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("louhua.retention.housekeeper._ROWS", 3)
    for number in range(10):
        house.alert(f"1{number}", "held", ago(100))
    for number in range(5):
        house.alert(f"2{number}", "delivered", ago(100))
    for number in range(7):
        house.alert(f"3{number}", "delivered", ago(1))
    house.clean()
    assert {caller[0] for caller in house.column("SELECT caller FROM alerts_alert")} == {"1", "3"}
    assert house.pauses < 20, "the young ones behind were not gone through"


@pytest.mark.parametrize(
    ("state", "days", "stays"),
    [
        ("delivered", 31, False), ("failed", 31, False), ("delivered", 29, True), ("failed", 29, True),
        ("queued", 300, True), ("sending", 300, True), ("submitted", 300, True),
    ],
)  # fmt: skip
def test_texts_go_with_their_parts(house: House, state: str, days: int, stays: bool) -> None:
    house.text("t", state, ago(days))
    house.clean()
    assert house.column("SELECT count(*) FROM texts_text") == [int(stays)]
    assert house.column("SELECT count(*) FROM texts_part") == [int(stays)]


@pytest.mark.parametrize("state", OPEN_STATES + FINAL_STATES)
def test_a_text_stays_as_long_as_an_alert_of_it_is_open(house: House, state: str) -> None:
    done, asked = house.alert("1", "delivered", ago(40)), house.alert("2", state, ago(40))
    house.text("digest", "failed", ago(40), [done, asked])
    house.clean()
    assert house.column("SELECT body FROM texts_text") == (["digest"] if state in OPEN_STATES else [])


def test_messages_go_with_their_recordings(house: House) -> None:
    house.message("old", ago(31))
    house.message("young", ago(29))
    house.message("awaited", ago(31), caller="1")
    house.alert("1", "held", ago(31), kind="message")
    house.clean()
    assert house.column("SELECT call_id FROM voicemail_message ORDER BY call_id") == ["awaited", "young"]
    assert house.shelf.names == {"awaited", "young"}


@pytest.mark.parametrize(
    ("files", "left"),
    [
        ([], [1, 2, 3, 4, 5, 6, 7]),
        ([(1, 0, 2, True)], [3, 4, 5, 6, 7]),
        ([(1, 0, 2, True), (2, 2, 4, True)], [4, 5, 6, 7]),
        ([(1, 0, 2, True), (2, 2, 4, False)], [3, 4, 5, 6, 7]),
        ([(1, 0, 2, False)], [1, 2, 3, 4, 5, 6, 7]),
        ([(1, 0, 7, True)], [4, 6, 7]),
    ],
)
def test_charges_go_when_they_stand_in_a_file(
    house: House, files: list[tuple[int, int, int, bool]], left: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old are 1, 2, 3, 5; whatever the size of a batch."""
    for number, days in enumerate([400, 367, 367, 365, 380, 10, 0], 1):
        house.charge(number, ago(days))
    for file in files:
        house.cdr(*file)
    for size in (1000, 1):
        monkeypatch.setattr("louhua.retention.housekeeper._ROWS", size)
        removed = house.clean()
        assert removed is not None
        assert removed["charges"] == (7 - len(left) if size == 1000 else 0)
        assert house.column("SELECT id FROM charging_charge ORDER BY id") == left
    assert len(house.column("SELECT 1 FROM charging_cdrfile")) == len(files)


def test_months_go_with_their_charges_but_not_what_is_owed(house: House) -> None:
    for days, collected in ((500, 30), (500, 20), (300, 30)):
        month, payer = ago(days).date().replace(day=1), f"{days}-{collected}"
        house.insert("charging_usage", payer=payer, month=month, charges=1, items="{}", days="{}")
        house.insert(
            "charging_rental", payer=payer, month=month, plan="p", version=1, price=30, due=30, why="full month",
            days=30, collected=collected, parts=1, refusals=0, since=month,
        )  # fmt: skip
    house.clean()
    assert house.column("SELECT payer FROM charging_usage") == ["300-30"]
    assert house.column("SELECT payer FROM charging_rental ORDER BY payer") == ["300-30", "500-20"]


def test_small_records_go(house: House) -> None:
    for days, name in [(31, "old"), (1.5, "yesterday"), (0, "young")]:
        at = ago(days)
        house.insert("texts_inbound", id=name, sender=CALLEE, keyword="enquire", received_at=at)
        house.insert("texts_helpsent", number=name, sent_at=at)
        house.insert(
            "texts_orphanreceipt", smsc="s", message_id=name, recipient=CALLEE, state="x", error="", at=at
        )
        house.insert("alerts_daily", number=name, day=at.astimezone(house.config.service.zone).date(), texts=1)
    assert house.clean() == {
        "days of calls": 0, "calls": 0, "alerts": 0, "texts": 0, "charges": 0, "usage": 0, "rentals": 0,
        "messages": 0, "inbound": 1, "help": 2, "orphans": 1, "daily counts": 2,
    }  # fmt: skip
    assert house.column("SELECT id FROM texts_inbound ORDER BY id") == ["yesterday", "young"]
    assert house.column("SELECT number FROM texts_helpsent") == ["young"]
    assert house.column("SELECT message_id FROM texts_orphanreceipt ORDER BY id") == ["yesterday", "young"]
    assert house.column("SELECT number FROM alerts_daily") == ["young"]


def fill(house: House) -> None:
    for number in range(20):
        old = house.alert(f"1{number}", "delivered", ago(100))
        house.alert(f"2{number}", "held", ago(100))
        house.text(f"t{number}", "delivered", ago(100), [old])
        house.message(f"m{number}", ago(100), caller=f"3{number}")
    house.alert("young", "delivered", NOW)


def left(house: House) -> list[int]:
    return [
        house.column(f"SELECT count(*) FROM {table}")[0]
        for table in ("alerts_alert", "texts_text", "texts_part", "voicemail_message")
    ]


@pytest.mark.parametrize("batches", range(1, 30, 3))
def test_a_death_between_batches_changes_nothing(
    house: House, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("louhua.retention.housekeeper._ROWS", 4)
    fill(house)
    house.clean(killed_after=batches)
    assert house.column("SELECT count(*) FROM alerts_alert WHERE state = 'held'") == [20]
    assert house.column("SELECT count(*) FROM texts_part WHERE text_id NOT IN (SELECT id FROM texts_text)") == [0]
    assert house.clean() is not None
    assert left(house) == [21, 0, 0, 0]
    assert not house.shelf.names


def test_a_recording_that_is_gone_already_takes_its_row_along(house: House) -> None:
    for number in range(5):
        house.message(f"m{number}", ago(100))
    house.shelf.patience = 3
    with pytest.raises(Exception, match="away"):
        house.clean()
    assert len(house.column("SELECT 1 FROM voicemail_message")) == 5
    assert len(house.shelf.names) == 2
    house.shelf.patience = 100
    house.clean()
    assert house.column("SELECT 1 FROM voicemail_message") == []


def test_only_one_keeps_house(house: House) -> None:
    house.alert("1", "delivered", ago(100))
    house.connection.execute(locks.TAKE, {"key": Lock.HOUSE})
    assert house.clean() is None
    assert len(house.column("SELECT 1 FROM alerts_alert")) == 1
    house.connection.execute("SELECT pg_advisory_unlock_all()")
    assert house.clean() is not None


def test_it_rests_after_each_batch(house: House) -> None:
    house.alert("1", "delivered", ago(100))
    house.clean()
    assert house.pauses >= 4


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (store.PURGE_ALERTS, "Index Scan using alerts_alert_pkey"),
        (store.PURGE_TEXTS, "Index Scan using texts_text_pkey"),
        (store.PURGE_TEXTS, "Index Scan using part_once"),
        (store.PURGE_CHARGES, "Index Scan using charging_charge_pkey"),
        (store.PURGE_CHARGES, "Index Scan Backward using charging_cdrfile_pkey"),
        (store.PURGE_USAGE, "Tid Range Scan on charging_usage"),
        (store.PURGE_RENTALS, "Tid Range Scan on charging_rental"),
        (store.OLD_MESSAGES, "Tid Range Scan on voicemail_message"),
        (store.PURGE_INBOUND, "Tid Range Scan on texts_inbound"),
        (store.PURGE_HELP, "Tid Range Scan on texts_helpsent"),
        (store.PURGE_ORPHANS, "Tid Range Scan on texts_orphanreceipt"),
    ],
)
def test_statements_read_only_their_batch(house: House, statement: str, expected: str) -> None:
    fill_many(house.connection)
    values = {"after": 0, "before": ago(60), "limit": 2000, "first": "(0,0)", "last": "(64,0)"}
    rows = house.connection.execute(b"EXPLAIN " + statement.encode(), values).fetchall()
    plan = "\n".join(row[0] for row in rows)
    assert expected in plan, plan
    assert "Seq Scan" not in plan, plan


def fill_many(connection: psycopg.Connection) -> None:
    """Fifty thousand rows in each table, a tenth of the alerts open."""
    connection.execute(
        """
        INSERT INTO alerts_alert (callee, caller, kind, recipient, state, calls, first_at, last_at, other_number,
                                  watched, attempts, error, updated_at)
        SELECT n::text, 'c', 'missed', n::text, CASE WHEN n % 10 = 0 THEN 'held' ELSE 'delivered' END, 1, at, at,
               '', false, 1, '', at
          FROM (SELECT n, now() - (50000 - n) * interval '5 minutes' AS at
                  FROM generate_series(1, 50000) AS n) AS given;
        INSERT INTO texts_text (kind, alert_ids, sender, recipient, body, parts, reference, priority, protocol_id,
                                set_dpf, validity_s, smsc, state, due_at, attempts, resent, final_at, error,
                                created_at)
        SELECT 'alert', ARRAY[id], 's', callee, '', 1, 1, 2, 0, false, 1, 's', 'delivered', first_at, 1, false,
               first_at, '', first_at FROM alerts_alert;
        INSERT INTO texts_part (text_id, seq, smsc, message_id, smsc_id, recipient, state, error)
        SELECT id, 0, 's', id::text, id::text, recipient, 'delivered', '' FROM texts_text;
        INSERT INTO voicemail_message (call_id, callee, caller, recording, length_ms, left_at)
        SELECT id::text, callee, caller, id::text, 1, first_at FROM alerts_alert;
        INSERT INTO texts_inbound (id, sender, keyword, received_at) SELECT id::text, callee, 'd', first_at
          FROM alerts_alert;
        INSERT INTO texts_helpsent (number, sent_at) SELECT callee, first_at FROM alerts_alert;
        INSERT INTO texts_orphanreceipt (smsc, message_id, recipient, state, error, at)
        SELECT 's', id::text, callee, 'x', '', first_at FROM alerts_alert;
        INSERT INTO charging_charge (event, kind, payer, month, at, item, recipient, party, plan, version,
                                     quantity, price, amount, why, used, item_sum, day_sum, month_sum, seq,
                                     prepaid, reason, author)
        SELECT id::text, 'usage', callee, first_at, first_at, '', '', '', '', 0, 1, 1, 1, '', 0, 0, 0, 0, 0, false,
               '', '' FROM alerts_alert;
        INSERT INTO charging_cdrfile (number, after_id, upto_id, charges, amount, name, node, zone, created_at,
                                      closed_at)
        SELECT n, n - 1, n, 1, 1, '', '', '', now(), now() FROM generate_series(1, 50000) AS n;
        ANALYZE charging_charge, charging_cdrfile;
        ANALYZE alerts_alert, texts_text, texts_part, voicemail_message, texts_inbound, texts_helpsent,
                texts_orphanreceipt;
        """
    )
