"""The sandbox's charging system: its ledger, and the command."""

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from typer.testing import CliRunner

from louhua.cli import app
from louhua.sandbox.ocs_ledger import EVENT, INITIAL, TERMINATION, Ledger, Reply, Request

CONFIG = """[charging.diameter]
peers = ["{peer}"]
origin_host = "louhua.example"
origin_realm = "example"
destination_realm = "ocs.example"
"""


def request(kind: int, amount: int, session: str = "s", payer: str = "861") -> Request:
    return Request(session=session, number=int(kind == TERMINATION), kind=kind, payer=payer, amount=amount)


@pytest.mark.parametrize(
    ("requests", "codes", "balance"),
    [
        ([request(INITIAL, 400)], [2001], 600),
        ([request(INITIAL, 400), request(TERMINATION, 400)], [2001, 2001], 600),
        ([request(INITIAL, 400), request(TERMINATION, 100)], [2001, 2001], 900),
        ([request(INITIAL, 400), request(TERMINATION, 0)], [2001, 2001], 1000),
        ([request(INITIAL, 1000), request(EVENT, 1, "t")], [2001, 4012], 0),
        ([request(INITIAL, 1001)], [4012], 1000),
        ([request(EVENT, 1000), request(EVENT, 1000)], [2001, 2001], 0),
        ([request(EVENT, 600), request(EVENT, 600, "t")], [2001, 4012], 400),
        ([request(TERMINATION, 5)], [5002], 1000),
        ([request(EVENT, -5)], [5004], 1000),
        ([request(2, 5)], [5004], 1000),
    ],
)
def test_what_is_answered_and_left(requests: list[Request], codes: list[int], balance: int) -> None:
    ledger = Ledger(1000)
    assert [ledger.take(each).code for each in requests] == codes
    assert ledger.balance("861") == balance


def test_a_repeat_gets_the_same_answer_and_changes_nothing() -> None:
    ledger = Ledger(1000)
    assert ledger.take(request(INITIAL, 400)) == Reply(2001, granted=400)
    assert ledger.take(request(INITIAL, 400)) == Reply(2001, granted=400, repeated=True)
    assert ledger.balance("861") == 600


def test_a_reservation_that_is_not_settled_in_time_is_given_back_and_forgotten() -> None:
    ledger = Ledger(1000, forget_s=60)
    ledger.take(request(INITIAL, 400), now=10)
    ledger.take(request(INITIAL, 500, "t", "862"), now=20)
    assert ledger.take(request(EVENT, 1, "u"), now=69.9) == Reply(2001, granted=1)
    assert ledger.balance("861") == 599
    assert ledger.take(request(TERMINATION, 400), now=70).code == 5002
    assert (ledger.balance("861"), ledger.balance("862")) == (999, 500)


def test_others_money_is_others() -> None:
    ledger = Ledger(1000)
    ledger.put("862", 0)
    assert ledger.take(request(EVENT, 1, payer="862")).code == 4012
    assert ledger.take(request(EVENT, 1, "t")).code == 2001
    assert (ledger.balance("861"), ledger.balance("862")) == (999, 0)


KINDS = some.sampled_from([INITIAL, TERMINATION, EVENT])


@given(some.lists(some.builds(request, KINDS, some.integers(0, 600), some.sampled_from("stuv")), max_size=20))
def test_no_money_comes_or_goes_unasked(requests: list[Request]) -> None:
    """Nobody goes below zero as long as no more is used than was reserved; sessions give back what they hold."""
    ledger = Ledger(1000)
    reserved: dict[str, int] = {}
    spent = 0
    for each in requests:
        if each.kind == TERMINATION and each.amount > reserved.get(each.session, 0):
            continue
        reply = ledger.take(each)
        if reply.code != 2001 or reply.repeated:
            continue
        if each.kind == INITIAL:
            reserved[each.session] = each.amount
        else:
            spent += each.amount
            if each.kind == TERMINATION:
                del reserved[each.session]
        assert ledger.balance("861") == 1000 - spent - sum(reserved.values()) >= 0


def test_a_charging_system_needs_to_be_configured(tmp_path: Path) -> None:
    file = tmp_path / "louhua.toml"
    file.write_text("")
    done = CliRunner().invoke(app, ["sandbox", "ocs", "-c", str(file)])
    assert done.exit_code == 1
    assert "charging-diameter.md" in done.output


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    file = tmp_path / "louhua.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        peer = f"127.0.0.1:{taken.getsockname()[1]}"
        file.write_text(CONFIG.format(peer=peer))
        done = CliRunner().invoke(app, ["sandbox", "ocs", "-c", str(file)])
    assert done.exit_code == 1
    assert f"{peer}: Address already in use" in done.output
