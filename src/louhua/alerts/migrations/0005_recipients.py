"""Staff ask what somebody was promised to be told of other people's phones."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("alerts", "0004_calls_by_day")]

    operations = [
        AddIndexConcurrently(
            "alert",
            models.Index(condition=models.Q(("kind", "power_on")), fields=["recipient"], name="alert_power_on"),
        ),
    ]
