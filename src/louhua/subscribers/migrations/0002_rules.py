"""What subscribers choose for themselves, and their lists; the two flags of before are carried over."""

from django.db import migrations, models
from django.db.models import Q

CARRY_OVER = """
UPDATE subscribers_subscriber
   SET status = CASE WHEN registered THEN 'registered' ELSE 'unregistered' END,
       power_on = CASE WHEN tells_power_on THEN 'everybody' ELSE 'nobody' END
"""


class Migration(migrations.Migration):
    dependencies = [("subscribers", "0001_initial")]

    operations = [
        migrations.AddField("subscriber", "status", models.CharField(default="registered", max_length=12)),
        migrations.AddField(
            "subscriber",
            "power_on",
            models.CharField(default="everybody", help_text="who may learn that the phone is on", max_length=10),
        ),
        migrations.AddField(
            "subscriber",
            "power_on_hours",
            models.CharField(blank=True, default="", help_text="when they may: 08:00-22:00", max_length=11),
        ),
        migrations.AddField(
            "subscriber",
            "quiet_hours",
            models.CharField(blank=True, default="", help_text="22:00-07:00, or off", max_length=11),
        ),
        migrations.AddField(
            "subscriber",
            "digest",
            models.BooleanField(default=False, help_text="one text for all callers"),
        ),
        migrations.AddField("subscriber", "sender", models.CharField(blank=True, default="", max_length=8)),
        migrations.AddField(
            "subscriber",
            "daily_limit",
            models.PositiveSmallIntegerField(blank=True, help_text="texts a day; 0: no limit", null=True),
        ),
        migrations.AddField(
            "subscriber",
            "notice_due",
            models.BooleanField(default=False, help_text="is to be told of the activation"),
        ),
        migrations.RunSQL(CARRY_OVER, migrations.RunSQL.noop),
        migrations.RemoveField("subscriber", "registered"),
        migrations.RemoveField("subscriber", "tells_power_on"),
        migrations.AlterField("subscriber", "language", models.CharField(blank=True, default="", max_length=10)),
        migrations.AddConstraint(
            "subscriber",
            models.CheckConstraint(
                condition=Q(status__in=["registered", "suspended", "unregistered"]), name="subscriber_status"
            ),
        ),
        migrations.AddConstraint(
            "subscriber",
            models.CheckConstraint(
                condition=Q(power_on__in=["everybody", "list", "nobody"]), name="subscriber_power_on"
            ),
        ),
        migrations.AddConstraint(
            "subscriber",
            models.CheckConstraint(condition=Q(sender__in=["", "service", "caller"]), name="subscriber_sender"),
        ),
        migrations.AddIndex(
            "subscriber",
            models.Index(fields=["number"], name="subscriber_notice", condition=Q(notice_due=True)),
        ),
        migrations.CreateModel(
            name="Listed",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "owner", "list", "number", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("owner", models.CharField(max_length=20)),
                ("list", models.CharField(max_length=5)),
                ("number", models.CharField(max_length=20)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=Q(list__in=["allow", "block"]), name="listed_list")
                ]
            },
        ),
    ]
