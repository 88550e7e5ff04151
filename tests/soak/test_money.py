"""The reckoning of money finds what is wrong: good books, spoilt in one place at a time."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from louhua.alerts.states import Kind
from louhua.alerts.wording import Facts, Wording
from louhua.charging.plans import Item, Plan
from louhua.charging.rating import Usage, Why, rate
from louhua.charging.store import Row
from louhua.config import Service
from louhua.soak import money
from louhua.soak.inbox import Text
from louhua.soak.ledger import Person
from louhua.soak.money import Account, Books, Exported, Sold, Takings, differences, takings

PLAN = Plan.model_validate(
    {
        "name": "soak",
        "valid_from": date(2026, 1, 1),
        "rental": "0.9",
        "items": {
            "missed": {"price": "0.2", "free": 1},
            "call_back": {"price": "0.3", "payer": "caller"},
            "power_on": {"price": "0.1", "cap": "0.1"},
        },
    }
)
RICH, POOR, BILL = "8613800000000", "8613800000001", "8613800000002"
ANNA = "8613900000000"
MONTH = date(2026, 11, 1)
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PAID_IN = 10_000
PEOPLE = {
    RICH: Person(number=RICH, registered=True, voicemail=False, tells_power_on=True, money=PAID_IN),
    POOR: Person(number=POOR, registered=True, voicemail=False, tells_power_on=True, money=0),
    BILL: Person(number=BILL, registered=True, voicemail=False, tells_power_on=True),
}

WRITTEN: list[tuple[int, Kind, str, str, str]] = [
    (1, Kind.MISSED, RICH, ANNA, RICH),
    (2, Kind.MISSED, RICH, ANNA, RICH),
    (3, Kind.CALL_BACK, BILL, ANNA, ANNA),
    (4, Kind.POWER_ON, ANNA, BILL, ANNA),
    (5, Kind.POWER_ON, ANNA, RICH, ANNA),
    (6, Kind.MISSED, POOR, ANNA, POOR),
    (7, Kind.MISSED, POOR, ANNA, POOR),
    (8, Kind.MISSED, BILL, ANNA, BILL),
]
"""By their ids: kind, on whose phone, about whom, and who pays."""
FAILED = Sold(id=9, recipient=RICH, item="missed", payer=RICH, party=ANNA, delivered=False)


def text(number: int, kind: Kind, recipient: str, about: str) -> Text:
    callee, caller = (about, recipient) if kind is Kind.POWER_ON else (recipient, about)
    facts = Facts(kind=kind, callee=callee, caller=caller, calls=1, last_at=NOON, other_number="")
    body = Wording(Service(), 24).alert(facts, None)
    return Text(recipient=recipient, reference=number, body=body, copies=1, taken_at=1.0, got_at=(1.0,))


TEXTS = [text(*given[:4]) for given in WRITTEN]
SOLD = [
    Sold(id=number, recipient=recipient, item=kind, payer=payer, party=about if payer == recipient else recipient,
         delivered=True)
    for number, kind, recipient, about, payer in WRITTEN
]  # fmt: skip


def ledger() -> tuple[list[Row], dict[tuple[str, date], Usage]]:
    """The rows of the texts, as the plan has them; who has no money gets the second one free."""
    rows: list[Row] = []
    months: dict[tuple[str, date], Usage] = {}
    for sold in SOLD:
        usage = months.setdefault((sold.payer, MONTH), Usage())
        rated = rate(PLAN, usage, Item(sold.item), NOON.date())
        assert rated is not None
        if sold.id == 7:
            rated = msgspec.structs.replace(rated, amount=0, why=Why.NO_CREDIT)
        usage.add(Item(sold.item), NOON.date(), rated)
        values = {
            "id": len(rows) + 1, "event": f"text:{sold.id}", "kind": "usage", "payer": sold.payer,
            "item": sold.item, "recipient": sold.recipient, "party": sold.party, "seq": usage.charges,
        }  # fmt: skip
        rows.append(row(**values, **msgspec.structs.asdict(rated)))
    rows += [
        row(id=9, event="top_up:1", kind="top_up", payer=RICH, amount=-PAID_IN),
        row(id=10, event="rental:1", kind="rental", payer=RICH, amount=240),
    ]
    return rows, months


def row(**values: Any) -> Row:
    prepaid = values["payer"] in {RICH, POOR}
    common: dict[str, Any] = {
        "month": MONTH, "at": NOON, "item": "", "recipient": "", "party": "", "plan": "soak", "version": 1,
        "quantity": 1, "price": 0, "why": "", "used": 0, "item_sum": 0, "day_sum": 0, "month_sum": 0, "seq": 0,
        "prepaid": prepaid, "refunds": None, "reason": "", "author": "",
    }  # fmt: skip
    return Row(**(common | values))


ROWS, USAGE = ledger()
LEFT = PAID_IN - 200 - 240


def books(rows: Sequence[Row] = ROWS, **changes: Any) -> Books:
    """Good ones; files have what the ledger has unless ``changes`` say otherwise."""
    good = Books(
        plan=PLAN,
        zone=ZoneInfo("Asia/Shanghai"),
        sold=[*SOLD, FAILED],
        charges=rows,
        usage=USAGE,
        accounts=[
            Account(payer=RICH, balance=LEFT, reserved=0),
            Account(payer=POOR, balance=0, reserved=0),
        ],
        rentals={(RICH, MONTH): 240, (BILL, MONTH): 0},
        exported=[Exported(each.id, each.event, each.amount) for each in rows],
    )
    return msgspec.structs.replace(good, **changes)


def found(given: Books, got: Sequence[Text] = TEXTS) -> set[str]:
    return {each.what for each in differences(given, got, PEOPLE)}


def changed(event: str, /, **values: Any) -> list[Row]:
    return [each._replace(**values) if each.event == event else each for each in ROWS]


def without(event: str) -> list[Row]:
    return [each for each in ROWS if each.event != event]


def test_good_books_have_no_differences() -> None:
    assert differences(books(), TEXTS, PEOPLE) == []
    assert differences(books(usage=USAGE | {(BILL, date(2026, 10, 1)): Usage()}), TEXTS, PEOPLE) == []
    assert [each.amount for each in ROWS] == [0, 200, 300, 100, 0, 0, 0, 0, -PAID_IN, 240]
    assert takings(books(), TEXTS) == Takings(texts=8, amount=600, prepaid=200, unpaid=1, rentals=240)


FAILED_ROW = row(
    id=11, event="text:9", kind="usage", payer=RICH, item="missed", recipient=RICH, party=ANNA, amount=200, seq=3,
    price=200, why="price", used=2, item_sum=200, day_sum=200, month_sum=200,
)  # fmt: skip
"""A charge for what was not delivered, right in all else."""


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda: books(without("text:8"), usage=_unlike((BILL, MONTH))), {money.UNCHARGED}),
        (lambda: books([*ROWS, FAILED_ROW], **_after(FAILED_ROW)), {money.UNEARNED}),
        (lambda: books(sold=SOLD[:-1]), {money.UNEARNED, money.UNCHARGED}),
        (
            lambda: books(changed("text:8", event="text:1")),
            {money.DOUBLE_CHARGE, money.UNCHARGED, money.WRONG_CHARGE},
        ),
        (
            lambda: books(changed("text:8", item="power_on")),
            {money.WRONG_CHARGE, money.WRONG_AMOUNT, money.WRONG_USAGE},
        ),
        (lambda: books(changed("text:8", recipient=RICH)), {money.WRONG_CHARGE}),
        (lambda: books(changed("text:8", party=RICH)), {money.WRONG_CHARGE}),
        (lambda: books(changed("text:8", prepaid=True)), {money.WRONG_CHARGE, money.WRONG_BALANCE}),
        (
            lambda: books(changed("text:3", payer=BILL), usage=_unlike((ANNA, MONTH), (BILL, MONTH))),
            {money.WRONG_CHARGE, money.WRONG_AMOUNT, money.WRONG_USAGE},
        ),
        (lambda: books(changed("text:3", amount=299)), {money.WRONG_AMOUNT, money.WRONG_USAGE}),
        (lambda: books(changed("text:3", why="item cap")), {money.WRONG_AMOUNT}),
        (lambda: books(changed("text:5", item_sum=0)), {money.WRONG_AMOUNT}),
        (lambda: books(changed("text:5", used=0)), {money.WRONG_AMOUNT}),
        (lambda: books(changed("text:5", seq=4)), {money.WRONG_AMOUNT}),
        (lambda: books(changed("text:3", why="reserved")), {money.WRONG_AMOUNT}),
        (lambda: books(changed("text:3", why="no credit")), {money.WRONG_AMOUNT, money.WRONG_USAGE}),
        (lambda: books(usage=_unlike((BILL, MONTH))), {money.WRONG_USAGE}),
        (lambda: books(usage=USAGE | {(BILL, date(2026, 10, 1)): Usage(1)}), {money.WRONG_USAGE}),
        (lambda: books(accounts=[Account(payer=RICH, balance=LEFT, reserved=0)]), {money.WRONG_BALANCE}),
        (lambda: books(accounts=_accounts(LEFT + 1, 0)), {money.WRONG_BALANCE}),
        (lambda: books(accounts=_accounts(LEFT, 100)), {money.WRONG_BALANCE}),
        (
            lambda: books(accounts=[*_accounts(LEFT, 0), Account(payer=BILL, balance=1, reserved=0)]),
            {money.WRONG_BALANCE},
        ),
        (lambda: books(without("top_up:1")), {money.WRONG_BALANCE}),
        (lambda: books(rentals={}), {money.WRONG_RENTAL}),
        (lambda: books(rentals={(RICH, MONTH): 240, (BILL, MONTH): 1}), {money.WRONG_RENTAL}),
        (
            lambda: books(
                changed("rental:1", amount=901), rentals={(RICH, MONTH): 901}, accounts=_accounts(LEFT - 661, 0)
            ),
            {money.WRONG_RENTAL},
        ),
        (lambda: books(exported=_exported()[:-1]), {money.WRONG_FILES}),
        (lambda: books(exported=[*_exported(), _exported()[0]]), {money.WRONG_FILES}),
        (lambda: books(exported=[Exported(1, "text:1", 1), *_exported()[1:]]), {money.WRONG_FILES}),
        (lambda: books(torn=["the last line is missing"]), {money.WRONG_FILES}),
    ],
)
def test_what_is_wrong_is_found(spoil: Callable[[], Books], what: set[str]) -> None:
    assert found(spoil()) == what


def _unlike(*bills: tuple[str, date]) -> dict[tuple[str, date], Usage]:
    return {bill: usage for bill, usage in USAGE.items() if bill not in bills}


def _after(charge: Row) -> dict[str, Any]:
    """Usage and balance as they are after another charge of the one who pays beforehand."""
    usage = msgspec.convert(msgspec.to_builtins(USAGE[RICH, MONTH]), Usage)
    rated = rate(PLAN, usage, Item(charge.item), NOON.date())
    assert rated is not None
    usage.add(Item(charge.item), NOON.date(), rated)
    return {"usage": USAGE | {(RICH, MONTH): usage}, "accounts": _accounts(LEFT - charge.amount, 0)}


def _accounts(balance: int, reserved: int) -> list[Account]:
    return [
        Account(payer=RICH, balance=balance, reserved=reserved),
        Account(payer=POOR, balance=0, reserved=0),
    ]


def _exported() -> list[Exported]:
    return [Exported(each.id, each.event, each.amount) for each in ROWS]


def test_a_text_that_nobody_has_is_not_charged() -> None:
    assert found(books(), TEXTS[1:]) == {money.UNEARNED}


def test_a_text_that_came_and_is_not_for_sale_is_found() -> None:
    assert found(books(), [*TEXTS, text(10, Kind.MISSED, BILL, ANNA)]) == {money.UNCHARGED}
    assert found(books(), [*TEXTS, text(10, Kind.MESSAGE, BILL, ANNA)]) == set()


def test_a_text_that_came_without_the_platform_knowing_is_free() -> None:
    came = [*TEXTS, text(9, Kind.MISSED, RICH, ANNA)]
    assert found(books(), came) == set()
    assert takings(books(), came).unsure == 1


def test_days_are_those_of_the_service() -> None:
    late = NOON + timedelta(hours=12)
    days = {bill: msgspec.structs.replace(usage, days={"24": usage.total}) for bill, usage in USAGE.items()}
    rows = [each._replace(at=late) for each in ROWS]
    assert found(books(rows, usage=days)) == set()
