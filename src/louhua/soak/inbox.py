"""What the phones got and when they were off, from the SMSC's journal; and what their texts say. Pure."""

import bisect
import re
from collections.abc import Iterable
from typing import Final

import msgspec

from louhua.alerts.states import Kind
from louhua.numbers import canonical
from louhua.sandbox.handsets import TYPE_0, Message
from louhua.soak.smsc import Got, JournalLine, Switched, Taken
from louhua.texts.encoding import decode_text


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A text on somebody's phone, put together from its parts; ``copies`` is how often it came.

    ``reference`` is the user_message_reference: by it and the recipient the outbox knows it. ``taken_at`` is
    when the SMSC had taken all of it for the first time, ``got_at`` when the phone got each message.
    """

    recipient: str
    reference: int
    body: str
    copies: int
    taken_at: float
    got_at: tuple[float, ...]


class Saying(msgspec.Struct, frozen=True):
    """What a text says: of which caller's calls (for ``power_on``: of whose phone), and how many they were.

    ``calls`` is 0 where the text does not say.
    """

    kind: Kind
    about: str
    calls: int


_SAYINGS: Final = {
    Kind.CALL_BACK: r"(?P<about>\d+)号码于.+前呼叫过您(?P<calls>\d+)次,正在期待.+",
    Kind.CALL_OTHER: r"(?P<about>\d+)号码于.+前呼叫过您(?P<calls>\d+)次,请您拨\d+号码.+",
    Kind.MISSED: r"(?P<about>\d+)于.+呼叫过您(?P<calls>\d+)次。",
    Kind.MESSAGE: r"(?P<about>\d+)于.+前给您留言(?P<calls>\d+)条,.+",
    Kind.TEASER: r"您有(?P<calls>\d+)个未接来电,.+",
    Kind.POWER_ON: r"您于.+呼叫过的(?P<about>\d+)用户现已开机,.+",
}


def saying(body: str) -> Saying | None:
    """Read a text of the platform; ``None`` where nobody knows such a one."""
    for kind, pattern in _SAYINGS.items():
        if found := re.fullmatch(pattern, body):
            said = found.groupdict()
            return Saying(kind, canonical(said.get("about", "")), int(said.get("calls", 0)))
    return None


class Phones:
    """When each phone was off."""

    def __init__(self, lines: Iterable[JournalLine]) -> None:
        self._times: dict[str, list[float]] = {}
        self._states: dict[str, list[bool]] = {}
        for line in lines:
            if isinstance(line, Switched):
                self._times.setdefault(line.number, []).append(line.at)
                self._states.setdefault(line.number, []).append(line.on)

    def off_since(self, number: str, at: float) -> float | None:
        """Since when the phone was off at ``at``; ``None`` when it was on."""
        times, states = self._times.get(number, []), self._states.get(number, [])
        last = bisect.bisect_right(times, at) - 1
        if last < 0 or states[last]:
            return None
        while last > 0 and not states[last - 1]:
            last -= 1
        return times[last]


def texts(lines: Iterable[JournalLine]) -> list[Text]:
    """The texts that phones got, in the order in which the SMSC took them; Type 0 messages are none."""
    taken: dict[str, Message] = {}
    groups: dict[tuple[str, int | None], list[tuple[Message, float]]] = {}
    for line in lines:
        if isinstance(line, Taken):
            taken[line.message.id] = line.message
        elif isinstance(line, Got):
            message = taken[line.message_id]
            if message.protocol_id != TYPE_0:
                groups.setdefault((message.recipient, message.reference), []).append((message, line.at))
    whole = (_together(parts) for parts in groups.values())
    return sorted((text for text in whole if text is not None), key=lambda text: text.taken_at)


def _together(messages: list[tuple[Message, float]]) -> Text | None:
    """One text from all messages with its reference; ``None`` while a part is missing."""
    parts: dict[int, list[Message]] = {}
    total = 1
    for message, _ in messages:
        number = 1
        if message.part is not None:
            number, total = message.part.number, message.part.total
        parts.setdefault(number, []).append(message)
    if len(parts) < total:
        return None
    first = [min(parts[number], key=lambda message: message.submitted_at) for number in sorted(parts)]
    return Text(
        recipient=first[0].recipient,
        reference=first[0].reference or 0,
        body="".join(decode_text(message.data_coding, message.body) for message in first),
        copies=max(len(same) for same in parts.values()),
        taken_at=max(message.submitted_at for message in first),
        got_at=tuple(at for _, at in messages),
    )
