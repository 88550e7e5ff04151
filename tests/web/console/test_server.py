"""The real web role: what it serves besides pages, and behind a proxy."""

import http.client
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

FORM = "/console/login/"


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(address: str, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
    with closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=20)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def test_files_of_pages_come_without_a_step_before(address: str) -> None:
    for path, kind in {
        "/static/unfold/css/styles.css": "text/css",
        "/static/console/console.css": "text/css",
        "/static/console/icon.svg": "image/svg+xml",
    }.items():
        answer = ask(address, path)
        assert (answer.status, answer.headers.get_content_type()) == (200, kind)
        assert answer.body
        again = ask(address, path, If_Modified_Since=answer.headers["Last-Modified"])
        assert (again.status, again.body) == (304, b"")
    for path in (
        "/static/../settings.py", "/static/%2e%2e/%2e%2e/settings.py", "/static//etc/passwd", "/static/unfold/css",
        "/static/", "/static/%00.css", "/static/unfold/..%2f..%2fadmin.py", "/static/unfold/none.css",
    ):  # fmt: skip
        assert ask(address, path).status == 404, path
    assert ask(address, "/static/unfold/css/styles.css", "POST").status == 405


def test_behind_a_proxy_with_tls_cookies_stay_on_tls(address: str) -> None:
    for told, secure in {"https": True, "http": False}.items():
        answer = ask(address, FORM, X_Forwarded_Proto=told, X_Forwarded_For="10.9.8.7")
        assert ("Secure" in str(answer.headers["Set-Cookie"])) is secure


def test_whose_login_failed_is_the_caller_not_the_proxy(address: str) -> None:
    from axes.models import AccessAttempt

    first = ask(address, FORM)
    cookie = str(first.headers["Set-Cookie"]).partition(";")[0]
    token = first.body.decode().partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    body = f"csrfmiddlewaretoken={token}&username=admin&password=wrong".encode()
    answer = ask(
        address, FORM, "POST", body, Cookie=cookie, X_Forwarded_For="10.9.8.7",
        Content_Type="application/x-www-form-urlencoded",
    )  # fmt: skip
    assert answer.status == 200
    assert AccessAttempt.objects.get().ip_address == "10.9.8.7"


def test_a_form_may_not_be_larger_than_other_requests(address: str) -> None:
    assert ask(address, FORM, "POST", b"x" * (600 * 1024)).status == 413


@pytest.mark.parametrize(("roles", "there"), [('["call"]', False), ('["call", "web"]', True)])
def test_the_console_is_where_the_role_is(roles: str, there: bool, tmp_path: Path) -> None:
    program = (
        "from louhua.config import load; from louhua.db.migrate import setup_django; setup_django(load(None));"
        "from django.urls import resolve, Resolver404\n"
        "try: print(resolve('/console/').url_name)\n"
        "except Resolver404: print('none')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"LOUHUA_NODE__ROLES": roles, "LOUHUA_NODE__DATA": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == ("index" if there else "none")


def test_django_finds_nothing_wrong(console: str) -> None:
    from django.core.management import call_command

    call_command("check", fail_level="WARNING")
