"""Sessions, accounts and languages for the console's pages only.

Health, metrics and the REST API pass by: no thread, no cookie and no query is spent on them.
"""

from typing import Any, Final

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin

CONSOLE: Final = "/console/"

_POLICY: Final = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",  # Alpine, which unfold is made with, evaluates its attributes
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)


class _ConsoleOnly(MiddlewareMixin):
    """Is nothing to other paths."""

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request."""
        if request.path_info.startswith(CONSOLE):
            return super().__call__(request)
        return self.get_response(request)


class Headers(_ConsoleOnly, XFrameOptionsMiddleware):
    """What a browser may do with a page, and cookies that an encrypted connection has brought stay on such."""

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Add the headers."""
        response["Content-Security-Policy"] = _POLICY
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return super().process_response(request, response)


class Sessions(_ConsoleOnly, SessionMiddleware):
    """``request.session``."""


class Language(_ConsoleOnly):
    """The language that was chosen in this browser, else the service's, whatever the browser would like."""

    def process_request(self, request: HttpRequest) -> None:
        """Choose it."""
        chosen = request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME)
        language = chosen if chosen in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
        translation.activate(language)
        request.LANGUAGE_CODE = language

    def process_response(self, _request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Say which it is."""
        response.headers.setdefault("Content-Language", translation.get_language() or settings.LANGUAGE_CODE)
        return response


class Csrf(_ConsoleOnly, CsrfViewMiddleware):
    """Forms are ours."""

    async def process_view(  # type: ignore[override]  # Django adapts either
        self, request: HttpRequest, callback: Any, args: Any, kwargs: Any
    ) -> Any:
        """Refuse forms that are not; asynchronous, as another would cost each API request a thread's turn."""
        if request.path_info.startswith(CONSOLE):
            return super().process_view(request, callback, args, kwargs)
        return None


class Accounts(_ConsoleOnly, AuthenticationMiddleware):
    """``request.user``."""


class Messages(_ConsoleOnly, MessageMiddleware):
    """What a page says about what was just done."""
