"""When to try again."""

from datetime import timedelta

from louhua.texts.ladder import STEPS, retry_after


def test_the_ladder_climbs_and_ends() -> None:
    waits = [retry_after(attempts) for attempts in range(1, len(STEPS) + 2)]
    assert waits[:4] == [timedelta(minutes=1)] * 4
    assert waits[-2:] == [timedelta(hours=1), None]
    assert list(STEPS) == sorted(STEPS)
