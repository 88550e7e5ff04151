"""``louhua billing run``: what is seen of a run of the rentals, and how it ends."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.progress import ProgressColumn, Task
from rich.text import Text

from louhua.charging.months import local_day, read_month
from louhua.charging.run import store
from louhua.charging.run.rules import may_be_forgotten
from louhua.charging.run.runner import RentalRun, Tally
from louhua.config import Config
from louhua.db.commands import with_database
from louhua.db.pool import Connection
from louhua.log import setup_logging
from louhua.money import yuan
from louhua.terminal import ConfigOption, ended_by_sigterm, fail, load_config, out, progress_bar, record


class _Subscribers(ProgressColumn):
    """How many subscribers a second."""

    def render(self, task: Task) -> Text:
        """``1,250,000 subscribers, 9,000/s``."""
        rate = task.completed / task.elapsed if task.elapsed else 0
        return Text(f"{task.completed:,.0f} subscribers, {rate:,.0f}/s")


def run(
    month: Annotated[str, typer.Option(help="As 2026-11; it may be over, or run before.", metavar="YYYY-MM")],
    everybody: Annotated[
        bool,
        typer.Option("--everybody", help="Also who cost nothing when it was run before, by the plan he has now."),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Collect the rentals of a month. The alert role does it every day; nothing is collected twice.

    Whoever pays beforehand and has not enough owes the rest, and is suspended after charging.grace. A run that was
    stopped is simply run again.
    """
    settings = load_config(config)
    now = datetime.now(UTC)
    today = local_day(now, settings.service.zone)
    try:
        wanted = read_month(month, today)
        if may_be_forgotten(wanted, today, settings.retention.charges):
            fail(f"who has paid for {month} is not kept any more (retention.charges), and would pay twice")
    except ValueError as error:
        fail(str(error))
    record(settings, "billing run", month=f"{wanted:%Y-%m}")
    setup_logging("billing")
    with ended_by_sigterm():
        tally = _run(settings, wanted, now, everybody=everybody)
    if tally is None:
        fail("another run is at work on this database (the alert role's, or somebody's); try again later")
    _report(settings, wanted, tally)


def _run(settings: Config, month: date, now: datetime, *, everybody: bool) -> Tally | None:
    with progress_bar(_Subscribers()) as bar:

        async def work(connection: Connection) -> Tally | None:
            task = bar.add_task("", total=await store.count(connection))
            return await RentalRun(settings).month(
                month,
                now,
                lambda tally: bar.update(task, completed=tally.subscribers),
                everybody=everybody,
            )

        return with_database(settings, work)


def _report(settings: Config, month: date, tally: Tally) -> None:
    counts = {
        "registered": tally.registered,
        "rentals collected": tally.collected,
        "free": tally.free,
        "owing": tally.owing,
        "suspended": tally.suspended,
        "served again": tally.resumed,
    }
    lines = [f"{month:%Y-%m}"]
    lines += [f"{name:<17} {count:>15,}" for name, count in counts.items()]
    lines.append(f"{'collected':<17} {yuan(tally.amount):>15} yuan")
    if tally.owing and settings.charging.keeper != "here":
        lines.append("prepaid money is kept elsewhere: the alert role asks for it once a day")
    for line in lines:
        out.print(line, highlight=False, soft_wrap=True)
