"""Texts of a payer that are on their way take of his free quota; what was asked for late is settled again."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("charging", "0005_owing")]

    operations = [
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(
                fields=["payer", "item"],
                name="reservation_underway",
                condition=models.Q(("state__in", ["asked", "granted"])),
            ),
        ),
        migrations.AlterField(
            model_name="reservation",
            name="why",
            field=models.CharField(
                blank=True,
                help_text="waived: why nothing is charged; settling: late, asked late, or both",
                max_length=20,
            ),
        ),
    ]
