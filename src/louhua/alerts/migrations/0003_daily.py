"""The daily limit: what everybody got today, and which alerts are told in a digest for it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("alerts", "0002_storage")]

    operations = [
        migrations.AddField(
            "alert",
            "digest",
            models.BooleanField(db_default=False, help_text="put off by the daily limit: told with others"),
        ),
        migrations.CreateModel(
            name="Daily",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "number", "day", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.CharField(max_length=20)),
                ("day", models.DateField()),
                ("texts", models.IntegerField()),
            ],
            options={"indexes": [models.Index(fields=["day"], name="daily_day")]},
        ),
    ]
