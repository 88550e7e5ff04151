"""What is said for each meaning: pure functions that give the names of the clips, one after the other.

The wording is in ``prompts/script.toml``, from which ``tools/make_prompts.py`` makes the clips. Every clip
exists in every language under the same name, so a phrase is written once. The clip ``zh-hans/goodbye`` is the
file ``prompts/zh-hans/goodbye.al``; ``silence/2000`` is two seconds of silence and has no file.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from louhua.bus.events import Choice
from louhua.subscribers.profiles import Language

Clips = tuple[str, ...]

BEEP: Final = "beep"
_PAUSE: Final = "silence/200"

_OPTIONS: Final = {
    Choice.MESSAGE: "menu-message",
    Choice.CALL_BACK: "menu-call-back",
    Choice.CALL_OTHER: "menu-other",
    Choice.POWER_ON: "menu-power-on",
}


def _clips(language: Language, *names: str) -> Clips:
    return tuple(f"{language}/{name}" for name in names)


def menu(language: Language, options: Iterable[Choice]) -> Clips:
    """The user cannot be reached; press a key after the beep or hang up (2 s for that), beep, the options."""
    return (*_clips(language, "menu-intro"), "silence/2000", BEEP, *menu_options(language, options))


def menu_options(language: Language, options: Iterable[Choice]) -> Clips:
    """The options alone, as they are repeated after a wrong key or none."""
    return _clips(language, *(_OPTIONS[option] for option in options))


def announcement(language: Language, *, withheld: bool) -> Clips:
    """The user has the service and will be sent the caller's number, or, if withheld, be told of the call."""
    return _clips(language, "announce-withheld" if withheld else "announce")


def goodbye(language: Language) -> Clips:
    """We will tell them; goodbye. Short: many callers hear it, and each second holds a line."""
    return _clips(language, "goodbye")


def invalid_key(language: Language) -> Clips:
    """There is no such option."""
    return _clips(language, "invalid-key")


def no_key(language: Language) -> Clips:
    """No key was pressed."""
    return _clips(language, "no-key")


def enter_number(language: Language) -> Clips:
    """Key in the number and end it with #."""
    return _clips(language, "number-enter")


def enter_mobile(language: Language) -> Clips:
    """Key in the mobile number that is to get the text, and end it with #."""
    return _clips(language, "mobile-enter")


def number_invalid(language: Language) -> Clips:
    """This is not a number that can be called."""
    return _clips(language, "number-invalid")


def confirm_number(language: Language, number: str) -> Clips:
    """You entered this number; 1 is right, 2 enters it again."""
    read_back = digits(language, number)
    return (
        *_clips(language, "number-entered"),
        _PAUSE,
        *read_back,
        _PAUSE,
        *_clips(language, "number-confirm"),
    )


def digits(language: Language, number: str) -> Clips:
    """A number digit by digit; characters that are not digits (a leading +) are not said."""
    return _clips(language, *(f"digit-{digit}" for digit in number if digit in "0123456789"))


def leave_message(language: Language) -> Clips:
    """Speak after the beep (which is not part of this), end with #."""
    return _clips(language, "message-leave")


def message_saved(language: Language) -> Clips:
    """The message is kept; goodbye."""
    return _clips(language, "message-saved")


def message_too_short(language: Language) -> Clips:
    """Nothing that could be kept was said."""
    return _clips(language, "message-too-short")


def power_on_promised(language: Language) -> Clips:
    """We will send you a text when the phone is on; goodbye."""
    return _clips(language, "power-on-promised")


def moment(language: Language, local: datetime) -> Clips:
    """Month, day, hour and minute of a time that is already in the listener's zone: 11月23日9时5分."""
    return _clips(
        language, f"month-{local.month}", f"day-{local.day}", f"hour-{local.hour}", f"minute-{local.minute}"
    )
