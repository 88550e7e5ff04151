"""Accounts of staff as the terminal manages them: a name, a password, a role. Django must be set up.

A password is checked by Django's validators; what they say is English, whatever the service speaks.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class AccountError(Exception):
    """An account cannot be as wanted; ``problems`` has a line for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Account(msgspec.Struct, frozen=True):
    """Somebody who may log in, or might."""

    name: str
    roles: tuple[str, ...]
    active: bool
    last_login: datetime | None


def accounts() -> list[Account]:
    """All of them, by name."""
    from django.contrib.auth.models import User

    return [
        Account(
            user.username,
            tuple(sorted(group.name for group in user.groups.all())),
            user.is_active,
            user.last_login,
        )
        for user in User.objects.prefetch_related("groups").order_by("username")
    ]


def roles() -> list[str]:
    """The names of all roles, those that the operator made included."""
    from django.contrib.auth.models import Group

    return sorted(Group.objects.values_list("name", flat=True))


def add(name: str, password: str, role: str) -> None:
    """Make an account with one role; raises ``AccountError``."""
    from django.contrib.auth.models import User
    from django.db import transaction

    with transaction.atomic():
        if known := User.objects.filter(username__iexact=name).first():
            raise AccountError([f"{known} has an account; change it with: louhua staff set {known}"])
        user = User(username=User.normalize_username(name), is_staff=True)
        with _in_english():
            user.clean_fields(exclude=["password"])
        _give_password(user, password)
        user.save()
        _give_role(user, role)


def change(name: str, *, role: str | None, active: bool | None, password: str | None) -> None:
    """Change what is given; whoever gets another password is logged out. Raises ``AccountError``."""
    from django.contrib.auth.models import User
    from django.db import transaction

    with transaction.atomic():
        user = User.objects.select_for_update().filter(username=name).first()
        if user is None:
            raise AccountError([_unknown(name)])
        if password is not None:
            _give_password(user, password)
        if active is not None:
            user.is_active = active
        user.save()
        if role is not None:
            _give_role(user, role)


def unlock(name: str) -> int:
    """Forget the failed logins of a name; returns from how many addresses and browsers they were."""
    from axes.models import AccessAttempt

    _, deleted = AccessAttempt.objects.filter(username=name).delete()
    return int(deleted.get("axes.AccessAttempt", 0))


def _unknown(name: str) -> str:
    return f"{name} has no account; make one with: louhua staff add {name}"


@contextmanager
def _in_english() -> Iterator[None]:
    """Within, what Django's validators complain about is an ``AccountError``."""
    from django.core.exceptions import ValidationError
    from django.utils import translation

    with translation.override("en"):
        try:
            yield
        except ValidationError as error:
            raise AccountError(error.messages) from None


def _give_password(user: "User", password: str) -> None:
    from django.contrib.auth.password_validation import validate_password

    with _in_english():
        validate_password(password, user)
    user.set_password(password)


def _give_role(user: "User", role: str) -> None:
    from django.contrib.auth.models import Group

    group = Group.objects.filter(name=role).first()
    if group is None:
        raise AccountError([f"there is no role {role!r}; the roles are {', '.join(roles())}"])
    user.groups.set([group])
