"""The outbox changes each row a few times and then never again: leave room, and clean up early."""

from django.db import migrations


class Migration(migrations.Migration):
    """Storage parameters of the outbox."""

    dependencies = [("texts", "0001_initial")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE texts_text SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);"
            "ALTER TABLE texts_part SET (fillfactor = 80)",
            "ALTER TABLE texts_text RESET (fillfactor, autovacuum_vacuum_scale_factor);"
            "ALTER TABLE texts_part RESET (fillfactor)",
        )
    ]
