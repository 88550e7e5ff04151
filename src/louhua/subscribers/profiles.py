"""What the platform knows of a subscriber when a call or a text is decided."""

from enum import StrEnum

import msgspec


class Language(StrEnum):
    """Languages of prompts and texts."""

    ZH_HANS = "zh-hans"
    EN = "en"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One subscriber; the defaults are those of somebody who never registered.

    ``language`` is ``None`` where the service's default applies. ``textable`` is false for numbers that
    cannot get a text (land lines, withheld callers). ``tells_power_on`` is the callee's privacy: whether
    others may learn that the phone is on.
    """

    number: str = ""
    registered: bool = False
    voicemail: bool = False
    language: Language | None = None
    textable: bool = True
    tells_power_on: bool = True
