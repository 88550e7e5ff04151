"""Who owes says so in his status; what was asked of another system and not answered is remembered."""

from django.db import migrations, models

# Whom staff had registered and suspended again since then stays suspended.
_SAY_SO = """
UPDATE subscribers_subscriber AS s SET status = 'owing'
  FROM charging_suspension AS x
 WHERE s.number = x.payer AND s.status = 'suspended'
   AND coalesce(s.served_since, s.created_at) = x.served_since
"""


class Migration(migrations.Migration):
    dependencies = [
        ("charging", "0004_cdr_origin"),
        ("subscribers", "0004_owing"),
    ]

    operations = [
        migrations.RunSQL(_SAY_SO, migrations.RunSQL.noop),
        migrations.DeleteModel(name="Suspension"),
        migrations.AddField(
            model_name="rental",
            name="asking",
            field=models.BooleanField(
                db_default=False, help_text="whoever keeps the money was asked, and what he said is not known"
            ),
        ),
        migrations.AddField(
            model_name="rental",
            name="refused_on",
            field=models.DateField(
                blank=True, help_text="when whoever keeps the money has refused last", null=True
            ),
        ),
    ]
