"""The subscribers that are known by name; everybody else has the default profile."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Subscriber(models.Model):
    """Somebody who registered, or whose profile differs from the default."""

    number = models.CharField(max_length=20, primary_key=True, help_text="canonical, as 8613800138000")
    registered = models.BooleanField(default=True)
    voicemail = models.BooleanField(default=False)
    language = models.CharField(max_length=10, default="", blank=True, help_text="empty: the service's")
    tells_power_on = models.BooleanField(default=True, help_text="others may learn that the phone is on")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """The table's checks."""

        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(language__in=["", "zh-hans", "en"]), name="subscriber_language")
        ]

    def __str__(self) -> str:
        return self.number
