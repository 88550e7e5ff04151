"""Versions of plans, as the console keeps and shows them; what a plan may say, ``louhua.charging`` says."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from itertools import count
from typing import Any, Final

from django.db import connection, transaction
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from louhua.charging.catalogue import LOCK_VERSIONS
from louhua.charging.models import PlanVersion
from louhua.charging.months import next_month
from louhua.charging.plans import (
    BY_MINUTE,
    Item,
    Payer,
    Plan,
    Terms,
    Version,
    document,
    next_version,
    read_plan,
    to_toml,
    valid,
)
from louhua.money import yuan
from louhua.section import PLAN_NAME

ITEMS: Final[Mapping[Item, str | Promise]] = {
    Item.MISSED: gettext_lazy("Missed-call alert"),
    Item.TEASER: gettext_lazy("Teaser to who is not registered"),
    Item.CALL_BACK: gettext_lazy("Caller left the own number"),
    Item.CALL_OTHER: gettext_lazy("Caller left another number"),
    Item.POWER_ON: gettext_lazy("Power-on alert"),
    Item.DETAIL: gettext_lazy("Enquiry by text (D)"),
    Item.MESSAGE: gettext_lazy("Voice message waiting"),
    Item.DIGEST: gettext_lazy("Digest"),
    Item.VOICE_TEXT: gettext_lazy("Voice text"),
    Item.OPERATOR_MINUTE: gettext_lazy("Operator seat"),
}

_A_QUERY: Final = Terms.model_validate({"price": "0.10"})
"""短信查询每条0.1元."""

_PAYERS: Final[Mapping[Payer, str | Promise]] = {
    Payer.CALLER: gettext_lazy("caller"),
    Payer.CALLEE: gettext_lazy("callee"),
}
_FIRST_MONTH: Final[Mapping[str, str | Promise]] = {
    "free": gettext_lazy("free in the first month"),
    "pro-rata": gettext_lazy("by days in the first month"),
    "full": gettext_lazy("in full in the first month"),
}
_EFFECT: Final[Mapping[str, str | Promise]] = {
    "now": gettext_lazy("at once"),
    "next-month": gettext_lazy("from the next month on"),
}


class Overtaken(Exception):
    """The plan has a version that the author of another one has not seen: ``newest``."""

    def __init__(self, newest: PlanVersion) -> None:
        super().__init__(str(newest))
        self.newest = newest


def add(plan: Plan, author: str, today: date, seen: int | None) -> PlanVersion:
    """Store the next version of a plan; raises ``PlanError`` when it cannot be added.

    ``seen`` is the key of the version that the author began with, ``None`` for a new plan. A version says all of
    a plan, so one that was written beside another would undo it: raises ``Overtaken`` unless it is the newest.

    As ``add_version``, but by way of Django, so that the record of who added it is in the same transaction.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(LOCK_VERSIONS)
        newest = newest_of(plan.name)
        if newest is not None and newest.pk != seen:
            raise Overtaken(newest)
        version = next_version(plan, newest.number if newest else 0, today)
        return PlanVersion.objects.create(
            name=plan.name,
            number=version.number,
            valid_from=plan.valid_from,
            valid_until=plan.valid_until,
            document=document(plan),
            author=author,
        )


def draft(newest: PlanVersion | None, today: date) -> str:
    """What to begin with, from the first of the next month on: the newest version of a plan, or without one a plan
    of the requirement's own price under a name that no plan has."""
    begins = next_month(today)
    plan = _first(begins) if newest is None else read_plan(newest.document)
    return to_toml(plan.model_copy(update={"valid_from": begins, "valid_until": None}))


def _first(begins: date) -> Plan:
    taken = set(PlanVersion.objects.values_list("name", flat=True))
    name = next(name for number in count(1) if (name := f"plan-{number}") not in taken)
    return Plan(name=name, valid_from=begins, items={Item.DETAIL: _A_QUERY})


def newest_of(name: str) -> PlanVersion | None:
    """The version of a plan with the highest number; whatever is no name of a plan has none."""
    if not re.fullmatch(PLAN_NAME, name):
        return None
    return PlanVersion.objects.filter(name=name).order_by("-number").first()


def by_plan() -> dict[str, list[PlanVersion]]:
    """Every version, the latest first, by the name of its plan."""
    found: dict[str, list[PlanVersion]] = defaultdict(list)
    for row in PlanVersion.objects.order_by("name", "-number"):
        found[row.name].append(row)
    return dict(found)


def states(rows: Iterable[PlanVersion], today: date) -> dict[int, str]:
    """Of all versions of one plan, by their numbers: ``valid``, ``to_come`` or ``past``."""
    versions = [Version(row.number, read_plan(row.document)) for row in rows]
    now = valid(versions, today)
    return {version.number: "valid" if version is now else _when(version, today) for version in versions}


def _when(version: Version, today: date) -> str:
    return "to_come" if version.plan.valid_from > today else "past"


def facts(row: PlanVersion) -> list[tuple[str, str]]:
    """What a version says, but for its items: names and values to be read."""
    plan = read_plan(row.document)
    until = date_format(plan.valid_until) if plan.valid_until else _("without end")
    first = f" ({_FIRST_MONTH[plan.first_month]})" if plan.rental else ""
    return [
        (_("Valid"), f"{date_format(plan.valid_from)} – {until}"),
        (
            _("Monthly rental"),
            _money(plan.rental) + first,
        ),
        (_("Cap a day"), _money(plan.day_cap)),
        (_("Cap a month"), _money(plan.month_cap)),
        (_("Free trial"), _("%(days)d days") % {"days": plan.trial_days} if plan.trial_days else "—"),
        (_("Begins for who chooses it"), str(_EFFECT[plan.effect])),
    ]


def items(row: PlanVersion) -> dict[str, Any]:
    """The items of a version as a table: headers, rows."""
    plan = read_plan(row.document)
    headers = [_("Item"), _("Price"), _("Free a month"), _("Cap a month"), _("Who pays")]
    return {"headers": headers, "rows": [_item(plan, item, terms) for item, terms in plan.items.items()]}


def _item(plan: Plan, item: Item, terms: Terms) -> list[str]:
    unit = _("minute") if item in BY_MINUTE else _("text")
    return [
        str(ITEMS[item]),
        f"{_money(terms.price)} / {unit}" if terms.price else _("free"),
        str(terms.free) if terms.free else "—",
        _money(terms.cap),
        str(_PAYERS[plan.payer_of(item)]),
    ]


def _money(thousandths: int | None) -> str:
    return "—" if thousandths is None else _("%(amount)s yuan") % {"amount": yuan(thousandths)}
