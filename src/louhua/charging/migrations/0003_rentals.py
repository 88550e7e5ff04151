"""Why a rental is what it is; who is suspended for one that is owed; how far the rentals of a month are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("charging", "0002_standard"),
    ]

    operations = [
        migrations.CreateModel(
            name="RentalRun",
            fields=[
                ("month", models.DateField(help_text="its first day", primary_key=True, serialize=False)),
                ("ran_on", models.DateField(help_text="in the service's zone")),
            ],
        ),
        migrations.CreateModel(
            name="Suspension",
            fields=[
                ("payer", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("since", models.DateField()),
                (
                    "served_since",
                    models.DateTimeField(
                        help_text="the subscriber's then: another one says that somebody has ended this suspension"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="rental",
            name="days",
            field=models.PositiveSmallIntegerField(default=0, help_text="of the month that are charged"),
        ),
        migrations.AddField(
            model_name="rental",
            name="price",
            field=models.BigIntegerField(default=0, help_text="of a full month"),
        ),
        migrations.AddField(
            model_name="rental",
            name="refusals",
            field=models.PositiveSmallIntegerField(
                default=0, help_text="of whoever keeps the money: each attempt after one is another session"
            ),
        ),
        migrations.AddField(
            model_name="rental",
            name="why",
            field=models.CharField(default="", help_text="what decided it", max_length=20),
        ),
        migrations.AlterField(
            model_name="rental",
            name="since",
            field=models.DateField(help_text="when it was asked for first"),
        ),
        migrations.RunSQL(
            "ALTER TABLE charging_hold SET (autovacuum_vacuum_scale_factor = 0.05)",
            "ALTER TABLE charging_hold RESET (autovacuum_vacuum_scale_factor)",
        ),
    ]
