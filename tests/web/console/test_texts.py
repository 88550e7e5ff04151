"""The console's words: all are translated, and what is compiled is what is written."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
CONSOLE = ROOT / "src/louhua/web/console"
SOURCES = sorted(ROOT.glob("src/louhua/web/locale/*/LC_MESSAGES/django.po"))

_CALLS = re.compile(r'\b(?:_|gettext|gettext_lazy)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)')
_TAGS = re.compile(r'{% translate "([^"]*)"')
_BLOCKS = re.compile(r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_texts", ROOT / "tools/compile_texts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load()


def words() -> set[str]:
    found: set[str] = set()
    for path in CONSOLE.rglob("*.py"):
        for literals in _CALLS.findall(path.read_text("utf-8")):
            found.add("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)))
    for path in CONSOLE.rglob("*.html"):
        text = path.read_text("utf-8")
        found |= set(_TAGS.findall(text))
        found |= {re.sub(r"{{ (\w+) }}", r"%(\1)s", block) for block in _BLOCKS.findall(text)}
    return found


def test_every_word_of_the_console_is_translated() -> None:
    translated = TOOL.entries((ROOT / "src/louhua/web/locale/zh_Hans/LC_MESSAGES/django.po").read_text("utf-8"))
    found = words()
    assert len(found) > 40
    assert sorted(found - set(translated)) == []
    assert [word for word, translation in translated.items() if not translation] == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parts[-3])
def test_what_is_compiled_is_what_is_written(source: Path) -> None:
    compiled = source.with_suffix(".mo").read_bytes()
    assert compiled == TOOL.compiled(TOOL.entries(source.read_text("utf-8"))), "run tools/compile_texts.py"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parts[-3])
def test_translations_keep_what_is_filled_in(source: Path) -> None:
    for original, translation in TOOL.entries(source.read_text("utf-8")).items():
        marks = r"%\(\w+\)[sd]|{[^}]*}"
        assert sorted(re.findall(marks, original)) == sorted(re.findall(marks, translation)), original


def test_a_word_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="comes twice"):
        TOOL.entries('msgid "a"\nmsgstr "b"\n\nmsgid "a"\nmsgstr "c"\n')
