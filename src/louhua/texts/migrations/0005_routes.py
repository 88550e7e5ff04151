"""Texts have routes; what is known of each SMSC's connections is shared. A longer varchar rewrites nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("texts", "0004_history")]

    operations = [
        migrations.AlterField(
            "text",
            "smsc",
            models.CharField(
                blank=True,
                help_text="queued: its route, see routes.py; submitted: the SMSC that has it",
                max_length=400,
            ),
        ),
        migrations.CreateModel(
            name="SmscState",
            fields=[
                ("name", models.CharField(max_length=40, primary_key=True, serialize=False)),
                ("bound_at", models.DateTimeField()),
            ],
        ),
    ]
