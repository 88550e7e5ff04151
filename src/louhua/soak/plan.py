"""What a soak is going to do: people and faults, decided by a seed; and what a caller does. Pure."""

import random
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from louhua.bus.events import Choice, Reason
from louhua.sandbox.phone import After, HangUp, Press, Speak, Step, Wait
from louhua.soak.ledger import Person

CALLEES: Final = 24
CALLERS: Final = 30
_OTHER_NUMBER: Final = "075588889999"
"""None of its digits is an option of the menu: keys that come late choose nothing else."""
_LISTEN_S: Final = 6.0
"""So long a caller listens for what comes next, then hangs up."""
_ON_S: Final = (4.0, 12.0)
_OFF_S: Final = (4.0, 20.0)
"""How long a phone is on, or off, at least and at most."""

_MONEY: Final = {0: 400, 4: 100_000}
"""What is paid in, in thousandths of a yuan."""

_WISHES: Final = {
    Choice.CALL_BACK: 40,
    Choice.POWER_ON: 25,
    Choice.NONE: 15,
    Choice.CALL_OTHER: 10,
    Choice.MESSAGE: 10,
}

How = Literal["kill", "freeze", "slow"]


class Plan(msgspec.Struct, frozen=True):
    """A fault to come: at how many seconds, what is done to whom, and for how long (a kill is over at once)."""

    at_s: float
    how: How
    target: str
    for_s: float


FAULTS: Final[tuple[tuple[How, str], ...]] = (
    ("kill", "alert"),
    ("kill", "smsc"),
    ("freeze", "smsc"),
    ("kill", "call"),
    ("kill", "postgres"),
    ("kill", "nats"),
    ("kill", "media"),
    ("kill", "web"),
    ("freeze", "call"),
    ("freeze", "alert"),
    ("freeze", "nats"),
    ("freeze", "postgres"),
    ("slow", "smsc"),
)
"""Every kind of fault."""


def people(chance: random.Random) -> list[Person]:
    """Those who are called: half registered, a third with voicemail, a quarter who tell nobody they are on.

    A quarter pays beforehand, of whom every other one is soon without money.
    """
    return [
        Person(
            number=f"86138{chance.randrange(10**4):04}{number:04}",
            registered=number % 2 == 0,
            voicemail=number % 3 == 0,
            tells_power_on=number % 4 != 1,
            money=_MONEY.get(number % 8),
        )
        for number in range(CALLEES)
    ]


def callers(chance: random.Random) -> list[str]:
    """Those who call."""
    return [f"86139{chance.randrange(10**4):04}{number:04}" for number in range(CALLERS)]


def faults(chance: random.Random, seconds: float, every_s: float, longest_s: float) -> list[Plan]:
    """Faults about ``every_s`` seconds apart for ``seconds``, each kind once before any comes again.

    What lasts, lasts for a second at least and ``longest_s`` at most; most of it for a short time.
    """
    planned: list[Plan] = []
    at = every_s
    for how, target in _rounds(chance):
        if at > seconds:
            return planned
        lasts = 0.0 if how == "kill" else 1.0 + (longest_s - 1.0) * chance.random() ** 3
        planned.append(Plan(at, how, target, lasts))
        at += every_s * chance.uniform(0.6, 1.4)
    raise AssertionError("rounds never end")


def _rounds(chance: random.Random) -> Iterator[tuple[How, str]]:
    while True:
        yield from chance.sample(FAULTS, len(FAULTS))


def wish(chance: random.Random, reason: Reason) -> Choice:
    """What a caller wants; who hears only an announcement cannot choose."""
    if reason is not Reason.UNREACHABLE:
        return Choice.NONE
    return chance.choices(list(_WISHES), list(_WISHES.values()))[0]


def script(wants: Choice) -> Sequence[Step]:
    """What a caller does to get what they want."""
    return _SCRIPTS[wants]


_SCRIPTS: Final[dict[Choice, tuple[Step, ...]]] = {
    Choice.CALL_BACK: (Wait(0.3), Press("2"), After("goodbye", _LISTEN_S), HangUp()),
    Choice.POWER_ON: (Wait(0.3), Press("4"), After("power-on-promised", _LISTEN_S), HangUp()),
    Choice.CALL_OTHER: (
        Wait(0.3), Press("3"), After("number-enter", _LISTEN_S), Press(f"{_OTHER_NUMBER}#"),
        After("number-entered", _LISTEN_S), HangUp(),
    ),
    Choice.MESSAGE: (
        Wait(0.3), Press("1"), After("beep", _LISTEN_S), Speak(2.0), Press("#"), After("message-saved", _LISTEN_S),
        HangUp(),
    ),
    Choice.NONE: (Wait(2.0), HangUp()),
}  # fmt: skip


def pause(chance: random.Random, *, on: bool) -> float:
    """How long a phone stays as it is, in seconds."""
    return chance.uniform(*(_ON_S if on else _OFF_S))
