"""What really went over the wire: gaps between RTP packets, and keys that were really pressed.

A packet socket on the loopback interface sees the kernel's own time of each packet, so a busy generator does
not blur the figures. A kernel filter lets through every telephone-event packet towards the platform and the
audio of one session in sixteen from it. Needs the right to open packet sockets (root).
"""

import ctypes
import multiprocessing
import socket
import struct
from multiprocessing.connection import Connection
from typing import Final, Self

_ETH_P_IP: Final = 0x0800
_SO_ATTACH_FILTER: Final = 26
_SO_TIMESTAMPNS: Final = 35
_SAMPLE_MASK: Final = 0x1E
"""Sessions have even ports; those whose port has these bits zero are listened to: one in sixteen."""
_PAUSE_S: Final = 1.0
"""Longer silences are no gap but the end of what was played."""
_NEXT_KEY_NS: Final = 1_000_000_000
"""A port is used again by later calls; packets of one key follow each other closely."""


def _filter(media_port: int, event_type: int) -> list[tuple[int, int, int, int]]:
    """A classic BPF program over the IP packet: (code, jump if true, jump if false, operand)."""
    load_byte, load_half_x, load_index, load_byte_x = 0x30, 0x48, 0xB1, 0x50
    jump_equal, jump_set, and_, return_ = 0x15, 0x45, 0x54, 0x06
    return [
        (load_byte, 0, 0, 9),                  # 0 protocol
        (jump_equal, 0, 10, 17),               # 1 UDP, else drop
        (load_index, 0, 0, 0),                 # 2 X = length of the IP header
        (load_half_x, 0, 0, 2),                # 3 destination port
        (jump_equal, 0, 2, media_port),        # 4 to the generator?
        (load_half_x, 0, 0, 0),                # 5 source port
        (jump_set, 5, 6, _SAMPLE_MASK),        # 6 sampled session: keep
        (load_half_x, 0, 0, 0),                # 7 source port
        (jump_equal, 0, 3, media_port),        # 8 from the generator, else drop
        (load_byte_x, 0, 0, 9),                # 9 marker and payload type
        (and_, 0, 0, 0x7F),                    # 10
        (jump_equal, 1, 0, event_type),        # 11
        (return_, 0, 0, 0),                    # 12 drop
        (return_, 0, 0, 128),                  # 13 keep
    ]  # fmt: skip


class Sniffer:
    """Listens in a process of its own while the measurement runs (a context manager)."""

    def __init__(self, media_port: int, event_type: int = 101) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_listen, args=(theirs, media_port, event_type), daemon=True)
        self.gaps_ms: list[float] = []
        self.keys_pressed = 0

    def __enter__(self) -> Self:
        self._process.start()
        self._ours.recv()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ours.send(None)
        self.gaps_ms, self.keys_pressed = self._ours.recv()
        self._process.join(10)


def _listen(pipe: Connection, media_port: int, event_type: int) -> None:
    """Collect until the parent says so; then send (gaps in ms, number of keys)."""
    code = b"".join(struct.pack("HBBI", *step) for step in _filter(media_port, event_type))
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
    last: dict[int, int] = {}
    gaps: list[float] = []
    keys = 0
    last_key: dict[int, int] = {}
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP)) as tap:
        tap.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_000_000)
        tap.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        tap.bind(("lo", _ETH_P_IP))
        tap.settimeout(0.1)
        pipe.send(None)
        while not pipe.poll():
            try:
                packet, notes, _, _ = tap.recvmsg(128, 64)
            except TimeoutError:
                continue
            seconds, nanoseconds = struct.unpack("qq", notes[0][2][:16])
            start = (packet[0] & 0x0F) * 4
            source, destination = struct.unpack_from("!HH", packet, start)
            ssrc = struct.unpack_from("!I", packet, start + 16)[0]
            now = seconds * 1_000_000_000 + nanoseconds
            if source == media_port:
                keys += now - last_key.get(destination, 0) > _NEXT_KEY_NS
                last_key[destination] = now
                continue
            gap = (now - last.get(ssrc, now)) / 1e6
            last[ssrc] = now
            if 0 < gap < _PAUSE_S * 1000:
                gaps.append(gap)
    pipe.send((gaps, keys))
