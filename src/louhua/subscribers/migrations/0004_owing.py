"""Who is suspended for a rental that is owed is told from whom staff suspends; until when somebody was served."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscribers", "0003_charging"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscriber",
            name="served_until",
            field=models.DateTimeField(blank=True, help_text="when that ended", null=True),
        ),
        migrations.RemoveConstraint(model_name="subscriber", name="subscriber_status"),
        migrations.AddConstraint(
            model_name="subscriber",
            constraint=models.CheckConstraint(
                condition=models.Q(status__in=["owing", "registered", "suspended", "unregistered"]),
                name="subscriber_status",
            ),
        ),
    ]
