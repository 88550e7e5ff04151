"""Texts of a payer that are on their way take of his free quota."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("charging", "0004_cdr_origin")]

    operations = [
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(
                fields=["payer", "item"],
                name="reservation_underway",
                condition=models.Q(("state__in", ["asked", "granted"])),
            ),
        ),
    ]
