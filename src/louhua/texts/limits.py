"""How much of what others write the tables hold; the rest is cut before it gets there.

Peers send ids, errors and addresses of any length, with control characters among them. A value that a column or
a header refuses would fail the whole batch it is in, again and again.
"""

from typing import Final

NUMBER: Final = 20
MESSAGE_ID: Final = 70
ERROR: Final = 60
BODY: Final = 200
"""Of a text from a phone; only keywords are looked for, and none is longer."""
ROUTE: Final = 400
"""Eight SMSCs' names and the commas between them."""
REFERENCE: Final = 0xFFFF
"""The highest user_message_reference (SMPP 3.4, section 5.3.2.17)."""


def fitted(text: str, length: int) -> str:
    """The text without control characters, cut to ``length``."""
    if len(text) <= length and text.isprintable():
        return text
    return "".join(sign for sign in text if sign.isprintable())[:length]
