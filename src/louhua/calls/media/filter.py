"""A kernel filter for a session's socket: packets that nobody wants never wake the process.

Classic BPF by ``SO_ATTACH_FILTER`` needs no privilege. On a UDP socket the program sees the datagram from its
UDP header on, so RTP starts at octet 8 and its payload type is octet 9 without the marker bit.
"""

import ctypes
import socket
import struct
from collections.abc import Iterable
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_SO_MEMINFO: Final = 55
_MEMINFO_DROPS: Final = 8
_MEMINFO_WORDS: Final = 9

_INSTRUCTION: Final = struct.Struct("=HBBI")
_LOAD_OCTET: Final = 0x30  # BPF_LD | BPF_B | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_UDP_HEADER: Final = 8
_WHOLE: Final = 0xFFFF


def program(payload_types: Iterable[int]) -> bytes:
    """Instructions that keep RTP version 2 of these payload types and drop everything else."""
    wanted = sorted(set(payload_types))
    if not wanted:
        return _INSTRUCTION.pack(_RETURN, 0, 0, 0)
    last = len(wanted)
    return b"".join(
        [
            _INSTRUCTION.pack(_LOAD_OCTET, 0, 0, _UDP_HEADER),
            _INSTRUCTION.pack(_AND, 0, 0, 0xC0),
            _INSTRUCTION.pack(_JUMP_IF_EQUAL, 0, last + 2, 0x80),
            _INSTRUCTION.pack(_LOAD_OCTET, 0, 0, _UDP_HEADER + 1),
            _INSTRUCTION.pack(_AND, 0, 0, 0x7F),
            *(
                _INSTRUCTION.pack(_JUMP_IF_EQUAL, last - place, 0, payload_type)
                for place, payload_type in enumerate(wanted)
            ),
            _INSTRUCTION.pack(_RETURN, 0, 0, 0),
            _INSTRUCTION.pack(_RETURN, 0, 0, _WHOLE),
        ]
    )


def attach(sock: socket.socket, instructions: bytes) -> None:
    """Filter what ``sock`` receives from now on, in place of any filter before; ``OSError`` if refused."""
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    count = len(instructions) // _INSTRUCTION.size
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", count, ctypes.addressof(buffer)))


def dropped(sock: socket.socket) -> int:
    """How many packets the filter, or a full buffer, has kept from ``sock`` since it was opened."""
    words = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_WORDS * 4)
    return int.from_bytes(words[_MEMINFO_DROPS * 4 : _MEMINFO_DROPS * 4 + 4], "little")
