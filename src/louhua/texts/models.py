"""The outbox and what belongs to it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from louhua.texts.limits import ERROR, MESSAGE_ID, NUMBER, ROUTE

STATES = ["reserving", "queued", "sending", "submitted", "delivered", "failed"]
PART_STATES = ["submitted", "delivered", "expired", "deleted", "undeliverable", "rejected"]


class Text(models.Model):
    """One logical text to one phone, whatever number of short messages it takes."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=20)
    alert_ids = ArrayField(models.BigIntegerField(), db_default=[], help_text="several where it is a digest")
    sender = models.CharField(max_length=NUMBER)
    recipient = models.CharField(max_length=NUMBER)
    body = models.TextField(blank=True)
    parts = models.PositiveSmallIntegerField(default=1)
    reference = models.PositiveIntegerField(help_text="user_message_reference and concatenation reference")
    priority = models.PositiveSmallIntegerField()
    protocol_id = models.PositiveSmallIntegerField(default=0)
    set_dpf = models.BooleanField(default=False)
    validity_s = models.PositiveIntegerField()
    smsc = models.CharField(
        max_length=ROUTE, blank=True, help_text="queued: its route, see routes.py; submitted: the SMSC that has it"
    )
    state = models.CharField(max_length=10, default="queued")
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    resent = models.BooleanField(default=False)
    submitted_at = models.DateTimeField(null=True)
    ask_at = models.DateTimeField(null=True, help_text="when the SMSC is asked what became of it")
    expires_at = models.DateTimeField(null=True, help_text="when it is given up, should nothing be heard")
    final_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=ERROR, blank=True)
    item = models.CharField(
        max_length=20, db_default="", blank=True, help_text="what is charged for it; or nothing"
    )
    payer = models.CharField(max_length=NUMBER, db_default="", blank=True)
    party = models.CharField(max_length=NUMBER, db_default="", blank=True, help_text="whom it tells the payer of")
    created_at = models.DateTimeField()

    class Meta:
        """Workers ask by state, staff by recipient; final rows are in two indexes: the key's and theirs."""

        constraints: ClassVar = [models.CheckConstraint(condition=Q(state__in=STATES), name="text_state")]
        indexes: ClassVar = [
            models.Index(fields=["smsc", "priority", "due_at"], name="text_queued", condition=Q(state="queued")),
            models.Index(fields=["lease_until"], name="text_sending", condition=Q(state="sending")),
            models.Index(fields=["expires_at"], name="text_submitted", condition=Q(state="submitted")),
            models.Index(
                fields=["smsc", "ask_at"],
                name="text_silent",
                condition=Q(state="submitted", ask_at__isnull=False),
            ),
            models.Index(
                fields=["recipient"],
                name="text_open_recipient",
                condition=Q(state__in=["queued", "sending", "submitted"]),
            ),
            models.Index(
                fields=["recipient", "-final_at"],
                name="text_final_recipient",
                condition=Q(state__in=["delivered", "failed"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Part(models.Model):
    """One short message of a text, as the SMSC took it."""

    id = models.BigAutoField(primary_key=True)
    text_id = models.BigIntegerField()
    seq = models.PositiveSmallIntegerField()
    smsc = models.CharField(max_length=40)
    message_id = models.CharField(max_length=MESSAGE_ID, help_text="in comparable form")
    smsc_id = models.CharField(max_length=MESSAGE_ID, help_text="as the SMSC wrote it")
    recipient = models.CharField(max_length=NUMBER)
    state = models.CharField(max_length=15, default="submitted")
    error = models.CharField(max_length=ERROR, blank=True)

    class Meta:
        """Receipts ask by the SMSC's id."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["text_id", "seq"], name="part_once"),
            models.CheckConstraint(condition=Q(state__in=PART_STATES), name="part_state"),
        ]
        indexes: ClassVar = [models.Index(fields=["smsc", "message_id", "recipient"], name="part_message")]

    def __str__(self) -> str:
        return f"{self.text_id}.{self.seq}"


class OrphanReceipt(models.Model):
    """A receipt that came before its submit response was stored; joined when that is."""

    id = models.BigAutoField(primary_key=True)
    smsc = models.CharField(max_length=40)
    message_id = models.CharField(max_length=MESSAGE_ID)
    recipient = models.CharField(max_length=NUMBER)
    reference = models.IntegerField(null=True)
    state = models.CharField(max_length=15)
    error = models.CharField(max_length=ERROR, blank=True)
    at = models.DateTimeField()

    class Meta:
        """Asked by id."""

        indexes: ClassVar = [models.Index(fields=["smsc", "message_id", "recipient"], name="orphan_message")]

    def __str__(self) -> str:
        return self.message_id


class Inbound(models.Model):
    """A text a phone sent us: that it came, not what it said."""

    id = models.CharField(max_length=64, primary_key=True)
    sender = models.CharField(max_length=NUMBER)
    keyword = models.CharField(max_length=20)
    received_at = models.DateTimeField()

    class Meta:
        """Asked by sender."""

        indexes: ClassVar = [models.Index(fields=["sender", "received_at"], name="inbound_sender")]

    def __str__(self) -> str:
        return self.id


class HelpSent(models.Model):
    """When somebody last got the help text."""

    number = models.CharField(max_length=NUMBER, primary_key=True)
    sent_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.number


class SmscState(models.Model):
    """When any process last had a connection to an SMSC that takes texts."""

    name = models.CharField(max_length=40, primary_key=True)
    bound_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
