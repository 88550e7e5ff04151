"""Who asks about each watch, and how often each number was probed. Watches of before are taken over at start."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    """New columns have defaults in the database, so that a node of the version before can still write."""

    dependencies = [
        ("reachability", "0002_storage"),
    ]

    operations = [
        migrations.CreateModel(
            name="Probed",
            fields=[
                ("number", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("day", models.DateField()),
                ("probes", models.PositiveSmallIntegerField()),
                ("smsc", models.CharField(max_length=40)),
                ("on_its_way", models.BooleanField()),
                ("asked_at", models.DateTimeField()),
            ],
        ),
        migrations.RemoveIndex(
            model_name="watch",
            name="watch_probe_due",
        ),
        migrations.AddField(
            model_name="watch",
            name="given_up",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=50),
                db_default=[],
                help_text="sources that will not tell",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="watch",
            name="source",
            field=models.CharField(db_default="", help_text="who asks; empty: nobody", max_length=50),
        ),
        migrations.AlterField(
            model_name="watch",
            name="next_probe_at",
            field=models.DateTimeField(help_text="when its source is to ask next", null=True),
        ),
        migrations.AlterField(
            model_name="watch",
            name="probes",
            field=models.PositiveSmallIntegerField(default=0, help_text="how often its source has asked"),
        ),
        migrations.AddIndex(
            model_name="watch",
            index=models.Index(
                condition=models.Q(("next_probe_at__isnull", False)),
                fields=["source", "next_probe_at"],
                name="watch_source_due",
            ),
        ),
        migrations.AddIndex(
            model_name="probed",
            index=models.Index(fields=["asked_at"], name="probed_at"),
        ),
    ]
