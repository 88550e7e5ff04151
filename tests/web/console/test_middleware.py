"""What is not the console's has no part in its sessions: no query, no cookie, no thread."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.web.console.conftest import Login


class Asked(BaseException):
    """The database was."""


@contextmanager
def no_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from django.db.backends.base.base import BaseDatabaseWrapper

    def ask(*_arguments: Any) -> NoReturn:
        raise Asked

    with monkeypatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "_cursor", ask)
        yield


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "/healthz"), ("get", "/metrics"), ("post", "/api/v1/reachable"), ("get", "/api/v1/openapi.json")],
)
def test_who_is_logged_in_is_not_asked_elsewhere(
    login: Login, method: str, path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    client = login("viewer")
    client.cookies["sessionid"]["path"] = "/"
    with no_database(monkeypatch):
        answer = getattr(client, method)(path)
        with pytest.raises(Asked):
            client.get("/console/")
    assert answer.status_code in (200, 401, 403, 503)
    assert not answer.cookies
    assert "Content-Security-Policy" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")


def test_nothing_of_the_console_is_a_thread_for_others(console: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the server the middleware is asynchronous; what is not takes a thread's turn a request."""
    from asgiref.sync import SyncToAsync, iscoroutinefunction
    from django.conf import settings
    from django.core.handlers.asgi import ASGIHandler
    from django.http import HttpRequest, HttpResponse
    from django.utils.module_loading import import_string

    ours = [name for name in settings.MIDDLEWARE if name.startswith("louhua.")]
    assert len(ours) > 4

    async def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse("well")

    request = HttpRequest()
    request.path_info = "/healthz"
    chain: Any = view
    for name in reversed(ours):
        chain = import_string(name)(chain)
        assert iscoroutinefunction(chain), name
    monkeypatch.setattr(SyncToAsync, "__call__", _thread)
    assert asyncio.run(chain(request)).content == b"well"

    handler: Any = ASGIHandler()
    assert not [method for method in handler._view_middleware if isinstance(method, SyncToAsync)]


async def _thread(*_arguments: Any, **_named: Any) -> NoReturn:
    pytest.fail("a thread was asked")
