"""Who may do what."""

import re
from datetime import date, timedelta

import pytest
from tests.web.console.conftest import PASSWORD, Login

from louhua.web.console.roles import PERMISSIONS
from louhua.web.console.roles import ROLES as ROLES_TABLE

TARIFFS = "/console/charging/planversion/"
ACCOUNTS = "/console/auth/user/"
ROLES = "/console/auth/group/"
CHANGES = "/console/auditlog/logentry/"
LOGINS = "/console/axes/accesslog/"
FAILED = "/console/axes/accessattempt/"


@pytest.mark.parametrize(
    ("path", "admin", "tariffs", "viewer", "nobody"),
    [
        ("/console/", 200, 200, 200, 200),
        (TARIFFS, 200, 200, 200, 403),
        (f"{TARIFFS}add/", 200, 200, 403, 403),
        (f"{TARIFFS}1/change/", 200, 200, 200, 403),
        (f"{TARIFFS}1/delete/", 403, 403, 403, 403),
        (ACCOUNTS, 200, 403, 403, 403),
        (f"{ACCOUNTS}add/", 200, 403, 403, 403),
        (f"{ACCOUNTS}1/change/", 200, 403, 403, 403),
        (f"{ACCOUNTS}1/password/", 200, 403, 403, 403),
        (f"{ACCOUNTS}1/delete/", 403, 403, 403, 403),
        (ROLES, 200, 403, 403, 403),
        (f"{ROLES}add/", 200, 403, 403, 403),
        (f"{ROLES}1/change/", 200, 403, 403, 403),
        (f"{ROLES}1/delete/", 403, 403, 403, 403),
        (CHANGES, 200, 403, 403, 403),
        (f"{CHANGES}add/", 403, 403, 403, 403),
        (f"{CHANGES}1/change/", 200, 403, 403, 403),
        (f"{CHANGES}1/delete/", 403, 403, 403, 403),
        (LOGINS, 200, 403, 403, 403),
        (f"{LOGINS}add/", 403, 403, 403, 403),
        (f"{LOGINS}1/change/", 200, 403, 403, 403),
        (f"{LOGINS}1/delete/", 403, 403, 403, 403),
        (FAILED, 200, 403, 403, 403),
        (f"{FAILED}add/", 403, 403, 403, 403),
        (f"{FAILED}1/change/", 200, 403, 403, 403),
        (f"{FAILED}1/delete/", 200, 403, 403, 403),
        ("/console/password_change/", 200, 200, 200, 200),
    ],
)
def test_pages(login: Login, path: str, admin: int, tariffs: int, viewer: int, nobody: int) -> None:
    one_of_each()
    assert {name: login(name).get(path).status_code for name in ("admin", "tariffs", "viewer", "nobody")} == {
        "admin": admin, "tariffs": tariffs, "viewer": viewer, "nobody": nobody,
    }  # fmt: skip


def one_of_each() -> None:
    """What the pages show: a version, a failed login; and an account without a role, nobody's."""
    from django.contrib.auth.models import User
    from django.test import Client

    from louhua.charging.plans import from_toml
    from louhua.web.console.accounts import add as add_account
    from louhua.web.console.tariffs import add as add_version

    today = date(2026, 11, 23)
    add_version(from_toml(f'name = "gold"\nvalid_from = {today}\n'), "li", today, None)
    Client(SERVER_NAME="localhost").post("/console/login/", {"username": "stranger", "password": "wrong"})
    add_account("nobody", PASSWORD, "viewer")
    User.objects.get(username="nobody").groups.clear()


def test_who_may_add_versions_may_see_them(login: Login) -> None:
    from django.contrib.auth.models import Group, Permission, User

    one_of_each()
    clerk = Group.objects.create(name="clerk")
    clerk.permissions.add(Permission.objects.get(codename="add_planversion"))
    clerk.user_set.add(User.objects.get(username="nobody"))
    client = login("nobody")
    text = f'name = "tin"\nvalid_from = {date.today() + timedelta(days=2)}\n'
    answer = client.post(f"{TARIFFS}add/", {"toml": text}, follow=True)
    assert answer.status_code == 200
    assert "tin 第 1 版已保存" in answer.content.decode()
    assert client.get(TARIFFS).status_code == 200
    assert f'href="{TARIFFS}"' in client.get("/console/").content.decode()


@pytest.mark.parametrize("action", ["change", "delete"])
@pytest.mark.parametrize("page", [CHANGES, LOGINS, ROLES])
def test_not_even_an_admin_changes_records_and_our_roles(login: Login, page: str, action: str) -> None:
    assert login("admin").post(f"{page}1/{action}/", {"post": "yes", "name": "x"}).status_code == 403


def test_the_menu_has_what_one_may(login: Login) -> None:
    for role, expected in {"admin": True, "viewer": False}.items():
        page = login(role).get("/console/").content.decode()
        assert TARIFFS in page
        assert (ACCOUNTS in page) is expected


def test_an_operators_own_role_is_kept_and_ours_are_put_right(login: Login) -> None:
    from django.contrib.auth.models import Group, Permission

    from louhua.web.console.roles import keep

    client = login("admin")
    see = Permission.objects.get(codename="view_planversion").pk
    assert client.post(f"{ROLES}add/", {"name": "shop", "permissions": [see]}).status_code == 302
    Group.objects.get(name="viewer").permissions.clear()
    Group.objects.get(name="admin").permissions.clear()
    keep()
    assert Group.objects.get(name="shop").permissions.get().pk == see
    assert Group.objects.get(name="viewer").permissions.get().pk == see
    assert Group.objects.get(name="admin").permissions.count() == Permission.objects.count()


def test_only_what_has_a_page_can_be_permitted(login: Login) -> None:
    page = login("admin").get(f"{ROLES}add/").content.decode()
    assert len(re.findall('<input type="checkbox" name="permissions"', page)) == len(PERMISSIONS)
    for words in ("资费版本: 增加", "资费版本: 查看", "失败登录: 删除"):
        assert words in page


def test_every_permission_and_every_role_is_of_something_that_there_is(console: str) -> None:
    from django.contrib.auth.models import Permission

    known = {f"{each.content_type.app_label}.{each.codename}" for each in Permission.objects.all()}
    assert set(PERMISSIONS) <= known
    assert frozenset().union(*ROLES_TABLE.values()) <= set(PERMISSIONS)


def test_an_account_made_in_the_console_can_enter(login: Login) -> None:
    from django.contrib.auth.models import Group, User

    viewer = Group.objects.get(name="viewer").pk
    form = {
        "username": "wang", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD,
        "groups": [viewer],
    }  # fmt: skip
    assert login("admin").post(f"{ACCOUNTS}add/", form).status_code == 302
    assert login("wang").get(TARIFFS).status_code == 200
    assert not User.objects.get(username="wang").is_superuser


def test_nobody_makes_himself_a_superuser(login: Login) -> None:
    from django.contrib.auth.models import User

    me = User.objects.get(username="admin")
    form = {"username": "admin", "is_active": "on", "is_superuser": "on", "groups": [me.groups.get().pk]}
    assert login("admin").post(f"{ACCOUNTS}{me.pk}/change/", form).status_code == 302
    me.refresh_from_db()
    assert not me.is_superuser
