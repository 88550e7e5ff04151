"""The site under ``/console/``: its way in, and whose each change is."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from auditlog.context import set_extra_data
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from louhua.web.console.limits import COOL_OFF
from louhua.web.console.login import LoginForm

View = Callable[..., HttpResponseBase]


class ConsoleSite(UnfoldAdminSite):
    """Django's administration in unfold's looks."""

    login_form = LoginForm
    index_template = "console/index.html"
    index_title = _("Louhua console")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The way in; 429 to who failed too often."""
        response: HttpResponseBase = super().login(request, extra_context)
        if getattr(request, "axes_locked_out", False):
            response.status_code = 429
            response["Retry-After"] = str(int(COOL_OFF.total_seconds()))
        return response

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """A page for staff; what is changed in it is recorded as theirs."""
        inner: View = super().admin_view(view, cacheable)

        @wraps(inner)
        def recorded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            actor = request.user if request.user.is_authenticated else None
            with set_extra_data({"actor": actor, "remote_addr": request.META.get("REMOTE_ADDR")}):
                return inner(request, *args, **kwargs)

        return recorded
