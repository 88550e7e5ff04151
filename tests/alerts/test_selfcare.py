"""What subscribers change by text: a table, and what holds whatever they send."""

from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from louhua.alerts.answers import Answer, Reply
from louhua.alerts.selfcare import LIST_SIZE, Lists, apply
from louhua.numbers import canonical
from louhua.subscribers.profiles import Listing, Privacy, Profile, Status
from louhua.texts.keywords import Command, Keyword, command_of

ME: Final = "8613800138000"
OTHER: Final = "8613900139000"
STRANGER: Final = Profile(number=ME)
REGISTERED: Final = Profile(number=ME, status=Status.REGISTERED)
SUSPENDED: Final = Profile(number=ME, status=Status.SUSPENDED)
ELSEWHERE: Final = Profile(number=ME, served=False)
LAND_LINE: Final = Profile(number="861088886666", textable=False)
FULL: Final = tuple(f"861390013{n:04}" for n in range(LIST_SIZE))


def text(profile: Profile, *bodies: str, lists: Lists | None = None) -> tuple[Profile, Lists, list[Answer]]:
    care = apply(profile, lists or {}, [command_of(body) for body in bodies], canonical)
    return care.profile, care.lists, list(care.answers)


@pytest.mark.parametrize(
    ("profile", "body", "status", "reply"),
    [
        (STRANGER, "KT", Status.REGISTERED, Reply.NOTICE),
        (REGISTERED, "KT", Status.REGISTERED, Reply.ALREADY),
        (SUSPENDED, "KT", Status.SUSPENDED, Reply.SUSPENDED),
        (ELSEWHERE, "KT", Status.UNREGISTERED, Reply.NOT_SERVED),
        (LAND_LINE, "KT", Status.UNREGISTERED, Reply.NOT_SERVED),
        (REGISTERED, "QX", Status.UNREGISTERED, Reply.CANCELLED),
        (STRANGER, "QX", Status.UNREGISTERED, Reply.NOT_REGISTERED),
        (SUSPENDED, "QX", Status.SUSPENDED, Reply.SUSPENDED),
        (STRANGER, "BZ", Status.UNREGISTERED, Reply.HELP),
        (SUSPENDED, "BZ", Status.SUSPENDED, Reply.HELP),
    ],
)
def test_registering(profile: Profile, body: str, status: Status, reply: Reply) -> None:
    after, lists, answers = text(profile, body)
    assert after == msgspec.structs.replace(profile, status=status)
    assert [answer.reply for answer in answers] == [reply]
    assert lists == {}


@pytest.mark.parametrize("body", ["HMD13900139000", "BMD", "HMD-13900139000", "YS0", "YS"])
@pytest.mark.parametrize(
    ("profile", "reply"),
    [
        (STRANGER, Reply.REGISTER_FIRST),
        (SUSPENDED, Reply.SUSPENDED),
        (ELSEWHERE, Reply.NOT_SERVED),
        (LAND_LINE, Reply.NOT_SERVED),
    ],
)
def test_lists_and_privacy_are_the_registereds(profile: Profile, reply: Reply, body: str) -> None:
    assert text(profile, body) == (profile, {}, [Answer(reply=reply)])


@pytest.mark.parametrize(
    ("before", "body", "after", "reply"),
    [
        ((), "HMD13900139000", (OTHER,), Reply.LISTED),
        ((OTHER,), "HMD13900139000", (OTHER,), Reply.LISTED),
        ((OTHER,), "HMD-13900139000", (), Reply.UNLISTED),
        ((), "HMD-13900139000", (), Reply.NOT_LISTED),
        ((OTHER,), "HMD", (OTHER,), Reply.LIST),
        ((), "HMD", (), Reply.LIST_EMPTY),
        ((OTHER,), "QXHMD", (OTHER,), Reply.NO_NUMBER),
        ((), "HMD1", (), Reply.NO_NUMBER),
        ((), "HMD13800138000", (), Reply.NO_NUMBER),
        ((), "HMD10086", ("10086",), Reply.LISTED),
        ((), "HMD8613900139000", (OTHER,), Reply.LISTED),
        ((), "HMD+8613900139000", (OTHER,), Reply.LISTED),
        ((), "HMD0086 139 0013 9000", (OTHER,), Reply.LISTED),
        ((), "HMD++44 7911 123456", ("447911123456",), Reply.LISTED),
        (FULL, "HMD13800138001", FULL, Reply.LIST_FULL),
        (FULL, "HMD13900130007", FULL, Reply.LISTED),
        (FULL, "HMD-13900130000", FULL[1:], Reply.UNLISTED),
    ],
)
@pytest.mark.parametrize(("word", "listing"), [("HMD", Listing.BLOCK), ("BMD", Listing.ALLOW)])
def test_lists(
    word: str, listing: Listing, before: tuple[str, ...], body: str, after: tuple[str, ...], reply: Reply
) -> None:
    profile, lists, answers = text(REGISTERED, body.replace("HMD", word), lists={listing: before})
    assert profile == REGISTERED
    assert lists == {listing: after}
    assert [(answer.reply, answer.listing) for answer in answers] == [(reply, listing)]


@pytest.mark.parametrize(
    ("body", "privacy", "reply"),
    [
        ("YS0", Privacy.NOBODY, Reply.PRIVACY_SET),
        ("YS1", Privacy.LIST, Reply.PRIVACY_SET),
        ("YS2", Privacy.EVERYBODY, Reply.PRIVACY_SET),
        ("YS", Privacy.LIST, Reply.PRIVACY),
        ("YS3", Privacy.LIST, Reply.PRIVACY),
    ],
)
def test_privacy(body: str, privacy: Privacy, reply: Reply) -> None:
    before = msgspec.structs.replace(REGISTERED, power_on=Privacy.LIST)
    profile, _, answers = text(before, body)
    assert profile.power_on is privacy
    assert answers == [Answer(reply=reply, privacy=privacy)]


def test_commands_are_obeyed_in_their_order() -> None:
    profile, lists, answers = text(STRANGER, "HMD13900139000", "KT", "HMD13900139000", "YS0", "QX", "KT")
    assert profile.registered
    assert profile.power_on is Privacy.NOBODY, "settings stay for the day when he comes back"
    assert lists == {Listing.BLOCK: (OTHER,)}
    assert [answer.reply for answer in answers] == [
        Reply.REGISTER_FIRST, Reply.NOTICE, Reply.LISTED, Reply.PRIVACY_SET, Reply.CANCELLED, Reply.NOTICE,
    ]  # fmt: skip


ARGUMENTS = st.one_of(st.just(""), st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True), st.sampled_from(FULL))
COMMANDS = st.lists(st.builds(Command, st.sampled_from(Keyword), ARGUMENTS), max_size=20)


@given(COMMANDS, st.sampled_from([STRANGER, REGISTERED, SUSPENDED, ELSEWHERE]), st.integers(0, 10))
def test_whatever_is_asked(commands: list[Command], profile: Profile, room: int) -> None:
    lists = {Listing.BLOCK: FULL[room:]}
    care = apply(profile, lists, commands, canonical)
    elsewhere = [command for command in commands if command.keyword in (Keyword.ENQUIRE, Keyword.UNKNOWN)]
    assert len(care.answers) == len(commands) - len(elsewhere)
    assert all(len(entries) <= LIST_SIZE == len(FULL) for entries in care.lists.values())
    assert all(len(set(entries)) == len(entries) for entries in care.lists.values())
    assert all(ME not in entries and "" not in entries for entries in care.lists.values())
    if not profile.registered and care.profile == profile and Reply.NOTICE not in {a.reply for a in care.answers}:
        assert care.lists == lists
    if profile in (SUSPENDED, ELSEWHERE):
        assert care.profile == profile
