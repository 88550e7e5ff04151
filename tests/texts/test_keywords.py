"""What people text us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.texts.keywords import WORDS, Command, Keyword, command_of


@pytest.mark.parametrize(
    "body", ["D", "d", " D ", "D.", "\uff24", "\uff44。", "“D”", "D\n", "d!", "D-", "详情", "Details"]
)
def test_asks_for_details(body: str) -> None:
    assert command_of(body) == Command(Keyword.ENQUIRE)


@pytest.mark.parametrize(
    ("body", "days"),
    [("D7", "7"), ("d 7", "7"), ("D+7", "7"), ("\uff24\uff17", "7"), ("D 30天", "30"), ("details 3 days", "3")],
)
def test_asks_for_days(body: str, days: str) -> None:
    assert command_of(body) == Command(Keyword.ENQUIRE, days)


@pytest.mark.parametrize(
    "body", ["", "DD", "D1234", "hello", "1", "?", "D 7 8 a", "HMD abc", "KT 1", "QX 12", "YS 123", "取消吧"]
)
def test_anything_else_is_unknown(body: str) -> None:
    assert command_of(body) == Command(Keyword.UNKNOWN)


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        ("HMD13900139000", Keyword.BLOCK),
        ("hmd 139 0013 9000", Keyword.BLOCK),
        ("HMD+13900139000", Keyword.BLOCK),
        ("黑名单 139-0013-9000", Keyword.BLOCK),
        ("\uff28\uff2d\uff24\uff11\uff13\uff19\uff10\uff10\uff11\uff13\uff19\uff10\uff10\uff10", Keyword.BLOCK),
        ("Block: (139) 0013.9000.", Keyword.BLOCK),
        ("HMD-13900139000", Keyword.UNBLOCK),
        ("HMD - 139-0013-9000", Keyword.UNBLOCK),
        ("HMD—13900139000", Keyword.UNBLOCK),
        ("hmd\uff0d13900139000", Keyword.UNBLOCK),
        ("QXHMD13900139000", Keyword.UNBLOCK),
        ("qx hmd 13900139000", Keyword.UNBLOCK),
        ("取消黑名单13900139000", Keyword.UNBLOCK),
        ("unblock 139 0013 9000", Keyword.UNBLOCK),
        ("BMD13900139000", Keyword.ALLOW),
        ("白名单13900139000", Keyword.ALLOW),
        ("BMD-13900139000", Keyword.UNALLOW),
        ("unallow 13900139000", Keyword.UNALLOW),
    ],
)
def test_lists(body: str, keyword: Keyword) -> None:
    assert command_of(body) == Command(keyword, "13900139000")


def test_a_plus_typed_twice_is_the_numbers() -> None:
    assert command_of("HMD++44 7911 123456") == Command(Keyword.BLOCK, "+447911123456")
    assert command_of("HMD-+44 7911 123456") == Command(Keyword.UNBLOCK, "+447911123456")


@pytest.mark.parametrize(
    ("body", "choice"), [("YS1", "1"), ("ys 0", "0"), ("隐私2", "2"), ("privacy: 1", "1"), ("YS", "")]
)
def test_privacy(body: str, choice: str) -> None:
    assert command_of(body) == Command(Keyword.PRIVACY, choice)


@pytest.mark.parametrize("keyword", WORDS)
@given(
    st.data(),
    st.text("“”。,.!? \n\t'\"()*#", max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_every_word_is_understood_however_typed(
    keyword: Keyword, data: st.DataObject, noise: str, wide: bool, small: bool
) -> None:
    word = data.draw(st.sampled_from(WORDS[keyword]))
    typed = word.lower() if small else word
    if wide:
        typed = "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in typed)
    assert command_of(noise + noise.join(typed) + noise) == Command(keyword)


def test_no_word_has_two_meanings() -> None:
    words = [word for keyword in WORDS for word in WORDS[keyword]]
    assert len(words) == len(set(words))


@given(st.text())
def test_whatever_people_type_is_read(body: str) -> None:
    command = command_of(body)
    assert command.argument.removeprefix("+").isdecimal() or command.argument == ""
