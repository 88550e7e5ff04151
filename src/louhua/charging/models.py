"""Plans, what was used of them, the ledger, and prepaid money. Amounts are in thousandths of a yuan."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

NUMBER = 20
PLAN = 40
KINDS = ["adjustment", "refund", "rental", "top_up", "usage"]
RESERVATION_STATES = ["asked", "granted", "settling", "waived"]


class PlanVersion(models.Model):
    """A version of a plan, which never changes."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=PLAN)
    number = models.PositiveIntegerField(help_text="of this plan, from 1 on")
    valid_from = models.DateField()
    valid_until = models.DateField(null=True, blank=True, help_text="the last day")
    document = models.JSONField(help_text="the whole plan")
    author = models.CharField(max_length=60)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Read as a whole."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["name", "number"], name="plan_version_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class Usage(models.Model):
    """What somebody used in a calendar month of the service's zone: what quotas and caps ask."""

    pk = models.CompositePrimaryKey("payer", "month")
    payer = models.CharField(max_length=NUMBER)
    month = models.DateField(help_text="its first day")
    charges = models.PositiveIntegerField(help_text="usage rows of the ledger")
    items = models.JSONField(help_text='how many, and their amount: {"detail": [3, 300]}')
    days = models.JSONField(help_text='amounts by day of the month: {"23": 300}')

    class Meta:
        """The key is what is asked for."""

    def __str__(self) -> str:
        return f"{self.payer} {self.month:%Y-%m}"


class Charge(models.Model):
    """A row of the ledger, which never changes; what is given back is a row with a negative amount.

    Of prepaid rows the sum is the balance, with the sign turned.
    """

    id = models.BigAutoField(primary_key=True)
    event = models.CharField(max_length=80, help_text="what it is for, once: text:123")
    kind = models.CharField(max_length=10)
    payer = models.CharField(max_length=NUMBER)
    month = models.DateField(help_text="its first day, in the service's zone")
    at = models.DateTimeField(help_text="of the delivery")
    item = models.CharField(max_length=20, blank=True)
    recipient = models.CharField(max_length=NUMBER, blank=True)
    party = models.CharField(max_length=NUMBER, blank=True, help_text="the other one: whom it tells of")
    plan = models.CharField(max_length=PLAN, blank=True)
    version = models.PositiveIntegerField(default=0)
    quantity = models.PositiveIntegerField(default=1, help_text="texts, minutes begun, or days of a rental")
    price = models.BigIntegerField(help_text="of one")
    amount = models.BigIntegerField()
    why = models.CharField(max_length=20, help_text="what decided the amount")
    used = models.PositiveIntegerField(default=0, help_text="of the item in the month, before")
    item_sum = models.BigIntegerField(default=0, help_text="of the item in the month, before")
    day_sum = models.BigIntegerField(default=0, help_text="of the day, before")
    month_sum = models.BigIntegerField(default=0, help_text="of the month, before")
    seq = models.PositiveIntegerField(
        default=0, help_text="usage rows of the payer and month are rated in this order"
    )
    prepaid = models.BooleanField()
    refunds = models.BigIntegerField(null=True, blank=True, help_text="the row that is given back")
    reason = models.CharField(max_length=200, blank=True)
    author = models.CharField(max_length=60, blank=True)

    class Meta:
        """One row an event; asked by payer and month."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event"], name="charge_once"),
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="charge_kind"),
        ]
        indexes: ClassVar = [models.Index(fields=["payer", "month"], name="charge_payer")]

    def __str__(self) -> str:
        return self.event


class Reservation(models.Model):
    """A text of a prepaid payer, from its wording until its money is settled."""

    text_id = models.BigIntegerField(primary_key=True)
    payer = models.CharField(max_length=NUMBER)
    item = models.CharField(max_length=20)
    amount = models.BigIntegerField(help_text="wanted, or reserved")
    used = models.BigIntegerField(default=0, help_text="settling: what is charged of it")
    state = models.CharField(max_length=10)
    why = models.CharField(
        max_length=20,
        blank=True,
        help_text="waived: why nothing is charged; settling: late, asked late, or both",
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, help_text="when whoever keeps the money is asked")
    created_at = models.DateTimeField()

    class Meta:
        """Workers ask for what is due, whoever words a text for what is on its way."""

        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=RESERVATION_STATES), name="reservation_state")
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], name="reservation_due", condition=Q(state__in=["asked", "settling"])),
            models.Index(
                fields=["payer", "item"],
                name="reservation_underway",
                condition=Q(state__in=["asked", "granted"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item} {self.text_id}"


class Balance(models.Model):
    """The money of a prepaid subscriber that is kept here."""

    payer = models.CharField(max_length=NUMBER, primary_key=True)
    balance = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0, help_text="part of the balance, for texts on their way")
    updated_at = models.DateTimeField()

    class Meta:
        """Nothing is reserved twice."""

        constraints: ClassVar = [models.CheckConstraint(condition=Q(reserved__gte=0), name="balance_reserved")]

    def __str__(self) -> str:
        return self.payer


class Hold(models.Model):
    """Money of a balance that is set aside for one session."""

    session = models.CharField(max_length=64, primary_key=True)
    payer = models.CharField(max_length=NUMBER)
    amount = models.BigIntegerField()

    def __str__(self) -> str:
        return self.session


class Rental(models.Model):
    """The rental of somebody for a month, and how much of it was collected."""

    pk = models.CompositePrimaryKey("payer", "month")
    payer = models.CharField(max_length=NUMBER)
    month = models.DateField(help_text="its first day")
    plan = models.CharField(max_length=PLAN)
    version = models.PositiveIntegerField()
    price = models.BigIntegerField(default=0, help_text="of a full month")
    due = models.BigIntegerField()
    why = models.CharField(max_length=20, default="", help_text="what decided it")
    days = models.PositiveSmallIntegerField(default=0, help_text="of the month that are charged")
    collected = models.BigIntegerField(default=0)
    parts = models.PositiveSmallIntegerField(default=0, help_text="collections so far")
    refusals = models.PositiveSmallIntegerField(
        default=0, help_text="of whoever keeps the money: each attempt after one is another session"
    )
    refused_on = models.DateField(null=True, blank=True, help_text="when whoever keeps the money has refused last")
    asking = models.BooleanField(
        db_default=False, help_text="whoever keeps the money was asked, and what he said is not known"
    )
    since = models.DateField(help_text="when it was asked for first")

    class Meta:
        """The key is what is asked for, and who owes."""

        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(collected__lte=F("due")), name="rental_collected")
        ]
        indexes: ClassVar = [
            models.Index(fields=["payer"], name="rental_owing", condition=Q(collected__lt=F("due")))
        ]

    def __str__(self) -> str:
        return f"{self.payer} {self.month:%Y-%m}"


class RentalRun(models.Model):
    """The last time that the rentals of a month were gone through to the end."""

    month = models.DateField(primary_key=True, help_text="its first day")
    ran_on = models.DateField(help_text="in the service's zone")

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class CdrFile(models.Model):
    """A file of charges: those of the ledger after ``after_id`` up to ``upto_id``."""

    number = models.BigIntegerField(primary_key=True, help_text="without gaps, from 1 on")
    after_id = models.BigIntegerField()
    upto_id = models.BigIntegerField()
    charges = models.PositiveIntegerField()
    amount = models.BigIntegerField()
    name = models.CharField(max_length=100, help_text="below the directory of files: 2026-11-23/…")
    node = models.CharField(max_length=40, help_text="that cut the range; whoever writes it, says so")
    zone = models.CharField(max_length=64, help_text="of its times")
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, help_text="when it was complete under its name")

    def __str__(self) -> str:
        return self.name
