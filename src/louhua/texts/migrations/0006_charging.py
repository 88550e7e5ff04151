"""What is charged for a text, and the state in which it waits for the payer's money.

The check is replaced without reading the table under its lock: texts are many.
"""

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("texts", "0005_routes"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="text",
            name="text_state",
        ),
        migrations.AddField(
            model_name="text",
            name="item",
            field=models.CharField(
                blank=True, db_default="", help_text="what is charged for it; or nothing", max_length=20
            ),
        ),
        migrations.AddField(
            model_name="text",
            name="party",
            field=models.CharField(
                blank=True, db_default="", help_text="whom it tells the payer of", max_length=20
            ),
        ),
        migrations.AddField(
            model_name="text",
            name="payer",
            field=models.CharField(blank=True, db_default="", max_length=20),
        ),
        AddConstraintNotValid(
            model_name="text",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["reserving", "queued", "sending", "submitted", "delivered", "failed"])
                ),
                name="text_state",
            ),
        ),
        ValidateConstraint("text", "text_state"),
    ]
