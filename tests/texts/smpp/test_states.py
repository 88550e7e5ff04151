"""The state table: complete, and the one that the documentation shows."""

import re
from pathlib import Path

from louhua.texts.smpp.codec import LAYOUTS, RESPONSES
from louhua.texts.smpp.states import ALLOWED, BOUND, TRANSITIONS, Role, State
from louhua.texts.smpp.status import REFUSALS

DOCS = Path(__file__).parents[3] / "docs" / "smpp.md"


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    _, _, section = DOCS.read_text("utf-8").partition(f"## {heading}\n")
    assert section, f"docs/smpp.md has no section {heading!r}"
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def states(cell: str) -> set[State]:
    return {State(name) for name in cell.replace("–", "").replace(",", " ").split()}


def test_the_documented_table_is_the_code_s_table() -> None:
    documented = {name: (states(esme), states(smsc)) for name, esme, smsc in table("Who may send what, and when")}
    assert documented == {
        snake(kind.__name__): (set(ALLOWED[Role.ESME][kind]), set(ALLOWED[Role.SMSC][kind]))
        for _, kind, _ in LAYOUTS
    }


def test_the_documented_transitions_are_the_code_s() -> None:
    documented = {name: State(state) for name, state in table("Where it leads")}
    assert documented == {snake(kind.__name__): state for kind, state in TRANSITIONS.items()}


def test_the_documented_refusals_are_the_code_s() -> None:
    documented = {
        (int(number, 16), name, retry) for number, name, retry, _ in table("Which refusals may be tried again")
    }
    assert documented == {(status.value, status.name, retry.value) for status, retry in REFUSALS.items()}


def test_every_pdu_is_in_the_table() -> None:
    kinds = {kind for _, kind, _ in LAYOUTS}
    for role in Role:
        assert set(ALLOWED[role]) == kinds


def test_a_response_may_be_sent_where_its_request_may_come() -> None:
    for request, response in RESPONSES.items():
        for role in Role:
            assert ALLOWED[role][response] >= ALLOWED[role.peer][request]


def test_nothing_is_sent_when_all_is_over() -> None:
    for role in Role:
        for allowed in ALLOWED[role].values():
            assert not allowed & {State.UNBOUND, State.CLOSED}


def test_only_the_esme_binds_and_submits() -> None:
    for _, kind, _ in LAYOUTS:
        name = kind.__name__
        if name.startswith("Bind"):
            assert bool(ALLOWED[Role.ESME][kind]) is not name.endswith("Resp")
        if name == "SubmitSm":
            assert ALLOWED[Role.ESME][kind] < BOUND
            assert not ALLOWED[Role.SMSC][kind]
