"""Watches: the phones we wait for, and how often each was probed."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Watch(models.Model):
    """A phone that was off when somebody called; one row a callee, gone when the phone is back."""

    callee = models.CharField(max_length=20, primary_key=True)
    since = models.DateTimeField(help_text="the call that began it")
    last_call_at = models.DateTimeField(help_text="news older than this say nothing")
    limit_at = models.DateTimeField()
    source = models.CharField(max_length=50, db_default="", help_text="who asks; empty: nobody")
    given_up = ArrayField(models.CharField(max_length=50), db_default=[], help_text="sources that will not tell")
    next_probe_at = models.DateTimeField(null=True, help_text="when its source is to ask next")
    probes = models.PositiveSmallIntegerField(default=0, help_text="how often its source has asked")

    class Meta:
        """Sources ask for what is theirs and due."""

        verbose_name_plural = "watches"
        indexes: ClassVar = [
            models.Index(
                fields=["source", "next_probe_at"],
                name="watch_source_due",
                condition=Q(next_probe_at__isnull=False),
            ),
            models.Index(fields=["limit_at"], name="watch_limit"),
        ]

    def __str__(self) -> str:
        return self.callee


class Probed(models.Model):
    """How often a number was probed on its latest day, and whether a probe is on its way."""

    number = models.CharField(max_length=20, primary_key=True)
    day = models.DateField()
    probes = models.PositiveSmallIntegerField()
    smsc = models.CharField(max_length=40)
    on_its_way = models.BooleanField()
    asked_at = models.DateTimeField()

    class Meta:
        """Counted by second; forgotten by age."""

        indexes: ClassVar = [models.Index(fields=["asked_at"], name="probed_at")]

    def __str__(self) -> str:
        return self.number
