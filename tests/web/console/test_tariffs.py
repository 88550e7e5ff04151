"""Plans in the console: read, and added to."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.web.console.conftest import Login
from typer.testing import CliRunner

from louhua.charging.plans import Item, PlanError, document, from_toml
from louhua.cli import app

PAGE = "/console/charging/planversion/"
TODAY = date.today() + timedelta(days=1)  # at most a day behind the service's zone

PLAN = f"""
name = "gold"
valid_from = {TODAY}
rental = "5.00"
first_month = "pro-rata"
trial_days = 7
day_cap = "1"
month_cap = "10"

[items.detail]
price = "0.10"
free = 3
cap = "2.00"

[items.operator_minute]
price = "0.5"
payer = "caller"
"""


def store(login: Login, text: str, name: str = "tariffs") -> Any:
    """Store a version as who has the newest one of gold before him."""
    return send(login, text, newest("gold"), name)


def send(login: Login, text: str, seen: object, name: str = "tariffs") -> Any:
    form = {"toml": text.replace("\n", "\r\n"), "seen": "" if seen is None else seen}
    return login(name).post(f"{PAGE}add/", form)


def newest(name: str) -> int | None:
    from louhua.web.console.tariffs import newest_of

    found = newest_of(name)
    return found.pk if found else None


def seen_in(page: str) -> str:
    """What the form carries of the version that it began with."""
    found = re.search('<input type="hidden" name="seen"(?: value="([^"]*)")?', page)
    assert found is not None
    return found[1] or ""


def written_in(page: str) -> str:
    return page.partition("<textarea")[2].partition(">")[2].partition("</textarea>")[0]


def rows() -> list[tuple[Any, ...]]:
    from louhua.charging.models import PlanVersion

    return list(PlanVersion.objects.order_by("id").values_list("name", "number", "author"))


def states(day: date) -> list[str]:
    from louhua.charging.models import PlanVersion
    from louhua.web.console import tariffs

    found = tariffs.states(PlanVersion.objects.order_by("-number"), day)
    return [found[number] for number in sorted(found)]


def test_a_version_is_added_read_and_recorded(login: Login) -> None:
    from auditlog.models import LogEntry

    answer = store(login, PLAN)
    assert answer.status_code == 302
    assert rows() == [("gold", 1, "tariffs")]
    page = login("viewer").get(answer["Location"]).content.decode()
    for word in (
        "资费 gold 第 1 版", "5.000 元 (首月按天折算)", "7 天", "1.000 元", "10.000 元", "0.100 元 / 条",
        "2.000 元", "0.500 元 / 分钟", "主叫", "被叫", "短信查询(D)", "人工坐席",
    ):  # fmt: skip
        assert word in page, word
    entry = LogEntry.objects.get(content_type__app_label="charging")
    assert (str(entry.actor), entry.action, entry.object_repr) == ("tariffs", LogEntry.Action.CREATE, "gold 1")
    assert entry.changes["author"][1] == "tariffs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            {
                "Valid": "Nov. 23, 2026 – without end", "Monthly rental": "0.000 yuan", "Cap a day": "—",
                "Cap a month": "—", "Free trial": "—", "Begins for who chooses it": "at once",
            },
        ),
        ("valid_until = 2026-12-31", {"Valid": "Nov. 23, 2026 – Dec. 31, 2026"}),
        ('rental = "5"', {"Monthly rental": "5.000 yuan (in full in the first month)"}),
        ('rental = "5"\nfirst_month = "free"', {"Monthly rental": "5.000 yuan (free in the first month)"}),
        ('rental = "5"\nfirst_month = "pro-rata"', {"Monthly rental": "5.000 yuan (by days in the first month)"}),
        ('first_month = "free"', {"Monthly rental": "0.000 yuan"}),
        ('day_cap = "1"\nmonth_cap = "0"', {"Cap a day": "1.000 yuan", "Cap a month": "0.000 yuan"}),
        ("trial_days = 7", {"Free trial": "7 days"}),
        ('effect = "next-month"', {"Begins for who chooses it": "from the next month on"}),
    ],
)  # fmt: skip
def test_a_version_is_said_in_words(console: str, text: str, expected: dict[str, str]) -> None:
    from django.utils import translation

    from louhua.web.console.tariffs import facts

    with translation.override("en"):
        said = dict(facts(row(text)))
    assert said | expected == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[items.detail]", ["Enquiry by text (D)", "free", "—", "—", "callee"]),
        (
            '[items.detail]\nprice = "0.1"\nfree = 3\ncap = "2"',
            ["Enquiry by text (D)", "0.100 yuan / text", "3", "2.000 yuan", "callee"],
        ),
        (
            '[items.voice_text]\nprice = "0.1"\ncap = "0"\npayer = "caller"',
            ["Voice text", "0.100 yuan / minute", "—", "0.000 yuan", "caller"],
        ),
    ],
)
def test_an_item_is_said_in_words(console: str, text: str, said: list[str]) -> None:
    from django.utils import translation

    from louhua.web.console.tariffs import items

    with translation.override("en"):
        assert items(row(text))["rows"] == [said]


def row(text: str) -> Any:
    """A version that says ``text``, besides its name and its beginning."""
    from louhua.charging.models import PlanVersion

    plan = from_toml(f'name = "gold"\nvalid_from = 2026-11-23\n{text}')
    return PlanVersion(name=plan.name, number=1, document=document(plan))


def test_the_valid_version_is_marked(login: Login) -> None:
    later = TODAY + timedelta(days=30)
    for begins in (TODAY - timedelta(days=1000), TODAY, later):
        text = f'name = "gold"\nvalid_from = {begins}\n'
        assert store(login, text).status_code == 302, text
    assert states(TODAY - timedelta(days=1)) == ["valid", "to_come", "to_come"]
    assert states(TODAY) == ["past", "valid", "to_come"]
    assert states(later) == ["past", "past", "valid"]
    page = login("viewer").get(PAGE).content.decode()
    assert page.count("今日有效") == 1
    assert page.count("长期") == 3


def test_of_two_versions_from_one_day_the_first_is_past_when_they_begin(login: Login) -> None:
    for rental in ("1.00", "2.00"):
        store(login, f'name = "gold"\nvalid_from = {TODAY}\nrental = "{rental}"\n')
    assert states(TODAY - timedelta(days=1)) == ["to_come", "to_come"]
    assert states(TODAY) == ["past", "valid"]


def test_a_new_version_begins_with_the_latest(login: Login) -> None:
    store(login, PLAN)
    store(login, PLAN.replace("0.5", "0.6"))
    page = unescape(login("tariffs").get(f"{PAGE}add/?plan=gold").content.decode())
    assert 'name = "gold"' in page
    assert 'price = "0.600"' in page
    assert send(login, written_in(page), seen_in(page)).status_code == 302
    assert [number for _, number, _ in rows()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("today", "begins"),
    [(date(2026, 11, 30), "2026-12-01"), (date(2026, 12, 1), "2027-01-01"), (date(2026, 12, 31), "2027-01-01")],
)
def test_it_begins_with_the_next_month_and_has_no_end(login: Login, today: date, begins: str) -> None:
    from louhua.web.console.tariffs import draft, newest_of

    store(login, PLAN.replace("rental", f"valid_until = {TODAY}\nrental"))
    text = draft(newest_of("gold"), today)
    assert f"valid_from = {begins}\n" in text
    assert "valid_until" not in text
    assert 'rental = "5.000"\n' in text


@pytest.mark.parametrize("name", ["", "unheard-of", 'a"b', "a\0"])
def test_a_new_plan_begins_with_the_requirements_price_and_a_name_that_is_free(login: Login, name: str) -> None:
    from louhua.web.console.tariffs import draft, newest_of

    assert from_toml(draft(newest_of(name), TODAY)).name == "plan-1"
    store(login, PLAN.replace("gold", "plan-1"))
    page = unescape(login("tariffs").get(f"{PAGE}add/", {"plan": name}).content.decode())
    written = from_toml(written_in(page))
    assert written.name == "plan-2"
    assert {item: terms.price for item, terms in written.items.items()} == {Item.DETAIL: 100}


def test_the_page_of_all_plans_leads_to_a_new_one(login: Login) -> None:
    page = login("tariffs").get(PAGE).content.decode()
    assert f'href="{PAGE}add/">新建资费<' in page
    assert "新建资费" in login("tariffs").get(f"{PAGE}add/").content.decode()
    assert "新建资费" not in login("viewer").get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = gold", "this is not TOML"),
        ("", "这个字段是必填项。"),
        ('name = "gold"', "valid_from: must be given"),
        (PLAN.replace('"0.10"', '"0.0001"'), "there is nothing smaller than a thousandth of a yuan"),
        (PLAN.replace('"5.00"', '"-5.00"'), "is not negative"),
        (PLAN.replace("items.detail", "items.details"), "details"),
        (PLAN.replace("trial_days", "trial"), "there is no such key"),
        (PLAN.replace("[items.detail]", '[items.detail]\npayer = "caller"'), "items detail: who asks pays"),
        (PLAN.replace("gold", "<script>"), "write 1 to 40 small letters, digits, - or _"),
        (PLAN + "#" * 60_000, "50000"),
        (PLAN.replace("= 7", "= " + "7" * 5000), "a number has too many digits"),
        (PLAN.replace("= 7", "= " + "[" * 5000), "this is nested too deeply"),
        (PLAN.replace('rental = "5.00"', "rental" + ".a" * 5000 + " = 1"), "this is nested too deeply"),
    ],
)
def test_a_wrong_one_is_explained_and_nothing_is_lost(login: Login, text: str, complaint: str) -> None:
    answer = store(login, text)
    page = unescape(answer.content.decode())
    assert answer.status_code == 200
    assert complaint in page
    assert text.strip() in page.replace("\r\n", "\n")
    assert rows() == []


def test_the_past_cannot_be_changed(login: Login) -> None:
    store(login, PLAN)
    answer = store(login, PLAN.replace(str(TODAY), "2020-01-01"))
    assert "valid_from 2020-01-01 is past; the earliest is today" in unescape(answer.content.decode())
    assert "2020-01-01" in answer.content.decode()
    assert len(rows()) == 1


@pytest.mark.parametrize("action", ["change", "delete"])
def test_nobody_edits_or_deletes(login: Login, action: str) -> None:
    store(login, PLAN)
    from louhua.charging.models import PlanVersion

    row = PlanVersion.objects.get()
    client = login("admin")
    client.post(f"{PAGE}{row.pk}/{action}/", {"post": "yes", "toml": PLAN.replace("gold", "tin"), "name": "tin"})
    client.post(PAGE, {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert rows() == [("gold", 1, "tariffs")]


def test_what_cannot_be_recorded_is_not_stored(login: Login, database_url: str) -> None:
    client = login("tariffs")
    client.raise_request_exception = False
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE auditlog_logentry ADD CONSTRAINT disk_full CHECK (false) NOT VALID")
        try:
            assert client.post(f"{PAGE}add/", {"toml": PLAN}).status_code == 500
        finally:
            connection.execute("ALTER TABLE auditlog_logentry DROP CONSTRAINT disk_full")
    assert rows() == []


def test_versions_added_at_the_same_time_have_numbers_of_their_own(console: str) -> None:
    from django.db import connections

    from louhua.web.console.tariffs import Overtaken, add

    told = []

    def store_one(_n: int) -> int:
        seen = None
        while True:
            try:
                return add(from_toml(PLAN), "li", TODAY, seen).number
            except Overtaken as overtaken:
                seen = overtaken.newest.pk
                told.append(overtaken.newest.number)
            finally:
                connections.close_all()

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(store_one, range(24))) == list(range(1, 25))
    assert set(told) == set(range(1, 24))


def test_who_is_overtaken_is_told_and_stores_again(login: Login) -> None:
    from louhua.charging.models import PlanVersion

    store(login, PLAN)
    form = login("tariffs").get(f"{PAGE}add/?plan=gold").content.decode()
    mine = PLAN.replace('"5.00"', '"6.00"')
    store(login, PLAN.replace('"0.10"', '"0.20"'), "admin")
    answer = send(login, mine, seen_in(form))
    page = unescape(answer.content.decode())
    assert answer.status_code == 200
    assert "admin 已新增 gold 第 2 版" in page
    assert f'href="{PAGE}{newest("gold")}/change/"' in page
    assert mine.strip() in page.replace("\r\n", "\n")
    assert [number for _, number, _ in rows()] == [1, 2]
    store(login, PLAN.replace('"0.10"', '"0.30"'), "admin")
    page = send(login, mine, seen_in(page)).content.decode()
    assert "admin 已新增 gold 第 3 版" in page
    assert send(login, mine, seen_in(page)).status_code == 302
    assert rows()[-1] == ("gold", 4, "tariffs")
    assert PlanVersion.objects.get(number=4).document == document(from_toml(mine))


@pytest.mark.parametrize("address", ["add/", "add/?plan=tin"])
def test_who_takes_the_name_of_a_plan_that_there_is_by_now_is_told(login: Login, address: str) -> None:
    store(login, PLAN.replace("gold", "tin"))
    form = login("tariffs").get(f"{PAGE}{address}").content.decode()
    send(login, PLAN, seen_in(form), "admin")
    answer = send(login, PLAN, seen_in(form))
    assert answer.status_code == 200
    assert "admin 已新增 gold 第 1 版" in answer.content.decode()
    assert rows()[1:] == [("gold", 1, "admin")]
    assert send(login, PLAN, seen_in(answer.content.decode())).status_code == 302


def test_a_wrong_text_stays_with_the_version_that_it_began_with(login: Login) -> None:
    store(login, PLAN)
    form = login("tariffs").get(f"{PAGE}add/?plan=gold").content.decode()
    store(login, PLAN, "admin")
    page = send(login, "name = gold", seen_in(form)).content.decode()
    assert seen_in(page) == seen_in(form)


@pytest.mark.parametrize(("seen", "said"), [("", "admin 已新增 gold 第 1 版"), ("x", "输入整数")])
def test_a_form_that_does_not_say_what_it_began_with_stores_nothing(login: Login, seen: str, said: str) -> None:
    store(login, PLAN, "admin")
    assert said in send(login, PLAN, seen).content.decode()
    assert len(rows()) == 1


def test_a_version_is_stored_and_refused_as_at_a_terminal(
    console: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from louhua.charging.models import PlanVersion
    from louhua.web.console.tariffs import add

    monkeypatch.setenv("LOUHUA_DATABASE__URL", console)
    monkeypatch.setenv("LOUHUA_NODE__DATA", str(tmp_path / "var"))
    file = tmp_path / "plan.toml"
    versions = (
        PLAN,
        PLAN.replace("rental", f"valid_until = {TODAY + timedelta(days=9)}\nrental"),
        PLAN.replace(str(TODAY), "2020-01-01"),
        'name = "tin"\nvalid_from = 2020-01-01\nvalid_until = 2020-01-02\n',
        'name = "tin"\nvalid_from = 2020-01-01\n',
        'name = "tin"\nvalid_from = 2050-01-01\nitems.detail.payer = "caller"\n',
    )
    about = ("name", "number", "valid_from", "valid_until", "document")

    def here(text: str) -> bool:
        try:
            plan = from_toml(text)
            return bool(add(plan, "li", TODAY, newest(plan.name)))
        except PlanError:
            return False

    def there(text: str) -> bool:
        file.write_text(text)
        return CliRunner().invoke(app, ["plans", "add", str(file)]).exit_code == 0

    stored = []
    for way in (here, there):
        PlanVersion.objects.all().delete()
        assert [way(text) for text in versions] == [True, True, False, False, True, False]
        stored.append(list(PlanVersion.objects.order_by("name", "number").values_list(*about)))
    assert stored[0] == stored[1]


def test_who_may_not_cannot_add(login: Login) -> None:
    assert store(login, PLAN, "viewer").status_code == 403
    assert rows() == []


def test_a_version_that_is_not_there_is_not_found(login: Login) -> None:
    assert login("viewer").get(f"{PAGE}999/change/").status_code == 404
    assert login("viewer").get(f"{PAGE}x/change/").status_code == 404


def test_every_item_has_a_name(console: str) -> None:
    from louhua.web.console.tariffs import ITEMS

    assert set(ITEMS) == set(Item)
