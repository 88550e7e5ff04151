"""What subscribers change about themselves by text; pure.

Source: the requirement's 用户管理 (SMS; 设置黑名单、白名单), 隐私防护 and 注册用户和非注册用户. Lists and privacy
are the registered's; who is suspended changes nothing until staff ends that.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from louhua.alerts.answers import Answer, Reply
from louhua.subscribers.profiles import Listing, Privacy, Profile, Status
from louhua.texts.keywords import Command, Keyword

LIST_SIZE: Final = 200
"""Numbers that a list takes."""

LISTS: Final[Mapping[Keyword, Listing]] = {
    Keyword.BLOCK: Listing.BLOCK,
    Keyword.UNBLOCK: Listing.BLOCK,
    Keyword.ALLOW: Listing.ALLOW,
    Keyword.UNALLOW: Listing.ALLOW,
}
"""The list that each of these keywords is about."""

_CHOICES: Final = {"0": Privacy.NOBODY, "1": Privacy.LIST, "2": Privacy.EVERYBODY}

Lists = Mapping[Listing, tuple[str, ...]]
"""Somebody's lists, the oldest entries first."""


class Care(msgspec.Struct, frozen=True):
    """A subscriber with his lists, and the answers to what he asked so far."""

    profile: Profile
    lists: Lists
    answers: tuple[Answer, ...] = ()


def apply(profile: Profile, lists: Lists, commands: Sequence[Command], dialled: Callable[[str], str]) -> Care:
    """Obey commands in their order; D and what is unknown are not for here and change nothing.

    ``dialled`` gives the canonical form of what somebody keyed, empty when it is no number.
    """
    care = Care(profile, lists)
    for command in commands:
        care = _obey(care, command, dialled)
    return care


def _obey(care: Care, command: Command, dialled: Callable[[str], str]) -> Care:
    match command.keyword:
        case Keyword.HELP:
            return _answered(care, Answer(reply=Reply.HELP))
        case Keyword.REGISTER:
            return _register(care)
        case Keyword.CANCEL:
            return _cancel(care)
        case Keyword.PRIVACY:
            return _refused(care) or _privacy(care, command.argument)
        case Keyword.BLOCK | Keyword.ALLOW | Keyword.UNBLOCK | Keyword.UNALLOW:
            return _refused(care) or _list(care, command, dialled)
        case _:
            return care


def _answered(care: Care, answer: Answer) -> Care:
    return msgspec.structs.replace(care, answers=(*care.answers, answer))


def _with_status(care: Care, status: Status) -> Care:
    return msgspec.structs.replace(care, profile=msgspec.structs.replace(care.profile, status=status))


def may_register(profile: Profile) -> bool:
    """Whether somebody may be registered: only numbers of the served ranges that can get texts."""
    return profile.served and profile.textable


def _register(care: Care) -> Care:
    """The activation notice is the answer."""
    profile = care.profile
    if profile.suspended:
        return _answered(care, Answer(reply=Reply.SUSPENDED))
    if profile.registered:
        return _answered(care, Answer(reply=Reply.ALREADY))
    if not may_register(profile):
        return _answered(care, Answer(reply=Reply.NOT_SERVED))
    notice = Answer(reply=Reply.NOTICE, voicemail=profile.voicemail)
    return _answered(_with_status(care, Status.REGISTERED), notice)


def _cancel(care: Care) -> Care:
    """Settings and lists stay, for the day when he comes back."""
    if care.profile.suspended:
        return _answered(care, Answer(reply=Reply.SUSPENDED))
    if not care.profile.registered:
        return _answered(care, Answer(reply=Reply.NOT_REGISTERED))
    return _answered(_with_status(care, Status.UNREGISTERED), Answer(reply=Reply.CANCELLED))


def _refused(care: Care) -> Care | None:
    """With the reason, where lists and privacy are not for somebody."""
    profile = care.profile
    if profile.registered:
        return None
    if profile.suspended:
        return _answered(care, Answer(reply=Reply.SUSPENDED))
    reply = Reply.REGISTER_FIRST if may_register(profile) else Reply.NOT_SERVED
    return _answered(care, Answer(reply=reply))


def _privacy(care: Care, argument: str) -> Care:
    """Who may learn that the phone is on; without a choice that there is: who may now, and the choices."""
    choice = _CHOICES.get(argument)
    if choice is None:
        return _answered(care, Answer(reply=Reply.PRIVACY, privacy=care.profile.power_on))
    profile = msgspec.structs.replace(care.profile, power_on=choice)
    changed = msgspec.structs.replace(care, profile=profile)
    return _answered(changed, Answer(reply=Reply.PRIVACY_SET, privacy=choice))


def _list(care: Care, command: Command, dialled: Callable[[str], str]) -> Care:
    listing = LISTS[command.keyword]
    listed = care.lists.get(listing, ())
    adds = command.keyword in (Keyword.BLOCK, Keyword.ALLOW)
    if not command.argument and adds:
        reply = Reply.LIST if listed else Reply.LIST_EMPTY
        return _answered(care, Answer(reply=reply, listing=listing, numbers=listed, count=len(listed)))
    number = dialled(command.argument)
    if not number or number == care.profile.number:
        return _answered(care, Answer(reply=Reply.NO_NUMBER, listing=listing))
    if adds and number not in listed and len(listed) >= LIST_SIZE:
        return _answered(care, Answer(reply=Reply.LIST_FULL, listing=listing, count=len(listed)))
    if adds:
        left, reply = listed if number in listed else (*listed, number), Reply.LISTED
    else:
        left = tuple(entry for entry in listed if entry != number)
        reply = Reply.UNLISTED if number in listed else Reply.NOT_LISTED
    changed = msgspec.structs.replace(care, lists={**care.lists, listing: left})
    return _answered(changed, Answer(reply=reply, listing=listing, number=number))
