"""A recorded message for the callee.

It counts when longer than a second, also when the caller simply hangs up afterwards, which is how most
messages end.
"""

from typing import Final

from louhua.bus.events import Choice
from louhua.calls.call import Call
from louhua.ivr import phrases
from louhua.subscribers.profiles import Language

TRIES: Final = 3
"""How often a caller may begin again after having said nothing."""

LONGEST_MS: Final = 60_000
SHORTEST_MS: Final = 1000
SILENCE_MS: Final = 5000
"""Silence that ends a message."""


async def leave_message(call: Call, language: Language) -> None:
    """Record a message, with the call connected: from here on the caller may be charged for it."""
    await call.connect()
    prompt = phrases.leave_message(language)
    for _ in range(TRIES):
        await call.play(prompt)
        await call.play((phrases.BEEP,), barge_in=False)
        await _record(call)
        if call.result.recording:
            await call.play(phrases.message_saved(language), barge_in=False)
            return
        prompt = (*phrases.message_too_short(language), *phrases.leave_message(language))
    await call.play(phrases.goodbye(language), barge_in=False)


async def _record(call: Call) -> None:
    """Keep what was said if it is long enough; of a caller who hangs up, the engine has kept it."""
    try:
        recording = await call.record(max_ms=LONGEST_MS, silence_ms=SILENCE_MS)
        if recording.ms > SHORTEST_MS:
            call.result.recording = recording
    finally:
        if call.result.recording:
            call.result.choice = Choice.MESSAGE
