"""Which of the configured number ranges a number belongs to."""

from collections.abc import Sequence

from louhua.config import NumberRange


class Ranges:
    """The operator's number plan; numbers are canonical, the longest prefix decides."""

    def __init__(self, ranges: Sequence[NumberRange]) -> None:
        self._by_prefix = {prefix: given for given in ranges for prefix in given.prefixes}
        self._lengths = sorted({len(prefix) for prefix in self._by_prefix}, reverse=True)

    def of(self, number: str) -> NumberRange | None:
        """The range of a number, if one is configured for it."""
        for length in self._lengths:
            found = self._by_prefix.get(number[:length])
            if found is not None:
                return found
        return None

    def served(self, number: str) -> bool:
        """Whether calls to a number make alerts; without any range all do."""
        if not self._by_prefix:
            return True
        found = self.of(number)
        return found is not None and found.served
