"""The subscribers that are known by name; everybody else has the default profile."""

from typing import ClassVar

from django.db import models
from django.db.models import Q


class Subscriber(models.Model):
    """Somebody who registered, or whose profile differs from the default; empty is the service's setting."""

    number = models.CharField(max_length=20, primary_key=True, help_text="canonical, as 8613800138000")
    status = models.CharField(max_length=12, default="registered")
    voicemail = models.BooleanField(default=False)
    language = models.CharField(max_length=10, default="", blank=True)
    power_on = models.CharField(max_length=10, default="everybody", help_text="who may learn that the phone is on")
    power_on_hours = models.CharField(
        max_length=11, default="", blank=True, help_text="when they may: 08:00-22:00"
    )
    quiet_hours = models.CharField(max_length=11, default="", blank=True, help_text="22:00-07:00, or off")
    digest = models.BooleanField(default=False, help_text="one text for all callers")
    sender = models.CharField(max_length=8, default="", blank=True)
    daily_limit = models.PositiveSmallIntegerField(null=True, blank=True, help_text="texts a day; 0: no limit")
    plan = models.CharField(max_length=40, db_default="", blank=True, help_text="what it costs")
    next_plan = models.CharField(max_length=40, db_default="", blank=True)
    next_plan_on = models.DateField(null=True, blank=True, help_text="when next_plan takes the place of plan")
    prepaid = models.BooleanField(db_default=False, help_text="pays from a balance")
    activated_at = models.DateTimeField(null=True, blank=True, help_text="when registered for the first time")
    served_since = models.DateTimeField(null=True, blank=True, help_text="when registered, or resumed, last")
    served_until = models.DateTimeField(null=True, blank=True, help_text="when that ended")
    notice_due = models.BooleanField(default=False, help_text="is to be told of the activation")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """The table's checks; those who await the activation notice are asked for."""

        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(language__in=["", "zh-hans", "en"]), name="subscriber_language"),
            models.CheckConstraint(
                condition=Q(status__in=["owing", "registered", "suspended", "unregistered"]),
                name="subscriber_status",
            ),
            models.CheckConstraint(
                condition=Q(power_on__in=["everybody", "list", "nobody"]), name="subscriber_power_on"
            ),
            models.CheckConstraint(condition=Q(sender__in=["", "service", "caller"]), name="subscriber_sender"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["number"], name="subscriber_notice", condition=Q(notice_due=True))
        ]

    def __str__(self) -> str:
        return self.number


class Listed(models.Model):
    """A number on a subscriber's block or allow list."""

    pk = models.CompositePrimaryKey("owner", "list", "number")
    owner = models.CharField(max_length=20)
    list = models.CharField(max_length=5)
    number = models.CharField(max_length=20)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """The key is what is asked for."""

        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(list__in=["allow", "block"]), name="listed_list")
        ]

    def __str__(self) -> str:
        return f"{self.owner} {self.list} {self.number}"
