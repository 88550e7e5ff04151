#!/usr/bin/env python3
"""Compile the console's translations: each ``django.po`` in ``src/louhua/web/locale`` to ``django.mo`` beside it.

Takes the place of GNU gettext's ``msgfmt``, so that nothing need be installed. Entries are pairs of ``msgid`` and
``msgstr``, each a string in quotes or several of them on lines of their own; no plurals, no contexts.
"""

import ast
import struct
from pathlib import Path

LOCALE = Path(__file__).parent.parent / "src/louhua/web/locale"

_HEADER = "Content-Type: text/plain; charset=UTF-8\n"
_MAGIC = 0x950412DE


def entries(text: str) -> dict[str, str]:
    """A ``.po`` file's translations by what they translate; raises ``ValueError`` for one that comes twice."""
    found: dict[str, str] = {}
    pair = {"msgid": "", "msgstr": ""}
    part = ""
    for line in [*text.splitlines(), 'msgid ""']:
        word, _, quoted = line.strip().partition(" ")
        if word == "msgid" and part == "msgstr":
            if pair["msgid"] in found:
                raise ValueError(f"{pair['msgid']!r} comes twice")
            found[pair["msgid"]] = pair["msgstr"]
        if word in pair:
            part = word
            pair[part] = ast.literal_eval(quoted)
        elif line.startswith('"'):
            pair[part] += ast.literal_eval(line.strip())
    found[""] = _HEADER
    return found


def compiled(translations: dict[str, str]) -> bytes:
    """A ``.mo`` file: counts and offsets, the originals in order, the translations, each ended by a zero."""
    pairs = sorted((original.encode(), translation.encode()) for original, translation in translations.items())
    tables = 28
    begin = tables + 16 * len(pairs)
    index: list[int] = []
    body = b""
    for column in (0, 1):
        for pair in pairs:
            index += [len(pair[column]), begin + len(body)]
            body += pair[column] + b"\0"
    head = struct.pack("<7I", _MAGIC, 0, len(pairs), tables, tables + 8 * len(pairs), 0, begin)
    return head + struct.pack(f"<{len(index)}I", *index) + body


def main() -> None:
    """Compile all of them."""
    for source in sorted(LOCALE.glob("*/LC_MESSAGES/django.po")):
        source.with_suffix(".mo").write_bytes(compiled(entries(source.read_text("utf-8"))))


if __name__ == "__main__":
    main()
