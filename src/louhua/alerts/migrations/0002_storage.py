"""Leave room in each page, so that a merged call updates its row in place (HOT) and touches no index."""

from django.db import migrations


class Migration(migrations.Migration):
    """Storage parameters of the rows that change most."""

    dependencies = [("alerts", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE alerts_alert SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)",
            "ALTER TABLE alerts_alert RESET (fillfactor, autovacuum_vacuum_scale_factor)",
        )
    ]
