"""The sandbox's SMSC in a process of its own that may be killed: it forgets nothing that it has said.

``python -m louhua.soak.smsc JOURNAL PORT``. Every message is in the journal before it is acknowledged, every
delivery before its receipt, every switch of a phone before it is confirmed. A new process on the same journal has
the same phones, still holds what waits for those that are off, and repeats the receipts that nobody had answered.
What the phones got is in the journal too; the reckoning reads it there.

Orders come on standard input, a line of JSON each, and are answered in their order with ``ok`` on standard output.
"""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from louhua.bus.events import ReceiptState
from louhua.numbers import canonical
from louhua.sandbox.handsets import Delivered, Effect, Message, Report
from louhua.sandbox.smsc import SandboxSmsc
from louhua.soak.journal import Journal, read
from louhua.texts.smpp import tlv
from louhua.texts.smpp.pdu import DataSmResp, DeliverSm, Pdu, SubmitSmResp
from louhua.texts.smpp.tlv import Tag


class _Line(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A line of the journal. Times are seconds since the epoch."""


class Taken(_Line, frozen=True, array_like=True, tag=True):
    """A message was accepted."""

    message: Message


class Got(_Line, frozen=True, array_like=True, tag=True):
    """A phone took a message."""

    message_id: str
    at: float


class GivenUp(_Line, frozen=True, array_like=True, tag=True):
    """A message has ended without a phone."""

    message_id: str
    state: ReceiptState
    at: float


class Told(_Line, frozen=True, array_like=True, tag=True):
    """Who submitted a message has its receipt."""

    message_id: str


class Switched(_Line, frozen=True, array_like=True, tag=True):
    """A phone went on or off."""

    number: str
    on: bool
    at: float


JournalLine = Taken | Got | GivenUp | Told | Switched


class Switch(msgspec.Struct, frozen=True, tag=True):
    """An order: switch a phone."""

    number: str
    on: bool


class Dawdle(msgspec.Struct, frozen=True, tag=True):
    """An order: look at each request only after ``seconds``."""

    seconds: float


Order = Switch | Dawdle
OK: Final = b"ok\n"


class KeptSmsc(SandboxSmsc):
    """An SMSC whose store is a journal."""

    def __init__(self, accounts: dict[str, str], path: Path) -> None:
        super().__init__(accounts)
        past = list(read(path, JournalLine))
        self._journal: Journal[JournalLine] = Journal(path)
        self._remember(past)

    def _remember(self, past: list[JournalLine]) -> None:
        """Be what the journal says: phones, waiting messages, receipts nobody has answered."""
        taken: dict[str, Message] = {}
        receipts: dict[str, Report] = {}
        for line in past:
            match line:
                case Taken(message):
                    taken[message.id] = message
                case Switched(number, on, at):
                    self._handsets.phone_on(number, at) if on else self._handsets.phone_off(number)
                case Got(message_id, at):
                    receipts[message_id] = Report(taken.pop(message_id), ReceiptState.DELIVERED, at)
                case GivenUp(message_id, state, at):
                    receipts[message_id] = Report(taken.pop(message_id), state, at)
                case Told(message_id):
                    receipts.pop(message_id, None)
        super().apply(report for report in receipts.values() if report.message.registered_delivery)
        now = self._clock()
        for message in taken.values():
            self.apply(self._handsets.submit(message, now))

    def answer(self, pdu: Pdu, system_id: str) -> tuple[Pdu, list[Effect]]:
        """The response, whose message is in the journal before it goes out."""
        response, effects = super().answer(pdu, system_id)
        if isinstance(response, SubmitSmResp | DataSmResp) and not response.status:
            record = self._handsets.query(response.message_id)
            assert record is not None
            self._journal.write(Taken(record.message))
        return response, effects

    def apply(self, effects: Iterable[Effect]) -> None:
        """Keep what happened, then tell of it."""
        known = list(effects)
        for effect in known:
            if isinstance(effect, Delivered):
                self._journal.write(Got(effect.message.id, effect.at))
            elif isinstance(effect, Report) and effect.state not in (ReceiptState.DELIVERED, ReceiptState.ENROUTE):
                self._journal.write(GivenUp(effect.message.id, effect.state, effect.at))
        super().apply(known)

    def safe(self, pdu: Pdu) -> None:
        """A receipt need not be repeated."""
        if isinstance(pdu, DeliverSm):
            message_id = tlv.text(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID)
            if message_id is not None:
                self._journal.write(Told(message_id))

    def phone_on(self, number: str) -> None:
        """Switch a phone on."""
        self._journal.write(Switched(canonical(number), True, self._clock()))
        super().phone_on(number)

    def phone_off(self, number: str) -> None:
        """Switch a phone off."""
        self._journal.write(Switched(canonical(number), False, self._clock()))
        super().phone_off(number)

    def obey(self, order: Order) -> None:
        """Do what was ordered."""
        match order:
            case Switch(number, on):
                self.phone_on(number) if on else self.phone_off(number)
            case Dawdle(seconds):
                self.latency = seconds


async def _serve(path: Path, port: int) -> None:
    """Be the SMSC until standard input ends."""
    smsc = KeptSmsc({"louhua": "sandbox"}, path)
    await smsc.start("127.0.0.1", port)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    decode = msgspec.json.Decoder(Order).decode
    _say()
    while line := await reader.readline():
        smsc.obey(decode(line))
        _say()
    await smsc.stop()


def _say() -> None:
    sys.stdout.buffer.write(OK)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
