"""PDUs out of a stream of octets, however the network has cut it (SMPP 3.4, section 3.2).

A command_length below 16 or above the limit ends the stream: nothing says where the next PDU would begin.
"""

from typing import Final

from louhua.texts.smpp.errors import FrameError

LONGEST: Final = 128 * 1024
"""Largest PDU that is read: message_payload is below 64 KiB, the rest is small."""
_SHORTEST: Final = 16


class FrameDecoder:
    """Collects octets until they make whole PDUs."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._rest = b""

    @property
    def waiting(self) -> int:
        """Octets of a PDU that is not complete."""
        return len(self._rest)

    def feed(self, data: bytes) -> tuple[list[bytes], FrameError | None]:
        """Add octets; return the PDUs that are complete, and the error that ends the stream, if any."""
        data = self._rest + data if self._rest else data
        frames: list[bytes] = []
        start, end = 0, len(data)
        error = None
        while end - start >= 4:
            length = int.from_bytes(data[start : start + 4], "big")
            if not _SHORTEST <= length <= self._longest:
                error = FrameError(f"command_length is {length}")
                start = end
                break
            if start + length > end:
                break
            frames.append(data[start : start + length])
            start += length
        self._rest = data[start:]
        return frames, error
