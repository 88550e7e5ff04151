"""When to try again. Source: the retry ladders of services that ran on this advice for years
(1 min four times, 5 min twice, 15 min three times, 60 min five times)."""

from datetime import timedelta
from typing import Final

STEPS: Final = (
    *(timedelta(minutes=1),) * 4,
    *(timedelta(minutes=5),) * 2,
    *(timedelta(minutes=15),) * 3,
    *(timedelta(minutes=60),) * 5,
)


def retry_after(attempts: int) -> timedelta | None:
    """The wait after ``attempts`` (1, 2, …) failed ones; ``None`` when it is time to give up."""
    return STEPS[attempts - 1] if 1 <= attempts <= len(STEPS) else None
