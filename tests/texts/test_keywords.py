"""What people text us."""

import pytest

from louhua.texts.keywords import Keyword, keyword_of


@pytest.mark.parametrize("body", ["D", "d", " D ", "D.", "\uff24", "\uff44。", "“D”", "D\n", "d!"])
def test_asks_for_details(body: str) -> None:
    assert keyword_of(body) is Keyword.ENQUIRE


@pytest.mark.parametrize("body", ["", "DD", "D1", "hello", "查询", "1", "?"])
def test_anything_else_is_unknown(body: str) -> None:
    assert keyword_of(body) is Keyword.UNKNOWN
