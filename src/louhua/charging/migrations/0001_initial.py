"""Plans, usage, the ledger, prepaid money, rentals and files of charges."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="CdrFile",
            fields=[
                (
                    "number",
                    models.BigIntegerField(help_text="without gaps, from 1 on", primary_key=True, serialize=False),
                ),
                ("after_id", models.BigIntegerField()),
                ("upto_id", models.BigIntegerField()),
                ("charges", models.PositiveIntegerField()),
                ("amount", models.BigIntegerField()),
                ("name", models.CharField(help_text="below the directory of files: 2026-11-23/…", max_length=100)),
                ("created_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(help_text="when it was complete under its name", null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("session", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("payer", models.CharField(max_length=20)),
                ("amount", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Usage",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "payer", "month", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("payer", models.CharField(max_length=20)),
                ("month", models.DateField(help_text="its first day")),
                ("charges", models.PositiveIntegerField(help_text="usage rows of the ledger")),
                ("items", models.JSONField(help_text='how many, and their amount: {"detail": [3, 300]}')),
                ("days", models.JSONField(help_text='amounts by day of the month: {"23": 300}')),
            ],
        ),
        migrations.CreateModel(
            name="Balance",
            fields=[
                ("payer", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("balance", models.BigIntegerField(default=0)),
                (
                    "reserved",
                    models.BigIntegerField(default=0, help_text="part of the balance, for texts on their way"),
                ),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("reserved__gte", 0)), name="balance_reserved")
                ],
            },
        ),
        migrations.CreateModel(
            name="Charge",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("event", models.CharField(help_text="what it is for, once: text:123", max_length=80)),
                ("kind", models.CharField(max_length=10)),
                ("payer", models.CharField(max_length=20)),
                ("month", models.DateField(help_text="its first day, in the service's zone")),
                ("at", models.DateTimeField(help_text="of the delivery")),
                ("item", models.CharField(blank=True, max_length=20)),
                ("recipient", models.CharField(blank=True, max_length=20)),
                (
                    "party",
                    models.CharField(blank=True, help_text="the other one: whom it tells of", max_length=20),
                ),
                ("plan", models.CharField(blank=True, max_length=40)),
                ("version", models.PositiveIntegerField(default=0)),
                (
                    "quantity",
                    models.PositiveIntegerField(default=1, help_text="texts, minutes begun, or days of a rental"),
                ),
                ("price", models.BigIntegerField(help_text="of one")),
                ("amount", models.BigIntegerField()),
                ("why", models.CharField(help_text="what decided the amount", max_length=20)),
                ("used", models.PositiveIntegerField(default=0, help_text="of the item in the month, before")),
                ("item_sum", models.BigIntegerField(default=0, help_text="of the item in the month, before")),
                ("day_sum", models.BigIntegerField(default=0, help_text="of the day, before")),
                ("month_sum", models.BigIntegerField(default=0, help_text="of the month, before")),
                (
                    "seq",
                    models.PositiveIntegerField(
                        default=0, help_text="usage rows of the payer and month are rated in this order"
                    ),
                ),
                ("prepaid", models.BooleanField()),
                ("refunds", models.BigIntegerField(blank=True, help_text="the row that is given back", null=True)),
                ("reason", models.CharField(blank=True, max_length=200)),
                ("author", models.CharField(blank=True, max_length=60)),
            ],
            options={
                "indexes": [models.Index(fields=["payer", "month"], name="charge_payer")],
                "constraints": [
                    models.UniqueConstraint(fields=("event",), name="charge_once"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["adjustment", "refund", "rental", "top_up", "usage"])),
                        name="charge_kind",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PlanVersion",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=40)),
                ("number", models.PositiveIntegerField(help_text="of this plan, from 1 on")),
                ("valid_from", models.DateField()),
                ("valid_until", models.DateField(blank=True, help_text="the last day", null=True)),
                ("document", models.JSONField(help_text="the whole plan")),
                ("author", models.CharField(max_length=60)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("name", "number"), name="plan_version_once")],
            },
        ),
        migrations.CreateModel(
            name="Rental",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "payer", "month", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("payer", models.CharField(max_length=20)),
                ("month", models.DateField(help_text="its first day")),
                ("plan", models.CharField(max_length=40)),
                ("version", models.PositiveIntegerField()),
                ("due", models.BigIntegerField()),
                ("collected", models.BigIntegerField(default=0)),
                ("parts", models.PositiveSmallIntegerField(default=0, help_text="collections so far")),
                ("since", models.DateField(help_text="when it became due")),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("collected__lt", models.F("due"))),
                        fields=["payer"],
                        name="rental_owing",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("collected__lte", models.F("due"))), name="rental_collected"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Reservation",
            fields=[
                ("text_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("payer", models.CharField(max_length=20)),
                ("item", models.CharField(max_length=20)),
                ("amount", models.BigIntegerField(help_text="wanted, or reserved")),
                ("used", models.BigIntegerField(default=0, help_text="settling: what is charged of it")),
                ("state", models.CharField(max_length=10)),
                ("why", models.CharField(blank=True, help_text="waived: why nothing is charged", max_length=20)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("due_at", models.DateTimeField(help_text="when whoever keeps the money is asked", null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["asked", "settling"])),
                        fields=["due_at"],
                        name="reservation_due",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["asked", "granted", "settling", "waived"])),
                        name="reservation_state",
                    )
                ],
            },
        ),
    ]
