"""Forwarded calls and the alerts they make."""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar

from django.db import models
from django.db.models import Q

from louhua.alerts.states import OPEN, Kind, State


def _values(members: Iterable[StrEnum]) -> list[str]:
    """The plain values, so that migrations do not change with the code."""
    return sorted(member.value for member in members)


class Call(models.Model):
    """A forwarded call, recorded exactly once: its event's id is the key.

    The table has a partition for each day (UTC) of ``started_at``, which PostgreSQL therefore has in the key.
    """

    id = models.CharField(max_length=64, primary_key=True)
    node = models.CharField(max_length=40)
    trunk = models.CharField(max_length=100)
    sip_call_id = models.CharField(max_length=255)
    callee = models.CharField(max_length=20)
    caller = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=20)
    treatment = models.CharField(max_length=20)
    choice = models.CharField(max_length=20)
    outcome = models.CharField(max_length=20)
    other_number = models.CharField(max_length=20, blank=True)
    started_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField()

    class Meta:
        """A subscriber's calls, newest first, are what is asked for."""

        indexes: ClassVar = [
            models.Index(fields=["callee", "-started_at"], name="call_callee"),
            models.Index(fields=["caller", "-started_at"], name="call_caller"),
        ]

    def __str__(self) -> str:
        return self.id


class Alert(models.Model):
    """Somebody is to be told something about a callee's calls."""

    id = models.BigAutoField(primary_key=True)
    callee = models.CharField(max_length=20)
    caller = models.CharField(max_length=20, blank=True, help_text="empty: withheld, or all callers")
    kind = models.CharField(max_length=12)
    recipient = models.CharField(max_length=20)
    state = models.CharField(max_length=10)
    calls = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    other_number = models.CharField(max_length=20, blank=True)
    watched = models.BooleanField(help_text="waits for the phone, not for a time")
    due_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    text_id = models.BigIntegerField(null=True)
    error = models.CharField(max_length=60, blank=True)
    digest = models.BooleanField(db_default=False, help_text="put off by the daily limit: told with others")
    updated_at = models.DateTimeField()

    class Meta:
        """One open alert per callee, caller and kind; workers ask for what is due, or by callee."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["callee", "caller", "kind"], name="alert_open", condition=Q(state__in=_values(OPEN))
            ),
            models.CheckConstraint(condition=Q(state__in=_values(State)), name="alert_state"),
            models.CheckConstraint(condition=Q(kind__in=_values(Kind)), name="alert_kind"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"],
                name="alert_due",
                condition=Q(state__in=["held", "due"], due_at__isnull=False),
            ),
            models.Index(fields=["expires_at"], name="alert_expiring", condition=Q(state="offered")),
            models.Index(fields=["callee", "kind"], name="alert_callee"),
            models.Index(fields=["recipient"], name="alert_power_on", condition=Q(kind="power_on")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Daily(models.Model):
    """How many texts somebody got on a day of the service's time zone, for the daily limit."""

    pk = models.CompositePrimaryKey("number", "day")
    number = models.CharField(max_length=20)
    day = models.DateField()
    texts = models.IntegerField()

    class Meta:
        """Counted by number, forgotten by day."""

        indexes: ClassVar = [models.Index(fields=["day"], name="daily_day")]

    def __str__(self) -> str:
        return f"{self.number} {self.day}"
