"""docs/configuration.md names every key, with its default; the README's and the example are valid."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from louhua.config import Config
from louhua.mistakes import in_words

ROOT = Path(__file__).parent.parent


def blocks(path: Path) -> Iterator[dict[str, Any]]:
    for text in re.findall(r"```toml\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
        yield tomllib.loads(text)


PAGE = max(blocks(ROOT / "docs/configuration.md"), key=len)


def model_of(annotation: object) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = model_of(field.annotation)
        yield from keys_of(inner, f"{prefix}{name}.") if inner else [prefix + name]


def named(tables: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tables.items():
        tables_ = value if isinstance(value, list) and value and isinstance(value[0], dict) else [value]
        for table in tables_:
            if isinstance(table, dict) and table:
                yield from named(table, f"{prefix}{name}.")
            else:
                yield prefix + name


def test_the_page_names_every_key_and_no_other() -> None:
    assert sorted(named(PAGE)) == sorted(keys_of(Config))


def without_defaults(model: type[BaseModel], table: dict[str, Any]) -> dict[str, Any]:
    """Only what must be given: keys without a default, and tables that hold such."""
    kept: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = model_of(field.annotation)
        if inner is None:
            if field.is_required():
                kept[name] = table[name]
        elif isinstance(table[name], list):
            kept[name] = [without_defaults(inner, item) for item in table[name]]
        else:
            kept[name] = without_defaults(inner, table[name])
    return kept


def test_the_page_has_the_defaults() -> None:
    assert Config.model_validate(PAGE) == Config.model_validate(without_defaults(Config, PAGE))


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_readmes_configuration_is_valid(page: str) -> None:
    (block,) = blocks(ROOT / page)
    assert Config.model_validate(block).smsc


def test_the_example_is_valid() -> None:
    Config.model_validate(tomllib.loads((ROOT / "louhua.example.toml").read_text("utf-8")))


def patterns(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for inner in value.values():
            yield from patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from patterns(inner)


def test_every_form_is_said_in_words() -> None:
    found = set(patterns(Config.model_json_schema(mode="serialization")))
    assert found
    for pattern in found:
        problem = {"type": "string_pattern_mismatch", "loc": ("a",), "ctx": {"pattern": pattern}, "msg": ""}
        assert "must match" not in in_words(problem)
