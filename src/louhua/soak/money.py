"""The reckoning of money: what was delivered is charged once, nothing else is, and all books agree. Pure.

Judged is by what the phones got and what the soak itself has paid in; amounts are thousandths of a yuan.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from louhua.alerts.states import Kind
from louhua.charging.months import local_day
from louhua.charging.plans import Item, Payer, Plan
from louhua.charging.rating import Usage, Why, rate
from louhua.charging.store import Bill, Row
from louhua.money import yuan
from louhua.soak.difference import Difference
from louhua.soak.inbox import Text, saying
from louhua.soak.ledger import Person

UNCHARGED: Final = "text not charged"
UNEARNED: Final = "charged for nothing"
DOUBLE_CHARGE: Final = "text charged twice"
WRONG_CHARGE: Final = "text charged wrongly"
WRONG_AMOUNT: Final = "amount not by the plan"
WRONG_USAGE: Final = "usage unlike the ledger"
WRONG_BALANCE: Final = "balance unlike the ledger"
WRONG_RENTAL: Final = "rental unlike the ledger"
WRONG_FILES: Final = "files unlike the ledger"

_SENT_FREE: Final = frozenset({Why.NO_CREDIT, Why.CREDIT_AWAY, Why.FREE_OF_CHARGE})


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """A text of the outbox for which somebody pays."""

    id: int
    recipient: str
    item: str
    payer: str
    party: str
    delivered: bool


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A balance, and the part of it that is reserved."""

    payer: str
    balance: int
    reserved: int


class Exported(NamedTuple):
    """A charge as a file of charges has it."""

    id: int
    event: str
    amount: int


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """All that the platform says of money. ``rentals`` is what was collected of each payer's months; ``torn`` says
    what is wrong with files of charges as such."""

    plan: Plan
    zone: ZoneInfo
    sold: Sequence[Sold] = ()
    charges: Sequence[Row] = ()
    usage: Mapping[Bill, Usage] = {}
    accounts: Sequence[Account] = ()
    rentals: Mapping[Bill, int] = {}
    exported: Sequence[Exported] = ()
    torn: Sequence[str] = ()


class Takings(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger has in all: texts that were charged, their amount, and what of it prepaid payers paid.

    ``unpaid`` were sent free of charge for want of money; ``unsure`` came to a phone without the platform ever
    knowing it, and cost nobody anything.
    """

    texts: int = 0
    amount: int = 0
    prepaid: int = 0
    unpaid: int = 0
    rentals: int = 0
    unsure: int = 0


def differences(books: Books, got: Sequence[Text], people: Mapping[str, Person]) -> list[Difference]:
    """Everything that is wrong."""
    return [
        *_texts(books, got),
        *_charges(books, got, people),
        *_amounts(books),
        *_accounts(books, people),
        *_rentals(books),
        *_files(books),
    ]


def takings(books: Books, got: Sequence[Text]) -> Takings:
    """What was taken."""
    usage = _usage(books)
    came = {(text.recipient, text.reference) for text in got}
    return Takings(
        texts=len(usage),
        amount=sum(row.amount for row in usage),
        prepaid=sum(row.amount for row in usage if row.prepaid),
        unpaid=sum(row.why in _SENT_FREE for row in usage),
        rentals=sum(row.amount for row in books.charges if row.kind == "rental"),
        unsure=sum(not text.delivered and _place(text) in came for text in books.sold),
    )


def _usage(books: Books) -> list[Row]:
    return [row for row in books.charges if row.kind == "usage"]


def _place(text: Sold) -> tuple[str, int]:
    """Where a text is found on the phones: the SMSC knows its id by 16 bits."""
    return text.recipient, text.id & 0xFFFF


def _texts(books: Books, got: Sequence[Text]) -> Iterator[Difference]:
    """Each text that was delivered is charged once, each that was not is not; each that came is for sale."""
    charged = Counter(row.event for row in _usage(books))
    for text in books.sold:
        count = charged.pop(_event(text), 0)
        if text.delivered and not count:
            yield Difference(UNCHARGED, f"text {text.id} to {text.recipient}, {text.item} of {text.payer}")
        if not text.delivered and count:
            yield Difference(UNEARNED, f"text {text.id} to {text.recipient} was not delivered")
        if count > 1:
            yield Difference(DOUBLE_CHARGE, f"text {text.id} to {text.recipient}, {count} times")
    for event in charged:
        yield Difference(UNEARNED, f"{event}: nobody pays for such a text")
    sold = set(map(_place, books.sold))
    for one in got:
        said = saying(one.body)
        if said and Item(said.kind) in books.plan.items and (one.recipient, one.reference) not in sold:
            yield Difference(UNCHARGED, f"{said.kind} to {one.recipient}: nobody is to pay for it")


def _event(text: Sold) -> str:
    return f"text:{text.id}"


def _charges(books: Books, got: Sequence[Text], people: Mapping[str, Person]) -> Iterator[Difference]:
    """What is charged came to a phone, and is what its words say, for whom they say it."""
    sold = {_event(text): text for text in books.sold}
    came = {(text.recipient, text.reference): text for text in got}
    for row in _usage(books):
        text = sold.get(row.event)
        if text is None:
            continue
        on_phone = came.get(_place(text))
        if on_phone is None:
            yield Difference(UNEARNED, f"{row.event}: no phone has it")
            continue
        said = saying(on_phone.body)
        if said is None:
            continue
        payer = said.about if books.plan.payer_of(Item(said.kind)) is _other(said.kind) else on_phone.recipient
        person = people.get(payer)
        prepaid = person is not None and person.money is not None
        expected = (said.kind.value, payer, on_phone.recipient, text.party, prepaid)
        if (row.item, row.payer, row.recipient, row.party, row.prepaid) != expected:
            detail = f"{row.item} of {row.payer}, prepaid {row.prepaid}, where it is {said.kind} of {payer}"
            yield Difference(WRONG_CHARGE, f"{row.event}: {detail}, prepaid {prepaid}")


def _other(kind: Kind) -> Payer:
    """Who of a call does not get its text: he whom the text names."""
    return Payer.CALLEE if kind is Kind.POWER_ON else Payer.CALLER


def _amounts(books: Books) -> Iterator[Difference]:
    """The rows of a payer's month, rated again one after another, give the same amounts and the same usage."""
    bills: dict[Bill, list[Row]] = {}
    for row in sorted(_usage(books), key=lambda row: row.seq):
        bills.setdefault((row.payer, row.month), []).append(row)
    for bill, rows in bills.items():
        usage = Usage()
        for number, row in enumerate(rows, 1):
            if said := _rated_again(books.plan, usage, row, local_day(row.at, books.zone), number):
                yield Difference(WRONG_AMOUNT, f"{row.event} of {row.payer}: {said}")
        if books.usage.get(bill) != usage:
            yield Difference(WRONG_USAGE, f"{_named(bill)}: {books.usage.get(bill)}, where it is {usage}")
    # Whose texts were worded within a quota and failed has a month with nothing in it.
    for bill in sorted(bill for bill in books.usage.keys() - bills.keys() if books.usage[bill] != Usage()):
        yield Difference(WRONG_USAGE, f"{_named(bill)}: nothing is charged")


def _rated_again(plan: Plan, usage: Usage, row: Row, day: date, number: int) -> str:
    """What is wrong with a row; ``usage`` is what was used before it, and gets it."""
    rated = rate(plan, usage, Item(row.item), day, row.quantity)
    if rated is None:
        return "the plan does not name it"
    why = Why(row.why)
    usage.add(Item(row.item), day, msgspec.structs.replace(rated, amount=row.amount, why=why))
    amount, decided = rated.amount, rated.why
    if why in _SENT_FREE:
        amount, decided = 0, why
    elif why is Why.RESERVED:
        amount, decided = min(row.amount, amount - 1), why
    before = (rated.price, rated.used, rated.item_sum, rated.day_sum, rated.month_sum, number)
    said = (row.price, row.used, row.item_sum, row.day_sum, row.month_sum, row.seq)
    if (row.amount, why) == (amount, decided) and said == before:
        return ""
    return f"{yuan(row.amount)} ({why}) after {said}, where it is {yuan(amount)} ({decided}) after {before}"


def _accounts(books: Books, people: Mapping[str, Person]) -> Iterator[Difference]:
    """Who pays beforehand has what the soak paid in, less what he was charged; nothing is reserved at rest."""
    paid_in = {person.number: person.money for person in people.values() if person.money is not None}
    spent: Counter[str] = Counter()
    topped_up: Counter[str] = Counter()
    for row in books.charges:
        if row.kind == "top_up":
            topped_up[row.payer] -= row.amount
        elif row.prepaid:
            spent[row.payer] += row.amount
    for account in books.accounts:
        left = paid_in.pop(account.payer, 0) - spent.pop(account.payer, 0)
        if (account.balance, account.reserved) != (left, 0) or left < 0:
            has = f"{yuan(account.balance)} with {yuan(account.reserved)} reserved"
            yield Difference(WRONG_BALANCE, f"{account.payer} has {has}, where {yuan(left)} are left")
    for payer in paid_in.keys() | spent.keys():
        yield Difference(WRONG_BALANCE, f"{payer} pays beforehand and has no balance")
    for person in people.values():
        if topped_up.pop(person.number, 0) != (person.money or 0):
            yield Difference(WRONG_BALANCE, f"{person.number}: the ledger has not what was paid in")


def _rentals(books: Books) -> Iterator[Difference]:
    """What was collected of each month is in the ledger, and is no more than the plan's rental."""
    sums: Counter[Bill] = Counter()
    for row in books.charges:
        if row.kind == "rental":
            sums[row.payer, row.month] += row.amount
    for bill in sums.keys() | books.rentals.keys():
        collected = books.rentals.get(bill)
        if collected != sums[bill] or sums[bill] > books.plan.rental:
            has = "nothing" if collected is None else yuan(collected)
            yield Difference(WRONG_RENTAL, f"{_named(bill)}: {has} collected, {yuan(sums[bill])} in the ledger")


def _files(books: Books) -> Iterator[Difference]:
    """Every row of the ledger stands in one file, once, as it is; nothing else does."""
    yield from (Difference(WRONG_FILES, said) for said in books.torn)
    wanted = Counter(Exported(row.id, row.event, row.amount) for row in books.charges)
    written = Counter(books.exported)
    for charge in sorted((wanted - written).elements()):
        yield Difference(WRONG_FILES, f"charge {charge.id}, {charge.event}: not as it is in any file")
    for charge in sorted((written - wanted).elements()):
        yield Difference(WRONG_FILES, f"charge {charge.id}, {charge.event}: once too often, or not in the ledger")


def _named(bill: Bill) -> str:
    payer, month = bill
    return f"{payer} in {month:%Y-%m}"
