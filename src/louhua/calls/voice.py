"""The voice of one call: its session in a media process, and what SIP says about it (SDP, recordings)."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from louhua.calls import sdp
from louhua.calls.media.control import Close, Command, EndRecord, Open, Play, Record, Stop, Update


class VoiceFailed(Exception):
    """No voice path could be opened, or the caller did not agree to one."""


class Voice:
    """A session that was opened or is being opened; ``port`` is 0 until it is.

    ``offer`` is the caller's, ``None`` where the INVITE had none and the offer is ours.
    """

    def __init__(
        self,
        command: Callable[[Command], None],
        session: int,
        address: str,
        offer: sdp.Media | None,
        *,
        latch: bool,
    ) -> None:
        self._command = command
        self._address = address
        self._offer = offer
        self._version = 1
        self._plays = 0
        self._closed = False
        self.session: Final = session
        self.port = 0
        self._send(
            Open(
                session,
                offer.remote if offer else None,
                offer.payload_type if offer else sdp.PCMA,
                offer.dtmf_type if offer else sdp.OWN_DTMF_TYPE,
                latch,
            )
        )

    def opened(self, port: int) -> None:
        """The port is bound; a caller who offered hold is not sent anything yet."""
        self.port = port
        if self._offer is not None and not self._offer.send:
            self.update(self._offer)

    def description(self) -> str:
        """Our side of the first exchange."""
        return self._answer(self._offer) if self._offer else self._own_offer()

    def change(self, text: str | None) -> str:
        """Our description for the caller's new offer, or a new offer of ours where they ask for one.

        Raises ``NotAcceptable``, and nothing changes, when we cannot follow.
        """
        if text is None:
            self._version += 1
            return self._own_offer()
        media = sdp.parse(text)
        self._version += 1
        self.update(media)
        return self._answer(media)

    def update(self, media: sdp.Media) -> None:
        """Follow the caller's description."""
        self._send(Update(self.session, media.remote, media.payload_type, media.dtmf_type, media.send))

    def play(self, clips: tuple[str, ...], *, barge_in: bool) -> int:
        """Play; the number comes back in ``Played``."""
        self._plays += 1
        self._send(Play(self.session, self._plays, clips, barge_in))
        return self._plays

    def stop(self) -> None:
        """Play no further."""
        self._send(Stop(self.session))

    def record(self, path: str, *, max_ms: int, silence_ms: int, stop_keys: str) -> None:
        """Record to ``path``."""
        self._send(Record(self.session, path, max_ms, silence_ms, stop_keys))

    def end_recording(self, key: str) -> None:
        """Record no longer, because of a key that did not come as RTP."""
        self._send(EndRecord(self.session, key))

    def close(self) -> None:
        """Free the port, once; a running recording is finished first."""
        if not self._closed:
            self._send(Close(self.session))
            self._closed = True

    def lost(self) -> None:
        """The media process died: there is nobody left to tell."""
        self._closed = True

    def _send(self, command: Command) -> None:
        if not self._closed:
            self._command(command)

    def _answer(self, media: sdp.Media) -> str:
        return sdp.answer(media, self._address, self.port, session=self.session, version=self._version)

    def _own_offer(self) -> str:
        return sdp.offer(self._address, self.port, session=self.session, version=self._version)


class Recordings:
    """The files that a call recorded; those not kept at its end are removed."""

    def __init__(self, directory: Path, call_id: str) -> None:
        self._directory = directory
        self._call_id = call_id
        self._paths: list[str] = []

    def new(self) -> str:
        """The path of the next one: named for the call, so that the name alone finds it."""
        suffix = f"-{len(self._paths) + 1}" if self._paths else ""
        self._paths.append(str(self._directory / f"{self._call_id}{suffix}.alaw"))
        return self._paths[-1]

    @property
    def last(self) -> str:
        """The path of the one begun last."""
        return self._paths[-1]

    def remove_all_but(self, kept: str | None) -> None:
        """Remove what nobody will hear."""
        for path in self._paths:
            if path != kept:
                with contextlib.suppress(OSError):
                    Path(path).unlink()
