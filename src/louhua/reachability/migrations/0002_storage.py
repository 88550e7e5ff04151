"""Leave room in each page, so that another call on a watch updates its row in place (HOT)."""

from django.db import migrations


class Migration(migrations.Migration):
    """Storage parameters of the watches."""

    dependencies = [("reachability", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE reachability_watch SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05)",
            "ALTER TABLE reachability_watch RESET (fillfactor, autovacuum_vacuum_scale_factor)",
        )
    ]
