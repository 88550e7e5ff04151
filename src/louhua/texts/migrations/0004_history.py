"""Staff ask what became of a phone's texts; old orphans are found without an index."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("texts", "0003_alert_ids")]

    operations = [
        AddIndexConcurrently(
            "text",
            models.Index(
                condition=models.Q(("state__in", ["delivered", "failed"])),
                fields=["recipient", "-final_at"],
                name="text_final_recipient",
            ),
        ),
        RemoveIndexConcurrently("orphanreceipt", "orphan_at"),
    ]
