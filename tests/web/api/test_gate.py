"""Who is let in."""

import pytest

from louhua.web.api.gate import GUESSED_WITHIN_S, GUESSES, SHUT_OUT_S, Gate, Refused

SECRET = "correct horse battery".replace(" ", "-")
GOOD = f"Bearer {SECRET}"
HERE, THERE = "10.0.0.1", "10.0.0.2"


def refusal(gate: Gate, address: str = HERE, authorization: str = "Bearer wrong", now: float = 0.0) -> Refused:
    with pytest.raises(Refused) as refused:
        gate.enter(address, authorization, now)
    return refused.value


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("", 401), ("Bearer", 401), ("Bearer ", 401), (f"Basic {SECRET}", 401), (SECRET, 401),
        ("Bearer wrong", 401), (GOOD + "x", 401), (GOOD[:-1], 401), ("Bearer \udcff", 401),
    ],
)  # fmt: skip
def test_who_is_refused(authorization: str, status: int) -> None:
    assert refusal(Gate({"hlr": SECRET}, 1), authorization=authorization).status == status


@pytest.mark.parametrize("authorization", [GOOD, f"bearer {SECRET}", f"Bearer  {SECRET} "])
def test_who_is_let_in(authorization: str) -> None:
    assert Gate({"other": "x" * 16, "hlr": SECRET}, 1).enter(HERE, authorization, 0) == "hlr"


def test_without_tokens_nobody_is() -> None:
    refused = refusal(Gate({}, 1), authorization=GOOD)
    assert (refused.status, "[api] tokens" in refused.why) == (403, True)


def test_who_guesses_is_shut_out_for_a_while() -> None:
    gate = Gate({"hlr": SECRET}, 1)
    assert [refusal(gate).status for _ in range(GUESSES)] == [401] * GUESSES
    refused = refusal(gate, authorization=GOOD, now=1)
    assert (refused.status, refused.retry_after) == (429, SHUT_OUT_S - 1)
    assert gate.enter(THERE, GOOD, 1) == "hlr", "others are not"
    assert gate.enter(HERE, GOOD, SHUT_OUT_S) == "hlr"


def test_mistakes_are_forgotten() -> None:
    gate = Gate({"hlr": SECRET}, 1)
    for n in range(3 * GUESSES):
        assert refusal(gate, now=n * GUESSED_WITHIN_S / (GUESSES - 2)).status == 401


def test_a_token_may_be_shown_so_often() -> None:
    gate = Gate({"hlr": SECRET, "other": "x" * 16}, 0.1)
    for _ in range(3):
        gate.enter(HERE, GOOD, 0)
    refused = refusal(gate, authorization=GOOD, now=0)
    assert refused.status == 429
    assert refused.retry_after == pytest.approx(10)
    gate.enter(HERE, "Bearer " + "x" * 16, 0)
    assert gate.enter(HERE, GOOD, 10) == "hlr"


def test_guessers_are_not_remembered_for_ever() -> None:
    gate = Gate({"hlr": SECRET}, 1)
    for n in range(10_050):
        refusal(gate, str(n))
    assert len(gate._guessers) == 10_000
