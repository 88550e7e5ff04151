"""When requests are held back, as a story of seconds."""

from louhua.charging.diameter.breaker import Breaker


def test_it_opens_when_none_of_so_many_is_answered_and_says_so_once() -> None:
    breaker = Breaker(3)
    assert [breaker.timed_out(1.0) for _ in range(5)] == [False, False, True, False, False]
    assert breaker.open


def test_any_answer_begins_the_count_anew() -> None:
    breaker = Breaker(2)
    for _ in range(9):
        assert not breaker.timed_out(1.0)
        assert not breaker.answered(), "it was not open"
    assert not breaker.open


def test_one_request_a_second_tries_and_an_answer_closes_it() -> None:
    breaker = Breaker(1)
    breaker.timed_out(10.0)
    assert [breaker.may_try(now) for now in (10.0, 10.9, 11.0, 11.1, 11.9, 12.5)] == [
        False, False, True, False, False, True,
    ]  # fmt: skip
    breaker.timed_out(13.5)
    assert [breaker.open, breaker.answered(), breaker.open, breaker.answered()] == [True, True, False, False]
