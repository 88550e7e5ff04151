"""A file of charges says the same whoever writes it, and whatever the configuration says by then."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("charging", "0003_rentals")]

    operations = [
        migrations.AddField(
            model_name="cdrfile",
            name="node",
            field=models.CharField(
                default="louhua", help_text="that cut the range; whoever writes it, says so", max_length=40
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="cdrfile",
            name="zone",
            field=models.CharField(default="Asia/Shanghai", help_text="of its times", max_length=64),
            preserve_default=False,
        ),
    ]
