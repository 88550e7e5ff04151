"""What a reckoning finds."""

import msgspec


class Difference(msgspec.Struct, frozen=True):
    """Something that is not as it must be."""

    what: str
    detail: str
