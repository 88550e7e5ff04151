"""A text may tell several alerts: a digest."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("texts", "0002_storage")]

    operations = [
        migrations.AddField(
            "text",
            "alert_ids",
            ArrayField(
                models.BigIntegerField(), db_default=[], help_text="several where it is a digest", size=None
            ),
        ),
        migrations.RunSQL(
            "UPDATE texts_text SET alert_ids = ARRAY[alert_id] WHERE alert_id IS NOT NULL", migrations.RunSQL.noop
        ),
        migrations.RemoveField("text", "alert_id"),
    ]
