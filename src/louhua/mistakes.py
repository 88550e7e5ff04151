"""What is wrong with a key of the configuration, said with the way out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

_LISTS: Final = 'write a list, as ["a", "b"]; a table that comes several times begins with [[…]]'

_FORMS: Final[Mapping[str, str]] = {
    r"^[A-Za-z0-9_-]{1,40}$": "write 1 to 40 letters, digits, - or _",
    r"^[A-Za-z0-9_-]{1,20}$": "write 1 to 20 letters, digits, - or _",
    r"^[a-z0-9_-]{0,40}$": "write the name of a plan: small letters, digits, - or _; empty is none",
    r"^[a-z0-9_-]{1,40}$": "write 1 to 40 small letters, digits, - or _",
    r"^sips?:[^\s<>;?]*\{number\}[^\s<>?]*$": "write a SIP URI with {number} in it, as sip:+{number}@ims.example",
    r"^(sips?:[^\s<>;?]+)?$": "write a SIP URI, as sip:louhua@ims.example",
    r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$": "write a host or realm, as louhua1.ims.example",
    r"^$|^[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$": "write a host, as ocs1.ims.example, or nothing",
    r"^[A-Z]{2}$": "write two capital letters, as CN",
    r"^[0-9]{3,20}$": "write 3 to 20 digits in quotes",
    r"^[0-9]{1,20}$": "write 1 to 20 digits in quotes",
    r"^[0-9]*$": "write digits in quotes",
    r"^\d+-\d+$": "write a range, as 20000-29999",
    r"^(0x[0-9A-Fa-f]{1,8}|[0-9]{1,3}:[0-9]{1,5}|err:[!-~]{1,60}|expired|deleted|undeliverable|rejected)$": (
        "write a command_status as 0x0000000B, a network_error_code as 3:27, a receipt's error as err:045, or a"
        " receipt's state"
    ),
    r"^(embedded|postgres(ql)?://.+)$": "write embedded, or postgresql://user:secret@host/louhua",
    r"^(embedded|(nats|tls)://.+)$": "write embedded, or nats://a:4222,nats://b:4222",
}

_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "missing": lambda _: "must be given; there is no default",
    "extra_forbidden": lambda said: (
        f"there is no such key; look for a typing mistake, or for the key in {said['page']}"
    ),
    "tuple_type": lambda _: _LISTS,
    "model_type": lambda _: "is a table of keys; begin it with its name in brackets",
    "dict_type": lambda _: 'is a table of keys; write it like { busy = "release" }',
    "int_parsing": lambda _: "write a whole number",
    "int_type": lambda _: "write a whole number",
    "int_from_float": lambda _: "write a whole number",
    "float_parsing": lambda _: "write a number",
    "float_type": lambda _: "write a number",
    "bool_parsing": lambda _: "write true or false",
    "bool_type": lambda _: "write true or false",
    "string_type": lambda _: "write it in quotes",
    "literal_error": lambda said: f"write {said['expected']}",
    "enum": lambda said: f"write {said['expected']}",
    "greater_than_equal": lambda said: f"the least is {said['ge']:g}",
    "less_than_equal": lambda said: f"the most is {said['le']:g}",
    "string_too_long": lambda said: f"{said['max_length']} characters at most",
    "string_too_short": lambda said: f"{said['min_length']} characters at least",
    "too_long": lambda said: f"name {said['max_length']} at most",
    "too_short": lambda said: f"name {said['min_length']} at least",
    "string_pattern_mismatch": lambda said: _FORMS.get(said["pattern"], f"must match {said['pattern']}"),
}


_CONFIGURATION: Final = "docs/configuration.md"


def all_in_words(problems: Sequence[Mapping[str, Any]], page: str = _CONFIGURATION) -> list[str]:
    """pydantic's errors, a line each; a list is not called too short because of a wrong member.

    ``page`` is where the keys are described.
    """
    return [
        in_words(problem, page)
        for problem in problems
        if problem["type"] != "too_short"
        or not any(_is_within(other["loc"], problem["loc"]) for other in problems if other is not problem)
    ]


def _is_within(loc: Sequence[str | int], outer: Sequence[str | int]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def in_words(problem: Mapping[str, Any], page: str = _CONFIGURATION) -> str:
    """One of pydantic's errors as ``sip.listen: what is wrong; the way out``; what was given is not repeated."""
    key = ".".join(str(part) for part in problem["loc"]) or "configuration"
    words = _WORDS.get(problem["type"])
    said = {"page": page, **problem.get("ctx", {})}
    message = words(said) if words else str(problem["msg"]).removeprefix("Value error, ")
    return f"{key}: {message}"
