"""What Result-Codes mean."""

import pytest
from tests.charging.diameter.conversation import used

from louhua.charging.credit import Settled, Settlement, Verdict
from louhua.charging.diameter.results import Answer, debited, reserved, settled, settled_late

GRANTED, FREE, REFUSED, LESS, AWAY = list(Verdict)


@pytest.mark.parametrize(
    ("code", "means", "over"),
    [
        (2001, GRANTED, True),
        (4011, FREE, True),
        (4010, REFUSED, True),
        (4012, REFUSED, True),
        (5030, REFUSED, True),
        (5003, REFUSED, False),
        (5031, REFUSED, False),  # the service cannot be rated: what was used is still to be charged
        (5002, AWAY, True),  # unknown session
        (0, AWAY, False),  # no Result-Code at all
        (1001, AWAY, False),
        (2002, AWAY, False),
        (3002, AWAY, False),
        (3003, AWAY, False),
        (3004, AWAY, False),
        (3007, AWAY, False),
        (5001, AWAY, False),
        (5012, AWAY, False),
        (5999, AWAY, False),
    ],
)
def test_a_code_means(code: int, means: Verdict, over: bool) -> None:
    answer = Answer(code=code)
    assert reserved(answer, 100) is means
    assert debited(answer, 100) is (GRANTED if means is FREE else means)
    assert (settled(answer, used("a", 1, again=True)) is Settled.DONE) is over
    assert (settled(answer, used("a", 0)) is Settled.DONE) is (over or means is REFUSED), "nothing is to be had"


@pytest.mark.parametrize(
    ("granted", "means"),
    [(None, GRANTED), (100, GRANTED), (101, GRANTED), (99, LESS), (0, LESS), (-1, LESS)],
)
def test_less_than_all_is_nothing_and_has_to_be_given_back(granted: int | None, means: Verdict) -> None:
    answer = Answer(code=2001, granted=granted, opened=True)
    assert reserved(answer, 100) is means
    assert debited(answer, 100) is (GRANTED if means is GRANTED else AWAY), "money was taken"


def test_a_service_refused_within_a_session_leaves_the_session_open() -> None:
    assert reserved(Answer(code=4012, opened=True), 100) is LESS
    assert reserved(Answer(code=5012, opened=True), 100) is AWAY
    assert debited(Answer(code=4012, opened=True), 100) is REFUSED, "an event has no session"


@pytest.mark.parametrize(
    ("code", "about", "means"),
    [
        (5002, used("a", 1), Settled.LATE),
        (5002, used("a", 0), Settled.DONE),
        (5002, used("a", 1, again=True), Settled.DONE),
        (2001, used("a", 1), Settled.DONE),
        (3004, used("a", 1), Settled.AGAIN),
    ],
)
def test_a_settlement_of_a_session_nobody_knows_took_nothing_unless_it_was_tried_before(
    code: int, about: Settlement, means: Settled
) -> None:
    assert settled(Answer(code=code), about) is means


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (None, Settled.LATE),
        (Answer(code=3002), Settled.LATE),
        (Answer(code=2001), Settled.DONE),
        (Answer(code=4011), Settled.DONE),
        (Answer(code=4012), Settled.DONE),
        (Answer(code=2001, granted=99), Settled.DONE),  # it would be so for ever
    ],
)
def test_a_late_debit_is_over_when_it_is_answered(answer: Answer | None, means: Settled) -> None:
    assert settled_late(answer, 100) is means
