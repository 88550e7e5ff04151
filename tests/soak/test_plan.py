"""Plans: the same from the same seed, and nothing left out."""

import random

import pytest

from louhua.bus.events import Choice, Reason
from louhua.soak import plan


@pytest.mark.parametrize("seed", range(20))
def test_every_fault_comes_once_before_any_comes_again(seed: int) -> None:
    planned = plan.faults(random.Random(seed), 120, 2, 5)
    rounds = [planned[at : at + len(plan.FAULTS)] for at in range(0, len(planned), len(plan.FAULTS))]
    assert len(rounds) > 2
    assert all({(one.how, one.target) for one in whole} == set(plan.FAULTS) for whole in rounds[:-1])


def test_faults_last_as_long_as_they_may() -> None:
    for one in plan.faults(random.Random(1), 600, 2, 5):
        assert one.for_s == 0 if one.how == "kill" else 1 <= one.for_s <= 5
        assert one.at_s <= 600


def test_the_seed_decides() -> None:
    def planned(seed: int) -> object:
        chance = random.Random(seed)
        return plan.people(chance), plan.callers(chance), plan.faults(chance, 60, 2, 5)

    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


def test_everybody_has_a_number_of_their_own() -> None:
    numbers = [person.number for person in plan.people(random.Random(3))] + plan.callers(random.Random(3))
    assert len(set(numbers)) == plan.CALLEES + plan.CALLERS


def test_some_registered_ones_pay_beforehand_and_some_of_them_have_little() -> None:
    people = plan.people(random.Random(3))
    money = [person.money for person in people if person.money is not None]
    assert 0 < len(money) < sum(person.registered for person in people)
    assert min(money) < 1000 < max(money)
    assert all(person.registered for person in people if person.money is not None)


def test_only_who_hears_the_menu_chooses() -> None:
    chance = random.Random(4)
    assert {plan.wish(chance, Reason.BUSY) for _ in range(100)} == {Choice.NONE}
    assert {plan.wish(chance, Reason.UNREACHABLE) for _ in range(500)} == set(Choice)
    assert all(plan.script(wants) for wants in Choice)
