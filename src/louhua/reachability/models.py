"""Watches: the phones we wait for."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q


class Watch(models.Model):
    """A phone that was off when somebody called; one row a callee, gone when the phone is back."""

    callee = models.CharField(max_length=20, primary_key=True)
    since = models.DateTimeField(help_text="the call that began it")
    last_call_at = models.DateTimeField(help_text="news older than this say nothing")
    limit_at = models.DateTimeField()
    next_probe_at = models.DateTimeField(null=True)
    probes = models.PositiveSmallIntegerField(default=0)

    class Meta:
        """Workers ask for what is due."""

        verbose_name_plural = "watches"
        indexes: ClassVar = [
            models.Index(F("next_probe_at"), name="watch_probe_due", condition=Q(next_probe_at__isnull=False)),
            models.Index(fields=["limit_at"], name="watch_limit"),
        ]

    def __str__(self) -> str:
        return self.callee
