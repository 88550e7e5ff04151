"""Reads ``application/reginfo+xml`` (RFC 3680, section 5), whoever wrote it.

No document type, hence no entities: what has one is refused before anything of it is read.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final
from xml.parsers import expat

import msgspec

_LONGEST: Final = 64 * 1024
_DEEPEST: Final = 16
_NAMESPACE: Final = "urn:ietf:params:xml:ns:reginfo "
_LARGEST_VERSION: Final = 2**32 - 1


class BadReginfo(Exception):
    """The body is not registration information; the message says why."""


class State(StrEnum):
    """Of a registration, or of a contact (which is never ``init``)."""

    INIT = "init"
    ACTIVE = "active"
    TERMINATED = "terminated"


class Registration(msgspec.Struct, frozen=True):
    """An address of record, and the states of the contacts that the document lists."""

    aor: str
    state: State
    contacts: tuple[State, ...]


class Reginfo(msgspec.Struct, frozen=True):
    """A document: ``full``, or only what has changed since version ``version - 1``."""

    version: int
    full: bool
    registrations: tuple[Registration, ...]

    @property
    def active(self) -> bool:
        """Whether some phone is registered under some address.

        A registration that says active is believed but where it lists all contacts and each is terminated.
        """
        return any(
            registration.state is State.ACTIVE
            and not (
                self.full
                and registration.contacts
                and all(contact is State.TERMINATED for contact in registration.contacts)
            )
            for registration in self.registrations
        )


class _Reader:
    """Collects what the elements say; ``expat`` calls it."""

    def __init__(self) -> None:
        self.root: tuple[int, bool] | None = None
        self.registrations: list[tuple[str, State, list[State]]] = []
        self._path: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._path) >= _DEEPEST:
            raise BadReginfo("elements lie too deep")
        match [*self._path, name.removeprefix(_NAMESPACE)]:
            case ["reginfo"]:
                self.root = _version(attributes.get("version", "")), _full(attributes.get("state", ""))
            case ["reginfo", "registration"]:
                self.registrations.append((attributes.get("aor", ""), _state(attributes), []))
            case ["reginfo", "registration", "contact"]:
                self.registrations[-1][2].append(_state(attributes))
            case [_]:
                raise BadReginfo("the root is not reginfo")
        self._path.append(name.removeprefix(_NAMESPACE))

    def end(self, _name: str) -> None:
        self._path.pop()


def read_reginfo(text: str) -> Reginfo:
    """Read a document; raises ``BadReginfo``."""
    if len(text) > _LONGEST:
        raise BadReginfo("too long")
    reader = _Reader()
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(text.encode(), True)
    except (expat.ExpatError, UnicodeError) as error:
        raise BadReginfo(f"not XML: {error}") from None
    if reader.root is None:
        raise BadReginfo("nothing in it")
    version, full = reader.root
    registrations = tuple(
        Registration(aor, state, tuple(contacts)) for aor, state, contacts in reader.registrations
    )
    return Reginfo(version, full, registrations)


def _refuse(*_: object) -> None:
    raise BadReginfo("document types are refused")


def _version(value: str) -> int:
    if not value.isascii() or not value.isdecimal() or len(value) > 10 or int(value) > _LARGEST_VERSION:
        raise BadReginfo("version is not a number")
    return int(value)


def _full(value: str) -> bool:
    if value not in ("full", "partial"):
        raise BadReginfo("state is neither full nor partial")
    return value == "full"


def _state(attributes: Mapping[str, str]) -> State:
    try:
        return State(attributes.get("state", ""))
    except ValueError:
        raise BadReginfo("a state that does not exist") from None
