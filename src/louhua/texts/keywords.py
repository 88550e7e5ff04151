"""What a phone's text to the access number asks for. Source: the requirement's 被叫服务 (短信D), 信息点播."""

import unicodedata
from enum import StrEnum


class Keyword(StrEnum):
    """What was asked for."""

    ENQUIRE = "enquire"
    UNKNOWN = "unknown"


def keyword_of(body: str) -> Keyword:
    """Read a text as people type it: any case, full-width letters, spaces, quotes and punctuation around."""
    plain = unicodedata.normalize("NFKC", body)
    letters = "".join(sign for sign in plain if unicodedata.category(sign)[0] in "LN")
    return Keyword.ENQUIRE if letters.casefold() == "d" else Keyword.UNKNOWN
