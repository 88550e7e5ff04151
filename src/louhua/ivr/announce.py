"""The announcement to who called a phone that is on: its user will be sent the caller's number."""

from louhua.calls.call import Call
from louhua.ivr import phrases
from louhua.subscribers.profiles import Language


async def announce(call: Call, language: Language) -> None:
    """Say it and hang up; keys change nothing."""
    await call.answer()
    await call.play(phrases.announcement(language, withheld=not call.info.caller), barge_in=False)
