"""Who gets in, for how long, and who is locked out."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.web.console.conftest import PASSWORD, Login

if TYPE_CHECKING:
    from django.test import Client

FORM = "/console/login/"

# As docs/console.md promises.
ATTEMPTS = 5
COOL_OFF = timedelta(minutes=15)


@pytest.fixture
def client(console: str) -> "Client":
    from django.test import Client

    return Client(SERVER_NAME="localhost")


def attempt(client: "Client", name: str = "viewer", password: str = "wrong", **about: Any) -> Any:
    return client.post(FORM, {"username": name, "password": password}, **about)


def test_pages_ask_for_a_login_and_then_come(client: "Client") -> None:
    path = "/console/charging/planversion/"
    answer = client.get(path)
    assert (answer.status_code, answer["Location"]) == (302, f"{FORM}?next={path}")
    answer = client.post(answer["Location"], {"username": "viewer", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, path)
    assert client.get(path).status_code == 200
    client.post("/console/logout/")
    assert client.get(path).status_code == 302


def test_a_wrong_password_is_told_without_saying_what_was_wrong(client: "Client") -> None:
    known, unknown = attempt(client).content.decode(), attempt(client, "nobody").content.decode()
    assert "sessionid" not in client.cookies
    error = "用户名或密码不正确"
    assert error in known
    assert error in unknown


def test_who_fails_too_often_is_locked_out_and_told_until_when(client: "Client") -> None:
    assert [attempt(client).status_code for _ in range(ATTEMPTS)] == [200] * (ATTEMPTS - 1) + [429]
    answer = attempt(client, password=PASSWORD)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) == COOL_OFF.total_seconds()
    assert _until() in answer.content.decode()
    assert "sessionid" not in client.cookies


def test_who_is_locked_out_is_told_of_this_address_only(client: "Client") -> None:
    from axes.models import AccessAttempt
    from django.db.models import F

    for address in ("10.0.0.1", "10.0.0.2"):
        for _ in range(ATTEMPTS):
            attempt(client, REMOTE_ADDR=address)
        AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(minutes=5))
    for address in ("10.0.0.1", "10.0.0.2"):
        assert _until(address) in attempt(client, REMOTE_ADDR=address).content.decode()
    assert _until("10.0.0.1") != _until("10.0.0.2")


def _until(address: str = "127.0.0.1") -> str:
    from axes.models import AccessAttempt
    from django.utils import timezone

    end = AccessAttempt.objects.get(ip_address=address).attempt_time + COOL_OFF + timedelta(minutes=1)
    return f"请于 {timezone.localtime(end):%H:%M} 之后再试"


def test_who_gets_in_begins_anew(client: "Client") -> None:
    for _ in range(2):
        assert [attempt(client).status_code for _ in range(ATTEMPTS - 1)] == [200] * (ATTEMPTS - 1)
        assert attempt(client, password=PASSWORD).status_code == 302


def test_a_lock_is_for_one_name_at_one_address(client: "Client") -> None:
    for _ in range(ATTEMPTS):
        attempt(client)
    assert attempt(client, "admin", PASSWORD).status_code == 302
    assert attempt(client, password=PASSWORD, REMOTE_ADDR="10.0.0.9").status_code == 302


def test_who_names_another_address_in_a_header_is_locked_all_the_same(client: "Client") -> None:
    for n in range(ATTEMPTS):
        attempt(client, HTTP_X_FORWARDED_FOR=f"10.0.0.{n}", HTTP_USER_AGENT=f"browser {n}")
    assert attempt(client, password=PASSWORD).status_code == 429


def test_a_lock_ends_in_time_and_does_not_grow(client: "Client") -> None:
    from axes.models import AccessAttempt

    for _ in range(ATTEMPTS + 3):
        attempt(client)
    row = AccessAttempt.objects.get()
    assert row.failures_since_start == ATTEMPTS
    AccessAttempt.objects.update(attempt_time=row.attempt_time - COOL_OFF + timedelta(minutes=1))
    assert attempt(client, password=PASSWORD).status_code == 429
    AccessAttempt.objects.update(attempt_time=row.attempt_time - COOL_OFF)
    assert attempt(client, password=PASSWORD).status_code == 302


def test_a_lock_can_be_lifted_at_the_terminal_and_in_the_console(client: "Client", login: Login) -> None:
    from axes.models import AccessAttempt

    from louhua.web.console.accounts import unlock

    for _ in range(ATTEMPTS):
        attempt(client)
    assert unlock("viewer") == 1
    assert unlock("viewer") == 0
    assert attempt(client, password=PASSWORD).status_code == 302
    for _ in range(ATTEMPTS):
        attempt(client)
    login("admin").post(f"/console/axes/accessattempt/{AccessAttempt.objects.get().pk}/delete/", {"post": "yes"})
    assert attempt(client, password=PASSWORD).status_code == 302


def test_no_password_is_kept_of_a_failed_login(client: "Client") -> None:
    from axes.models import AccessAttempt

    attempt(client, password="secret of another site")
    attempt(client, password="secret of another site")
    assert "secret of another site" not in str(AccessAttempt.objects.values().get())


def test_an_account_made_inactive_is_out_at_once(login: Login) -> None:
    from louhua.web.console.accounts import change

    client = login("viewer")
    change("viewer", role=None, active=False, password=None)
    assert client.get("/console/").status_code == 302
    assert attempt(client, password=PASSWORD).status_code == 200


def test_a_new_password_ends_logins(login: Login) -> None:
    from louhua.web.console.accounts import change

    client = login("viewer")
    change("viewer", role=None, active=None, password="another horse 78")
    assert client.get("/console/").status_code == 302


@pytest.mark.parametrize(
    "path", [FORM, "/console/language", "/console/charging/planversion/add/", "/console/logout/"]
)
def test_forms_of_other_sites_are_refused(login: Login, path: str) -> None:
    from django.test import Client

    foreign = Client(enforce_csrf_checks=True, SERVER_NAME="localhost")
    foreign.cookies = login("admin").cookies
    answer = foreign.post(path, {"username": "admin", "password": PASSWORD, "language": "en", "toml": ""})
    assert answer.status_code == 403


@pytest.mark.parametrize("https", [True, False])
def test_cookies_are_kept_from_scripts_other_sites_and_open_connections(client: "Client", https: bool) -> None:
    client.get(FORM, secure=https)
    attempt(client, password=PASSWORD, secure=https)
    client.post("/console/language", {"language": "en"}, secure=https)
    assert {"sessionid", "csrftoken", "django_language"} <= set(client.cookies)
    for name in ("sessionid", "csrftoken", "django_language"):
        cookie = client.cookies[name]
        assert cookie["httponly"]
        assert (cookie["samesite"], cookie["path"]) == ("Lax", "/console/")
        assert bool(cookie["secure"]) is https


def test_a_login_is_good_for_a_working_day(login: Login) -> None:
    session = login("viewer").session
    assert session.get_expiry_age() == 8 * 3600
    assert session.get_expire_at_browser_close()


def test_sessions_that_are_over_do_not_pile_up(login: Login) -> None:
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    login("viewer")
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    client = login("admin")
    assert Session.objects.get().session_key == client.session.session_key


def test_what_a_browser_may_do_with_a_page(client: "Client") -> None:
    answer = client.get(FORM)
    assert answer["X-Frame-Options"] == "DENY"
    policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
    assert "'unsafe-inline'" not in policy.pop("script-src")
    del policy["style-src"]
    assert policy == {
        "default-src": "'self'", "img-src": "'self' data:", "object-src": "'none'", "base-uri": "'none'",
        "form-action": "'self'", "frame-ancestors": "'none'",
    }  # fmt: skip


def test_the_service_speaks_its_own_language_until_another_is_chosen(client: "Client") -> None:
    page = client.get(FORM, HTTP_ACCEPT_LANGUAGE="en")
    assert (page["Content-Language"], "欢迎使用" in page.content.decode()) == ("zh-hans", True)
    client.post("/console/language", {"language": "en", "next": FORM})
    page = client.get(FORM)
    assert (page["Content-Language"], "Welcome back to" in page.content.decode()) == ("en", True)
    client.cookies["django_language"] = "xx"
    assert client.get(FORM)["Content-Language"] == "zh-hans"
