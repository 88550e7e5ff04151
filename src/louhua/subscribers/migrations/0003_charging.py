"""Whose plan is whose, who pays beforehand, and since when somebody is served."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("subscribers", "0002_rules"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscriber",
            name="activated_at",
            field=models.DateTimeField(blank=True, help_text="when registered for the first time", null=True),
        ),
        migrations.AddField(
            model_name="subscriber",
            name="next_plan",
            field=models.CharField(blank=True, db_default="", max_length=40),
        ),
        migrations.AddField(
            model_name="subscriber",
            name="next_plan_on",
            field=models.DateField(blank=True, help_text="when next_plan takes the place of plan", null=True),
        ),
        migrations.AddField(
            model_name="subscriber",
            name="plan",
            field=models.CharField(blank=True, db_default="", help_text="what it costs", max_length=40),
        ),
        migrations.AddField(
            model_name="subscriber",
            name="prepaid",
            field=models.BooleanField(db_default=False, help_text="pays from a balance"),
        ),
        migrations.AddField(
            model_name="subscriber",
            name="served_since",
            field=models.DateTimeField(blank=True, help_text="when registered, or resumed, last", null=True),
        ),
    ]
