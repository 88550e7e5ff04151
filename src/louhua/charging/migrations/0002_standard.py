"""The requirement's own tariff (短信查询每条0.1元), and room in the pages of rows that change in place."""

from typing import Any

from django.db import migrations

STANDARD = {"name": "standard", "valid_from": "2000-01-01", "items": {"detail": {"price": "0.100"}}}


def add_standard(apps: Any, _editor: Any) -> None:
    apps.get_model("charging", "PlanVersion").objects.create(
        name="standard", number=1, valid_from="2000-01-01", document=STANDARD, author="louhua"
    )


def remove_standard(apps: Any, _editor: Any) -> None:
    apps.get_model("charging", "PlanVersion").objects.filter(name="standard", author="louhua").delete()


class Migration(migrations.Migration):
    dependencies = [("charging", "0001_initial")]

    operations = [
        migrations.RunPython(add_standard, remove_standard),
        migrations.RunSQL(
            "ALTER TABLE charging_usage SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);"
            "ALTER TABLE charging_balance SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);"
            "ALTER TABLE charging_reservation SET (autovacuum_vacuum_scale_factor = 0.05)",
            "ALTER TABLE charging_usage RESET (fillfactor, autovacuum_vacuum_scale_factor);"
            "ALTER TABLE charging_balance RESET (fillfactor, autovacuum_vacuum_scale_factor);"
            "ALTER TABLE charging_reservation RESET (autovacuum_vacuum_scale_factor)",
        ),
    ]
